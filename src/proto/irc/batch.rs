//! A message of several lines, as a client sends it: a batch of the type `draft/multiline` (IRCv3 multiline).

/// Bytes of the text at most: the value `max-bytes` of the capability. Ergo 4096.
pub const MAX_BYTES: usize = 16 * 1024;

/// Lines at most: the value `max-lines`. Ergo 100.
pub const MAX_LINES: usize = 100;

/// The type of such a batch.
pub const MULTILINE: &str = "draft/multiline";

/// The tag of a line that goes on the line before it.
pub const CONCAT: &str = "draft/multiline-concat";

/// How a message is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// `PRIVMSG`.
    Privmsg,
    /// `NOTICE`.
    Notice,
}

/// What is wrong with a batch: the code of its `FAIL BATCH`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// More bytes than [`MAX_BYTES`].
    #[error("Multiline batch max-bytes exceeded")]
    Bytes,
    /// More lines than [`MAX_LINES`].
    #[error("Multiline batch max-lines exceeded")]
    Lines,
    /// A line to somebody else.
    #[error("Invalid multiline target")]
    Target,
    /// Something that has no place in it.
    #[error("Invalid multiline batch")]
    Invalid,
}

impl Fault {
    /// The code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Bytes => "MULTILINE_MAX_BYTES",
            Self::Lines => "MULTILINE_MAX_LINES",
            Self::Target => "MULTILINE_INVALID_TARGET",
            Self::Invalid => "MULTILINE_INVALID",
        }
    }
}

/// A batch that is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Multiline {
    reference: String,
    target: String,
    /// Client-only tags of the `BATCH` line: those of the whole message.
    pub tags: Vec<(String, String)>,
    /// The label of the `BATCH` line.
    pub label: Option<String>,
    verb: Option<Verb>,
    text: String,
    /// Where a line goes on the one before it, in bytes of the text.
    cuts: Vec<usize>,
    lines: usize,
    blank: bool,
}

impl Multiline {
    /// A batch that begins. References are as short as words of a line.
    #[must_use]
    pub fn open(reference: &str, target: &str, tags: Vec<(String, String)>, label: Option<String>) -> Self {
        let (reference, target) = (reference.to_owned(), target.to_owned());
        Self {
            reference,
            target,
            tags,
            label,
            verb: None,
            text: String::new(),
            cuts: Vec::new(),
            lines: 0,
            blank: true,
        }
    }

    /// What the client calls it.
    #[must_use]
    pub fn reference(&self) -> &str {
        &self.reference
    }

    /// To whom it goes.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// Adds a line.
    ///
    /// # Errors
    /// [`Fault`]; the batch is over then.
    pub fn add(&mut self, verb: Verb, target: &str, text: &str, concat: bool) -> Result<(), Fault> {
        if !target.eq_ignore_ascii_case(&self.target) {
            return Err(Fault::Target);
        }
        if *self.verb.get_or_insert(verb) != verb || concat && (self.lines == 0 || text.is_empty()) {
            return Err(Fault::Invalid);
        }
        if self.lines == MAX_LINES {
            return Err(Fault::Lines);
        }
        if concat {
            self.cuts.push(self.text.len());
        } else if self.lines > 0 {
            self.text.push('\n');
        }
        self.text.push_str(text);
        self.blank &= text.is_empty();
        self.lines += 1;
        if self.text.len() > MAX_BYTES { Err(Fault::Bytes) } else { Ok(()) }
    }

    /// Where a line goes on the one before it, in bytes of the text.
    #[must_use]
    pub fn cuts(&self) -> &[usize] {
        &self.cuts
    }

    /// Ends it: how it is sent, and its text with line feeds.
    ///
    /// # Errors
    /// [`Fault::Invalid`] if all its lines are empty, or there are none.
    pub fn close(self) -> Result<(Verb, String), Fault> {
        match self.verb {
            Some(verb) if !self.blank => Ok((verb, self.text)),
            _ => Err(Fault::Invalid),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch() -> Multiline {
        Multiline::open("1", "#a", Vec::new(), None)
    }

    #[test]
    fn lines_become_one_text() {
        let mut batch = batch();
        for (text, concat) in
            [("hello", false), ("how is ", false), ("everyone?", true), ("", false), ("bye", false)]
        {
            batch.add(Verb::Privmsg, "#A", text, concat).unwrap();
        }
        assert_eq!(batch.cuts(), [13]);
        assert_eq!(batch.close(), Ok((Verb::Privmsg, "hello\nhow is everyone?\n\nbye".to_owned())));
    }

    #[test]
    fn faults() {
        assert_eq!(batch().add(Verb::Privmsg, "#b", "x", false), Err(Fault::Target));
        assert_eq!(batch().add(Verb::Privmsg, "#a", "x", true), Err(Fault::Invalid));
        assert_eq!(batch().close(), Err(Fault::Invalid));
        let mut mixed = batch();
        mixed.add(Verb::Notice, "#a", "x", false).unwrap();
        assert_eq!(mixed.add(Verb::Privmsg, "#a", "x", false), Err(Fault::Invalid));
        let mut blank = batch();
        blank.add(Verb::Notice, "#a", "", false).unwrap();
        blank.add(Verb::Notice, "#a", "", false).unwrap();
        assert_eq!(blank.clone().add(Verb::Notice, "#a", "", true), Err(Fault::Invalid));
        assert_eq!(blank.close(), Err(Fault::Invalid));
    }

    #[test]
    fn limits() {
        let mut many = batch();
        for _ in 0..MAX_LINES {
            many.add(Verb::Privmsg, "#a", "x", false).unwrap();
        }
        assert_eq!(many.add(Verb::Privmsg, "#a", "x", false), Err(Fault::Lines));
        let mut long = batch();
        let line = "x".repeat(400);
        let added = (0..MAX_LINES).map(|_| long.add(Verb::Privmsg, "#a", &line, false)).find(Result::is_err);
        assert_eq!(added, Some(Err(Fault::Bytes)));
        for fault in [Fault::Bytes, Fault::Lines, Fault::Target, Fault::Invalid] {
            assert!(fault.code().starts_with("MULTILINE_"));
        }
    }
}
