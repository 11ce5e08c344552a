//! What is shown: messages on the standard output, and what happens to the connection on stderr.
//!
//! A thread writes, in the order of the queue. On a terminal there is a prompt below the last line, and what came shows which it is
//! by its colour; control characters are spelled out there, as no server shall move the cursor or rename the window.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::thread;

use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::oneshot;

use super::json;
use crate::server::ws::Message;

/// Things that wait to be shown.
const QUEUE: usize = 16;

/// Bytes of a binary message that its line shows.
const SHOWN: usize = 32;

/// Something to show.
#[derive(Debug)]
pub(super) enum Item {
    /// A message came.
    Message(Message),
    /// Something happened.
    Note(String),
    /// The connection is lost: there is no prompt until something else is shown.
    Lost(String),
    /// The user has ended a line.
    Prompt,
}

/// Where binary messages go to.
#[derive(Debug)]
pub(super) enum Binary {
    /// To the output, as a line in hexadecimal.
    Line,
    /// To the output, as they are.
    Raw,
    /// To a file, as they are.
    File(File),
}

/// How things look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Style {
    /// Lay out JSON.
    pub(super) json: bool,
    /// Somebody types, and reads what comes.
    pub(super) prompt: bool,
    /// The output is a terminal.
    pub(super) escape: bool,
    /// Messages have their colour.
    pub(super) colour: bool,
    /// What happens has its colour.
    pub(super) colour_notes: bool,
}

impl Style {
    /// By what the standard streams are, and by `NO_COLOR`.
    pub(super) fn of_this_process(json: bool) -> Self {
        let colours = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let escape = io::stdout().is_terminal();
        let prompt = escape && io::stdin().is_terminal();
        let notes = io::stderr().is_terminal();
        Self { json, prompt, escape, colour: escape && colours, colour_notes: notes && colours }
    }
}

/// The queue to the screen, and the word that it has ended: in order, or because something cannot be written.
pub(super) type Screen = (Sender<Item>, oneshot::Receiver<io::Result<()>>);

/// Begins to show things. The thread ends when the queue is closed and everything is written.
pub(super) fn start(style: Style, binary: Binary) -> io::Result<Screen> {
    let (sender, items) = channel(QUEUE);
    let (done, outcome) = oneshot::channel();
    thread::Builder::new().name("output".into()).spawn(move || {
        let out = BufWriter::with_capacity(64 << 10, io::stdout().lock());
        let mut painter = Painter { style, binary, out, err: io::stderr() };
        // Who does not listen any more has ended.
        let _ = done.send(painter.show(items));
    })?;
    Ok((sender, outcome))
}

struct Painter<O, E> {
    style: Style,
    binary: Binary,
    out: O,
    err: E,
}

const CYAN: &str = "\x1b[36m";
const DIM: &str = "\x1b[2m";
const PLAIN: &str = "\x1b[0m";
/// To the first column, and nothing behind it.
const CLEAR: &[u8] = b"\r\x1b[K";

impl<O: Write, E: Write> Painter<O, E> {
    fn show(&mut self, mut items: Receiver<Item>) -> io::Result<()> {
        loop {
            let item = match items.try_recv() {
                Ok(item) => item,
                Err(TryRecvError::Disconnected) => break,
                Err(TryRecvError::Empty) => {
                    self.out.flush()?;
                    match items.blocking_recv() {
                        Some(item) => item,
                        None => break,
                    }
                }
            };
            self.item(&item)?;
        }
        if self.style.prompt {
            self.out.write_all(CLEAR)?;
        }
        self.out.flush()
    }

    fn item(&mut self, item: &Item) -> io::Result<()> {
        if self.style.prompt && !matches!(item, Item::Prompt) {
            self.out.write_all(CLEAR)?;
        }
        match item {
            Item::Message(message) => self.message(message)?,
            Item::Note(text) | Item::Lost(text) => self.note(text)?,
            Item::Prompt => {}
        }
        if self.style.prompt && !matches!(item, Item::Lost(_)) {
            self.out.write_all(b"> ")?;
        }
        Ok(())
    }

    /// In the order in which things happen, also when both outputs are one terminal.
    fn note(&mut self, text: &str) -> io::Result<()> {
        self.out.flush()?;
        let (on, off) = if self.style.colour_notes { (DIM, PLAIN) } else { ("", "") };
        // Nobody has to listen to this.
        let _ = writeln!(self.err, "{on}{text}{off}");
        Ok(())
    }

    fn message(&mut self, message: &Message) -> io::Result<()> {
        let bytes = match (message, &mut self.binary) {
            (Message::Binary(bytes), Binary::Raw) => return self.out.write_all(bytes),
            (Message::Binary(bytes), Binary::File(file)) => return file.write_all(bytes),
            (Message::Binary(bytes), Binary::Line) => bytes,
            (Message::Text(text), _) => {
                let text = text.as_str();
                self.begin()?;
                if self.style.json && json::is_json(text) {
                    json::lay_out(text, |piece| put(&mut self.out, piece, self.style.escape))?;
                } else {
                    put(&mut self.out, text, self.style.escape)?;
                }
                return self.end();
            }
        };
        self.begin()?;
        self.out.write_all(hexadecimal(bytes).as_bytes())?;
        self.end()
    }

    fn begin(&mut self) -> io::Result<()> {
        if self.style.colour {
            self.out.write_all(CYAN.as_bytes())?;
        }
        self.out.write_all(if self.style.prompt { b"< " } else { b"" })
    }

    fn end(&mut self) -> io::Result<()> {
        if self.style.colour {
            self.out.write_all(PLAIN.as_bytes())?;
        }
        self.out.write_all(b"\n")
    }
}

/// A binary message in a line: how long it is, and how it begins.
fn hexadecimal(bytes: &[u8]) -> String {
    let mut line = format!("binary, {} byte{}:", bytes.len(), if bytes.len() == 1 { "" } else { "s" });
    for byte in bytes.iter().take(SHOWN) {
        // A string takes everything.
        let _ = write!(line, " {byte:02x}");
    }
    if bytes.len() > SHOWN {
        line.push_str(" ...");
    }
    if bytes.is_empty() {
        line.pop();
    }
    line
}

fn put(out: &mut impl Write, text: &str, escape: bool) -> io::Result<()> {
    if !escape {
        return out.write_all(text.as_bytes());
    }
    // Lines and columns are harmless, and laid out JSON has lines.
    let pieces = text.split_inclusive(['\n', '\t']);
    for piece in pieces {
        let end = piece.len() - usize::from(piece.ends_with(['\n', '\t']));
        let (line, sign) = piece.split_at(end);
        out.write_all(escaped(line).as_bytes())?;
        out.write_all(sign.as_bytes())?;
    }
    Ok(())
}

/// `text` with its control characters spelled out.
pub(super) fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return text.into();
    }
    let mut plain = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if c.is_control() {
            plain.extend(c.escape_default());
        } else {
            plain.push(c);
        }
    }
    plain.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn painted(style: Style, binary: Binary, items: &[Item]) -> (String, String) {
        let mut painter = Painter { style, binary, out: Vec::new(), err: Vec::new() };
        for item in items {
            painter.item(item).unwrap();
        }
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (text(painter.out), text(painter.err))
    }

    fn message(message: impl Into<Message>) -> Item {
        Item::Message(message.into())
    }

    #[test]
    fn a_message_is_a_line() {
        let long = vec![0xab; SHOWN + 1];
        let rows = [
            (message("a"), "a\n".to_owned()),
            (message(""), "\n".to_owned()),
            (message("a\x1b[1m\nb"), "a\x1b[1m\nb\n".to_owned()),
            (message(vec![]), "binary, 0 bytes\n".to_owned()),
            (message(vec![10]), "binary, 1 byte: 0a\n".to_owned()),
            (message(vec![0, 255]), "binary, 2 bytes: 00 ff\n".to_owned()),
            (message(long), format!("binary, 33 bytes:{} ...\n", " ab".repeat(32))),
            (message("{\"a\":1}"), "{\"a\":1}\n".to_owned()),
            (Item::Prompt, String::new()),
        ];
        for (item, expected) in rows {
            let items = [item];
            let (out, err) = painted(Style::default(), Binary::Line, &items);
            assert_eq!((out, &*err), (expected, ""), "{items:?}");
        }
    }

    #[test]
    fn bytes_may_go_as_they_are() {
        let items = [message("a"), message(vec![b'b', b'c']), message("d")];
        assert_eq!(painted(Style::default(), Binary::Raw, &items).0, "a\nbcd\n");
        let file = tempfile::NamedTempFile::new().unwrap();
        let binary = Binary::File(file.reopen().unwrap());
        assert_eq!(painted(Style::default(), binary, &items).0, "a\nd\n");
        assert_eq!(std::fs::read(file.path()).unwrap(), b"bc");
    }

    #[test]
    fn json_is_laid_out_when_it_is_some() {
        let style = Style { json: true, ..Style::default() };
        let items = [message("{\"a\":1}"), message("{\"a\":")];
        assert_eq!(painted(style, Binary::Line, &items).0, "{\n  \"a\": 1\n}\n{\"a\":\n");
    }

    #[test]
    fn a_terminal_has_a_prompt_and_no_control_characters() {
        let style = Style { prompt: true, escape: true, ..Style::default() };
        let items = [Item::Note("connected".into()), Item::Prompt, message("a\x1b[2J\u{9b}\r\n\tb")];
        let (out, err) = painted(style, Binary::Line, &items);
        assert_eq!(out, "\r\x1b[K> > \r\x1b[K< a\\u{1b}[2J\\u{9b}\\r\n\tb\n> ");
        assert_eq!(err, "connected\n");
        let (out, err) = painted(style, Binary::Line, &[Item::Lost("lost".into())]);
        assert_eq!(
            (&*out, &*err),
            ("\r\x1b[K", "lost\n"),
            "what is logged meanwhile has the line for itself"
        );
    }

    #[test]
    fn colours_say_what_is_what() {
        let style = Style { colour: true, colour_notes: true, ..Style::default() };
        let (out, err) = painted(style, Binary::Line, &[Item::Note("n".into()), message("a")]);
        assert_eq!((&*out, &*err), ("\x1b[36ma\x1b[0m\n", "\x1b[2mn\x1b[0m\n"));
    }
}
