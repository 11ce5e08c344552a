//! Capabilities (IRCv3 capability-negotiation): what a client can ask for, and who has what.

use super::text;

macro_rules! capabilities {
    ($($cap:ident $name:literal $help:literal)*) => {
        /// A capability.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Cap {
            $(#[doc = concat!("`", $name, "`: ", $help)] $cap,)*
        }

        /// All capabilities, each with its name and what it does.
        pub const ALL: &[(Cap, &str, &str)] = &[$((Cap::$cap, $name, $help)),*];
    };
}

capabilities! {
    AccountNotify "account-notify" "ACCOUNT when a member logs in or out"
    AccountTag "account-tag" "the tag account: which account sent a message"
    AwayNotify "away-notify" "AWAY when a member goes away or comes back"
    Batch "batch" "lines that belong together are framed by BATCH"
    CapNotify "cap-notify" "CAP NEW and CAP DEL when capabilities change"
    Chghost "chghost" "CHGHOST when a member's user name or host changes"
    AccountRegistration "draft/account-registration" "REGISTER and VERIFY"
    Chathistory "draft/chathistory" "CHATHISTORY"
    EventPlayback "draft/event-playback" "history has joins, topics and the like, too"
    ExtendedIsupport "draft/extended-isupport" "ISUPPORT, before registration too, and its tokens as a batch"
    DraftExtendedMonitor "draft/extended-monitor" "the name that extended-monitor had before"
    MessageRedaction "draft/message-redaction" "REDACT"
    Multiline "draft/multiline" "messages of several lines"
    NoImplicitNames "draft/no-implicit-names" "no NAMES after a JOIN"
    PreAway "draft/pre-away" "AWAY before registration"
    ReadMarker "draft/read-marker" "MARKREAD"
    EchoMessage "echo-message" "your own messages come back to you"
    ExtendedJoin "extended-join" "JOIN with account and real name"
    ExtendedMonitor "extended-monitor" "AWAY, ACCOUNT and the like of those whom you MONITOR"
    InviteNotify "invite-notify" "INVITE when a member of a channel invites somebody"
    LabeledResponse "labeled-response" "answers carry the label of the command"
    MessageTags "message-tags" "tags, those of other clients among them, and TAGMSG"
    MultiPrefix "multi-prefix" "all prefixes of a member, not only the highest"
    Sasl "sasl" "AUTHENTICATE"
    ServerTime "server-time" "the tag time: when it happened"
    Setname "setname" "SETNAME"
    StandardReplies "standard-replies" "FAIL, WARN and NOTE"
    Sts "sts" "where TLS is, and for how long a client should insist on it"
    UserhostInNames "userhost-in-names" "NAMES with nick!user@host"
}

impl Cap {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        ALL[self as usize].1
    }

    /// The capability of this name.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        ALL.iter().find(|(_, known, _)| *known == name).map(|(cap, ..)| *cap)
    }
}

/// A set of capabilities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Caps(u32);

impl Caps {
    /// None.
    pub const NONE: Self = Self(0);

    /// These.
    #[must_use]
    pub const fn of(caps: &[Cap]) -> Self {
        let (mut set, mut at) = (0, 0);
        while at < caps.len() {
            set |= 1 << caps[at] as u32;
            at += 1;
        }
        Self(set)
    }

    /// Whether `cap` is among them.
    #[must_use]
    pub const fn has(self, cap: Cap) -> bool {
        self.0 & (1 << cap as u32) != 0
    }

    /// Those that are in both sets.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// As a number, which [`from_bits`](Caps::from_bits) takes.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// The set that [`bits`](Caps::bits) gave.
    #[must_use]
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// With `cap`.
    #[must_use]
    pub const fn with(self, cap: Cap) -> Self {
        Self(self.0 | 1 << cap as u32)
    }

    /// Without `cap`.
    #[must_use]
    pub const fn without(self, cap: Cap) -> Self {
        Self(self.0 & !(1 << cap as u32))
    }

    /// One after the other, by name.
    pub fn iter(self) -> impl Iterator<Item = Cap> {
        ALL.iter().map(|(cap, ..)| *cap).filter(move |cap| self.has(*cap))
    }
}

/// A subcommand of `CAP`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// What is there? With the version that the client speaks, 301 if it said none.
    Ls(u32),
    /// What do I have?
    List,
    /// I want these, and no longer those with `-`.
    Req(&'a str),
    /// That is all.
    End,
    /// Another word.
    Unknown(&'a str),
}

impl<'a> Request<'a> {
    /// The request in the parameters of `CAP`.
    #[must_use]
    pub fn parse(params: &[&'a str]) -> Self {
        let word = params.first().copied().unwrap_or_default();
        let argument = params.get(1).copied();
        match word.to_ascii_uppercase().as_str() {
            "LS" => Self::Ls(argument.and_then(|version| version.parse().ok()).unwrap_or(301)),
            "LIST" => Self::List,
            "REQ" => Self::Req(argument.unwrap_or_default()),
            "END" => Self::End,
            _ => Self::Unknown(word),
        }
    }
}

/// What a client has after `REQ`: all that it asked for, or `None` if one of those is not offered, and then nothing changes.
///
/// `sts` cannot be asked for. `cap-notify` of a client that spoke version 302 stays.
#[must_use]
pub fn request(list: &str, has: Caps, offered: Caps) -> Option<Caps> {
    list.split(' ').filter(|word| !word.is_empty()).try_fold(has, |set, word| {
        let (name, wanted) = word.strip_prefix('-').map_or((word, true), |name| (name, false));
        let cap = Cap::find(name).filter(|cap| offered.has(*cap) && *cap != Cap::Sts)?;
        Some(if wanted { set.with(cap) } else { set.without(cap) })
    })
}

/// The names of capabilities, with their values for a client that speaks version 302, in pieces of at most `limit` bytes.
#[must_use]
pub fn list(caps: Caps, value: impl Fn(Cap) -> Option<String>, limit: usize) -> Vec<String> {
    let word = |cap: Cap| match value(cap) {
        Some(value) if !value.is_empty() => format!("{}={value}", cap.name()),
        _ => cap.name().to_owned(),
    };
    let mut lines = text::pack(caps.iter().map(word), limit);
    if lines.is_empty() {
        lines.push(String::new());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFERED: Caps = Caps::of(&[Cap::Batch, Cap::Sasl, Cap::ServerTime, Cap::Sts]);

    #[test]
    fn the_table_is_in_order_and_fits_a_set() {
        for (at, (cap, name, help)) in ALL.iter().enumerate() {
            assert_eq!((*cap as usize, cap.name(), Cap::find(name)), (at, *name, Some(*cap)));
            assert!(!help.is_empty());
        }
        assert!(ALL.len() <= 32);
        assert!(ALL.is_sorted_by_key(|(_, name, _)| *name));
    }

    #[test]
    fn subcommands() {
        let rows: [(&[&str], Request<'_>); 8] = [
            (&["LS"], Request::Ls(301)),
            (&["ls", "302"], Request::Ls(302)),
            (&["LS", "x"], Request::Ls(301)),
            (&["LIST"], Request::List),
            (&["REQ", "a b"], Request::Req("a b")),
            (&["REQ"], Request::Req("")),
            (&["end"], Request::End),
            (&["ACK"], Request::Unknown("ACK")),
        ];
        for (params, expected) in rows {
            assert_eq!(Request::parse(params), expected);
        }
    }

    #[test]
    fn all_are_given_or_none() {
        let has = Caps::of(&[Cap::Batch]);
        let rows = [
            ("sasl", Some(Caps::of(&[Cap::Batch, Cap::Sasl]))),
            ("sasl server-time ", Some(Caps::of(&[Cap::Batch, Cap::Sasl, Cap::ServerTime]))),
            ("-batch sasl", Some(Caps::of(&[Cap::Sasl]))),
            ("-sasl", Some(has)),
            ("", Some(has)),
            ("sasl -sasl", Some(has)),
            ("sasl unheard-of", None),
            ("-unheard-of", None),
            ("SASL", None),
            ("setname", None),
            ("sts", None),
        ];
        for (list, expected) in rows {
            assert_eq!(request(list, has, OFFERED), expected, "{list}");
        }
    }

    #[test]
    fn lists_are_split_and_have_values() {
        let value = |cap| (cap == Cap::Sasl).then(|| "PLAIN,EXTERNAL".to_owned());
        assert_eq!(list(OFFERED, value, 400), ["batch sasl=PLAIN,EXTERNAL server-time sts"]);
        assert_eq!(list(OFFERED, |_| None, 11), ["batch sasl", "server-time", "sts"]);
        assert_eq!(list(Caps::NONE, |_| None, 11), [""]);
    }
}
