//! Messages: tags, source, command and parameters of a line (Modern IRC, "Message Format").

use super::tags::Tags;

/// Parameters of a message at most. The last one takes the rest of the line.
pub const MAX_PARAMS: usize = 15;

/// A message, as parts of its line.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// What stands behind `@`.
    pub tags: Tags<'a>,
    /// What stands behind `:`, before the command. A server ignores it.
    pub source: Option<&'a str>,
    /// A word in the case in which it was sent: letters, or three digits, if it is a command at all.
    pub command: &'a str,
    params: [&'a str; MAX_PARAMS],
    count: usize,
}

/// A line that is no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAMessage {
    /// Nothing stands behind the tags and the source.
    #[error("there is no command")]
    NoCommand,
}

impl<'a> Message<'a> {
    /// The message in a line, which has no line end.
    ///
    /// Any number of spaces separates its parts, and spaces at its end mean nothing.
    ///
    /// # Errors
    /// [`NotAMessage`].
    pub fn parse(line: &'a str) -> Result<Self, NotAMessage> {
        let mut rest = line;
        let mut tags = Tags::default();
        if let Some(tagged) = rest.strip_prefix('@') {
            let (raw, after) = word(tagged);
            (tags, rest) = (Tags::parse(raw), after);
        }
        rest = rest.trim_start_matches(' ');
        let mut source = None;
        if let Some(sourced) = rest.strip_prefix(':') {
            let (raw, after) = word(sourced);
            (source, rest) = (Some(raw), after.trim_start_matches(' '));
        }
        let (command, mut rest) = word(rest);
        // A second source, or tags behind one, are no command either.
        if command.is_empty() || command.starts_with([':', '@']) {
            return Err(NotAMessage::NoCommand);
        }
        let mut message = Self { tags, source, command, params: [""; MAX_PARAMS], count: 0 };
        loop {
            rest = rest.trim_start_matches(' ');
            if rest.is_empty() {
                return Ok(message);
            }
            let param = match rest.strip_prefix(':') {
                Some(last) => {
                    rest = "";
                    last
                }
                None if message.count + 1 == MAX_PARAMS => std::mem::take(&mut rest),
                None => {
                    let (param, after) = word(rest);
                    rest = after;
                    param
                }
            };
            message.params[message.count] = param;
            message.count += 1;
            if message.count == MAX_PARAMS {
                return Ok(message);
            }
        }
    }

    /// The parameters.
    #[must_use]
    pub fn params(&self) -> &[&'a str] {
        &self.params[..self.count]
    }

    /// A parameter; `None` if it is missing.
    #[must_use]
    pub fn param(&self, at: usize) -> Option<&'a str> {
        self.params().get(at).copied()
    }

    /// A parameter that is there and is not empty.
    #[must_use]
    pub fn given(&self, at: usize) -> Option<&'a str> {
        self.param(at).filter(|param| !param.is_empty())
    }
}

/// The first word of a text, and what follows it.
fn word(text: &str) -> (&str, &str) {
    let end = memchr::memchr(b' ', text.as_bytes()).unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_line() {
        type Row = (&'static str, Option<&'static str>, &'static str, &'static [&'static str]);
        let rows: &[Row] = &[
            ("PING", None, "PING", &[]),
            ("PING ", None, "PING", &[]),
            ("ping one two", None, "ping", &["one", "two"]),
            ("PRIVMSG #a :hello there", None, "PRIVMSG", &["#a", "hello there"]),
            ("PRIVMSG #a ::)", None, "PRIVMSG", &["#a", ":)"]),
            ("PRIVMSG #a :", None, "PRIVMSG", &["#a", ""]),
            ("PRIVMSG #a : x ", None, "PRIVMSG", &["#a", " x "]),
            ("PRIVMSG  #a   b:c ", None, "PRIVMSG", &["#a", "b:c"]),
            (":dan!d@host PRIVMSG #a hi", Some("dan!d@host"), "PRIVMSG", &["#a", "hi"]),
            (":irc.example 001 dan :Welcome", Some("irc.example"), "001", &["dan", "Welcome"]),
            (":irc.example  432   #m :Bad: name", Some("irc.example"), "432", &["#m", "Bad: name"]),
            ("@a=b :dan PING", Some("dan"), "PING", &[]),
            ("@a  PING x", None, "PING", &["x"]),
            ("  PING x", None, "PING", &["x"]),
            ("MODE #a +o b  ", None, "MODE", &["#a", "+o", "b"]),
        ];
        for (line, source, command, params) in rows {
            let message = Message::parse(line).unwrap();
            assert_eq!(
                (message.source, message.command, message.params()),
                (*source, *command, *params),
                "{line}"
            );
        }
    }

    #[test]
    fn the_fifteenth_parameter_takes_the_rest() {
        let line = "X 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16";
        let message = Message::parse(line).unwrap();
        assert_eq!((message.params().len(), message.params()[14]), (15, "15 16"));
        let line = "X 1 2 3 4 5 6 7 8 9 10 11 12 13 14 :15 16";
        assert_eq!(Message::parse(line).unwrap().params()[14], "15 16");
    }

    #[test]
    fn lines_that_are_no_messages() {
        for line in ["", "   ", "@a=b", "@a=b ", ":dan", ":dan  ", "@ :", ":a :b", ":a @b", "@a :b :c"] {
            assert_eq!(Message::parse(line).unwrap_err(), NotAMessage::NoCommand, "{line:?}");
        }
        // What is no command is a word all the same, by which it is refused.
        let words = [("PI-NG", "PI-NG"), ("?", "?"), ("PÏNG x", "PÏNG"), ("\u{1}x", "\u{1}x")];
        for (line, word) in words {
            assert_eq!(Message::parse(line).unwrap().command, word, "{line:?}");
        }
    }

    #[test]
    fn missing_and_empty_parameters_differ() {
        let message = Message::parse("TOPIC #a :").unwrap();
        assert_eq!((message.param(1), message.given(1), message.param(2)), (Some(""), None, None));
    }
}
