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
    let invisible = "whether somebody is invisible is known to its own node alone";
    let was = "WHOWAS of guests remembers those of its own node";
    run::tables_on_two_nodes(
        &["messages", "channels", "modes", "people"],
        &[
            ("invisible", invisible),
            ("whois_invisible", invisible),
            ("whois_invisible_shared", invisible),
            ("whowas", was),
            ("whowas_several", was),
            (
                "away_notify_join",
                "the other node tells of the absence before the room, so it is not said again",
            ),
            ("monitor_nick", "renames in a row are told to other nodes as one"),
        ],
    );
}
