//! The IRC door to the letter: tables of lines in and lines out, played over TCP, and real clients.
//!
//! `docs/chat-irc-requirements.md` is printed from the tables: `UPDATE_CHAT_IRC=1` in front of its test rewrites it.

mod clients;
mod pattern;
mod requirements;
mod run;
mod table;

macro_rules! tables {
    ($($name:ident)*) => {
        /// The tables, in the order of the page.
        const TABLES: &[&str] = &[$(stringify!($name)),*];

        $(#[test]
        fn $name() {
            run::table(stringify!($name));
        })*
    };
}

tables! {
    registration
    accounts
    channels
    modes
    messages
    tags
    history
    people
    server
}

#[test]
fn two_nodes_pass_the_tables_of_one() {
    // What one client alone sees of a server is in the other tables.
    let tables = ["accounts", "channels", "messages", "modes", "tags", "history", "people"];
    let marker =
        "a read marker where nothing was said is known to its own node alone, as no cursor can hold it";
    run::tables_on_two_nodes(
        &tables,
        &[
            (
                "direct_guest",
                "what an account and a guest have said is known to the node where it was said alone",
            ),
            ("markread_devices", marker),
            ("markread_kept", marker),
        ],
    );
}
