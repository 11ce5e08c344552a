//! The commands of a client, as a table: by it they are found, checked and explained.

/// When a command may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// At any time.
    Always,
    /// Once the client is registered (NICK and USER are accepted, and CAP is over).
    Registered,
    /// Only before that.
    Before,
}

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The command.
    pub command: Command,
    /// As it is sent.
    pub name: &'static str,
    /// Parameters that it cannot do without.
    pub params: usize,
    /// When it may be sent.
    pub stage: Stage,
    /// Its parameters, as a user writes them.
    pub syntax: &'static str,
    /// What it does, in a sentence.
    pub help: &'static str,
}

macro_rules! commands {
    ($($command:ident $name:literal $params:literal $stage:ident $syntax:literal $help:literal)*) => {
        /// A command.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Command {
            $(#[doc = concat!("`", $name, " ", $syntax, "`")] $command,)*
        }

        /// All commands, by name.
        pub const ALL: &[Row] = &[$(Row {
            command: Command::$command,
            name: $name,
            params: $params,
            stage: Stage::$stage,
            syntax: $syntax,
            help: $help,
        }),*];
    };
}

commands! {
    Accept "ACCEPT" 1 Registered "[-]nick[,[-]nick...]|*" "Lets people without an account write to you though you have the user mode R, or with - no longer; * lists them."
    Admin "ADMIN" 0 Registered "[server]" "Shows who runs the server."
    Authenticate "AUTHENTICATE" 1 Always "mechanism|data|*" "Logs in by SASL; * gives up."
    Away "AWAY" 0 Always "[text]" "Marks you as away, or without a text as back."
    Batch "BATCH" 1 Registered "+ref type [params]|-ref" "Opens or closes a batch of lines that are one message."
    Cap "CAP" 1 Always "LS [302]|LIST|REQ caps|END" "Negotiates capabilities."
    Chathistory "CHATHISTORY" 1 Registered "BEFORE|AFTER|LATEST|AROUND|BETWEEN|TARGETS params limit" "Shows what was said earlier."
    Connect "CONNECT" 1 Registered "server [port [remote]]" "Is refused: the server has no peers to connect to by hand."
    Help "HELP" 0 Registered "[topic]" "Explains a command, or lists all of them."
    Helpop "HELPOP" 0 Registered "[topic]" "The same as HELP."
    Info "INFO" 0 Registered "[server]" "Shows what the server is."
    Invite "INVITE" 0 Registered "[nick channel]" "Invites somebody to a channel; alone, lists where you are invited."
    Ison "ISON" 1 Registered "nick [nick...]" "Shows which of these are online."
    Isupport "ISUPPORT" 0 Always "" "Shows what the server supports, as when you connected."
    Join "JOIN" 1 Registered "channel[,channel...] [key[,key...]]|0" "Enters channels; 0 leaves all of them."
    Kick "KICK" 2 Registered "channel[,channel...] nick[,nick...] [reason]" "Puts members out of a channel."
    Kill "KILL" 1 Registered "nick [reason]" "Ends somebody's connections. For operators."
    Links "LINKS" 0 Registered "[mask]" "Is answered with an empty list: which servers there are is not shown."
    List "LIST" 0 Registered "[channel[,channel...]|condition[,condition...]]" "Lists channels: by mask, *!mask*, <users, >users, C<minutes, C>minutes, T<minutes or T>minutes."
    Lusers "LUSERS" 0 Registered "[mask [server]]" "Counts users and channels."
    Markread "MARKREAD" 1 Registered "target [timestamp=time]" "Shows, or moves forward, how far you have read."
    Mode "MODE" 1 Registered "target [modes [params...]]" "Shows or changes the modes of a channel, or your own."
    Monitor "MONITOR" 1 Registered "+ nicks|- nicks|C|L|S" "Tells you when people come online and leave."
    Motd "MOTD" 0 Registered "[server]" "Shows the message of the day."
    Names "NAMES" 0 Registered "[channel[,channel...]]" "Lists the members of channels."
    Nick "NICK" 0 Always "nick" "Sets your nickname."
    Nickserv "NICKSERV" 0 Registered "command [params...]" "The same as a message to NickServ: REGISTER password [email], IDENTIFY [account] password, HELP."
    Notice "NOTICE" 0 Registered "target[,target...] text" "Sends a message that no program answers."
    Ns "NS" 0 Registered "command [params...]" "The same as NICKSERV."
    Oper "OPER" 2 Registered "name password" "Makes you an operator, by an account that is one."
    Part "PART" 1 Registered "channel[,channel...] [reason]" "Leaves channels."
    Pass "PASS" 1 Before "[account:]password" "Logs in with the password of your account, before NICK and USER."
    Ping "PING" 1 Always "token" "Asks for a PONG."
    Pong "PONG" 0 Always "token" "Answers a PING."
    Privmsg "PRIVMSG" 0 Registered "target[,target...] text" "Sends a message to a channel or to somebody."
    Quit "QUIT" 0 Always "[reason]" "Ends the connection."
    Redact "REDACT" 2 Registered "target msgid [reason]" "Deletes a message."
    Register "REGISTER" 3 Always "*|account *|email password" "Makes an account."
    Rehash "REHASH" 0 Registered "" "Reads certificates and other files again, as the signal HUP does. For operators."
    Restart "RESTART" 0 Registered "" "Is refused: a server is restarted where it was started."
    Setname "SETNAME" 1 Registered "name" "Changes your real name."
    Squit "SQUIT" 1 Registered "server [comment]" "Is refused: there are no other servers."
    Stats "STATS" 0 Registered "u|m [server]" "Shows how long the server has run (u), or how often commands were used (m)."
    Tagmsg "TAGMSG" 1 Registered "target[,target...]" "Sends message tags without a text."
    Time "TIME" 0 Registered "[server]" "Shows the server's time."
    Topic "TOPIC" 1 Registered "channel [topic]" "Shows or sets what a channel is about."
    User "USER" 4 Always "user 0 * realname" "Says who you are, before registration is complete."
    Userhost "USERHOST" 1 Registered "nick [nick...]" "Shows the hosts of up to five people."
    Verify "VERIFY" 2 Always "account code" "Verifies a new account. No account needs it here."
    Version "VERSION" 0 Registered "[server]" "Shows the version of the server, and what it supports."
    Wallops "WALLOPS" 1 Registered "text" "Sends a text to those with the user mode w. For operators."
    Who "WHO" 0 Registered "[mask [o][%fields[,token]]]" "Lists the members of a channel, or the people whom a mask fits."
    Whois "WHOIS" 0 Registered "[server] nick" "Shows who somebody is."
    Whowas "WHOWAS" 0 Registered "nick [count]" "Shows who somebody was."
}

impl Command {
    /// The command of this name, in any case.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Row> {
        ALL.binary_search_by(|row| {
            let upper = name.bytes().map(|byte| byte.to_ascii_uppercase());
            row.name.bytes().cmp(upper)
        })
        .ok()
        .map(|at| &ALL[at])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_found_in_any_case() {
        for row in ALL {
            assert_eq!(Command::find(row.name), Some(row));
            assert_eq!(Command::find(&row.name.to_lowercase()), Some(row), "the table is sorted");
        }
        for name in ["", "PRIVMS", "PRIVMSGS", "001", "ADM\0N"] {
            assert_eq!(Command::find(name), None);
        }
    }

    #[test]
    fn every_command_is_explained() {
        for row in ALL {
            assert!(row.help.ends_with('.') && row.help.len() < 200, "{}", row.name);
            assert!(
                row.params <= row.syntax.split(' ').filter(|word| !word.is_empty()).count(),
                "{}",
                row.name
            );
        }
    }
}
