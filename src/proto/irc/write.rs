//! Lines that leave: written so that nothing in them can become a second line, and no longer than a client has to read.

use bytes::Bytes;

use super::line::{MAX_BODY, MAX_TAGS};
use super::numeric::Numeric;
use super::tags::{escape, is_key};

/// A line to be sent. Its tags stand apart from the rest, since they differ by what a client has asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    tags: String,
    body: String,
    ended: bool,
}

impl Line {
    /// A line with a source (`:source COMMAND`); without one if that is empty.
    #[must_use]
    pub fn new(source: &str, command: &str) -> Self {
        let mut line = Self { tags: String::new(), body: String::with_capacity(96), ended: false };
        if !source.is_empty() {
            line.body.push(':');
            line.put_word(source);
            line.body.push(' ');
        }
        line.put_word(command);
        line
    }

    /// A numeric reply of a server to `client`, without its text.
    #[must_use]
    pub fn numeric(server: &str, numeric: Numeric, client: &str) -> Self {
        Self::new(server, &format!("{:03}", numeric.code)).param(client)
    }

    /// A line that was written before, without its end.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        let (tags, body) = match text.strip_prefix('@').and_then(|text| text.split_once(' ')) {
            Some((tags, body)) => (tags.to_owned(), body),
            None => (String::new(), text),
        };
        let body = body.chars().filter(|found| !matches!(found, '\0' | '\r' | '\n')).collect();
        Self { tags, body, ended: true }
    }

    /// Adds a tag, unless its key is none, or the tags would be longer than [`MAX_TAGS`].
    #[must_use]
    pub fn tag(mut self, key: &str, value: &str) -> Self {
        self.add_tag(key, value);
        self
    }

    /// As [`tag`](Line::tag), in place.
    pub fn add_tag(&mut self, key: &str, value: &str) {
        if !is_key(key) {
            return;
        }
        let before = self.tags.len();
        if before > 0 {
            self.tags.push(';');
        }
        self.tags.push_str(key);
        if !value.is_empty() {
            self.tags.push('=');
            escape(value, &mut self.tags);
        }
        // With `@` and the space.
        if self.tags.len() + 2 > MAX_TAGS {
            self.tags.truncate(before);
        }
    }

    /// Whether it has a tag of this key.
    #[must_use]
    pub fn has_tag(&self, key: &str) -> bool {
        super::tags::Tags::parse(&self.tags).value(key).is_some()
    }

    /// Adds a parameter in the middle. One that is empty, begins with `:` or holds a space would be read as something else; `*` stands for it.
    #[must_use]
    pub fn param(mut self, param: &str) -> Self {
        if self.ended {
            return self;
        }
        self.body.push(' ');
        if param.is_empty() || param.starts_with(':') || param.contains(' ') {
            self.body.push('*');
        } else {
            self.put_word(param);
        }
        self
    }

    /// Adds the last parameter, which may be any text. A line end in it becomes a space; what is too long is cut at a character.
    #[must_use]
    pub fn last(mut self, text: &str) -> Self {
        if self.ended {
            return self;
        }
        self.ended = true;
        self.body.push_str(" :");
        self.body.extend(text.chars().filter(|found| *found != '\0').map(|found| match found {
            '\r' | '\n' => ' ',
            other => other,
        }));
        self
    }

    /// Bytes that a last parameter may still have.
    #[must_use]
    pub fn room(&self) -> usize {
        (MAX_BODY - 2).saturating_sub(self.body.len() + 2)
    }

    /// The line without its tags and its end, cut at [`MAX_BODY`].
    #[must_use]
    pub fn body(&self) -> &str {
        super::text::cut(&self.body, MAX_BODY - 2)
    }

    /// Appends the line, with CR LF.
    pub fn write(&self, to: &mut Vec<u8>) {
        if !self.tags.is_empty() {
            to.push(b'@');
            to.extend_from_slice(self.tags.as_bytes());
            to.push(b' ');
        }
        to.extend_from_slice(self.body().as_bytes());
        to.extend_from_slice(b"\r\n");
    }

    /// The line, with CR LF.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let mut bytes = Vec::with_capacity(self.tags.len() + self.body.len() + 4);
        self.write(&mut bytes);
        bytes.into()
    }

    /// Its tags, and the rest of another line.
    #[must_use]
    pub(super) fn with_body_of(mut self, other: &Self) -> Self {
        self.body.clone_from(&other.body);
        self
    }

    fn put_word(&mut self, word: &str) {
        self.body.extend(word.chars().filter(|found| !matches!(found, '\0' | '\r' | '\n' | ' ')));
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::Message;
    use super::super::numeric;
    use super::*;

    fn text(line: &Line) -> String {
        String::from_utf8(line.to_bytes().to_vec()).unwrap()
    }

    #[test]
    fn lines_as_they_stand_on_the_wire() {
        let rows = [
            (
                Line::new("a!b@c", "PRIVMSG").param("#d").last("hello there"),
                ":a!b@c PRIVMSG #d :hello there\r\n",
            ),
            (Line::new("", "PING").last("x"), "PING :x\r\n"),
            (Line::new("s", "TOPIC").param("#d").last(""), ":s TOPIC #d :\r\n"),
            (Line::new("s", "PONG").tag("label", "a b").tag("+x", ""), "@label=a\\sb;+x :s PONG\r\n"),
            (Line::numeric("s", numeric::RPL_WELCOME, "dan").last("Hi"), ":s 001 dan :Hi\r\n"),
        ];
        for (line, expected) in rows {
            assert_eq!(text(&line), expected);
        }
    }

    #[test]
    fn no_parameter_becomes_another_line() {
        for evil in ["a\r\nQUIT", "a\nQUIT", "\rQUIT", "a\0b", "\r\n\r\n"] {
            let line = Line::new(evil, evil).tag("k", evil).param(evil).last(evil);
            let text = text(&line);
            assert_eq!(text.matches(['\r', '\n', '\0']).count(), 2, "{text:?}");
            assert!(text.ends_with("\r\n"));
        }
    }

    #[test]
    fn a_parameter_in_the_middle_is_one_word() {
        for odd in ["", ":a", "a b", " "] {
            assert_eq!(text(&Line::new("", "X").param(odd).param("b")), "X * b\r\n");
        }
    }

    #[test]
    fn a_line_is_what_it_was() {
        for line in ["@a=b;c :s PING :x y", ":s PING", "PING"] {
            assert_eq!(text(&Line::from_text(line)).trim_end(), line);
        }
        assert_eq!(text(&Line::from_text("@a=b :s X :y").tag("label", "1")), "@a=b;label=1 :s X :y\r\n");
        assert_eq!(text(&Line::from_text("a\r\nb")), "ab\r\n");
    }

    #[test]
    fn nothing_follows_the_last_parameter() {
        assert_eq!(text(&Line::new("", "X").last("a").param("b").last("c")), "X :a\r\n");
    }

    #[test]
    fn long_lines_are_cut_at_a_character() {
        for n in 500..520 {
            let line =
                Line::new("a", "PRIVMSG").tag("+t", &"t".repeat(2000)).param("#d").last(&"ü".repeat(n));
            let bytes = line.to_bytes();
            let body = line.body();
            assert!(body.len() <= 510 && body.len() >= 509);
            assert!(Message::parse(body).unwrap().params()[1].chars().all(|found| found == 'ü'));
            assert_eq!(bytes.len(), 2005 + body.len() + 2);
        }
    }

    #[test]
    fn the_room_of_a_line_is_what_fits() {
        let line = Line::new("a", "PRIVMSG").param("#d");
        let room = line.room();
        assert_eq!(line.clone().last(&"x".repeat(room)).to_bytes().len(), 512);
        assert_eq!(line.last(&"x".repeat(room + 9)).to_bytes().len(), 512);
    }

    #[test]
    fn tags_have_a_limit_and_real_keys() {
        let line = Line::new("", "X")
            .tag("a", &"x".repeat(8000))
            .tag("b", &"x".repeat(300))
            .tag("c", "")
            .tag("?", "1");
        let text = text(&line);
        assert!(text.starts_with("@a=xxx") && text.ends_with("x;c X\r\n"), "{}", text.len());
    }
}
