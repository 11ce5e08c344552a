//! What is to be sent: lines of the standard input, or what the command line gives. Read by a thread, as reading blocks.

use std::fs::File;
use std::io::{self, BufRead, Read};
use std::path::PathBuf;
use std::thread;

use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::status::InputError;
use crate::server::ws::{Message, Text};

/// Bytes of the longest line. A terminal's are shorter than 4 KiB.
pub(super) const MAX_LINE: usize = 16 << 20;

/// Bytes of the largest file that is sent as one message.
pub(super) const MAX_FILE: usize = 256 << 20;

/// Messages that were read and not taken yet.
const QUEUE: usize = 16;

/// Where messages come from.
#[derive(Debug)]
pub(super) enum Source {
    /// Each line of the standard input.
    Lines,
    /// These texts, and then these bytes.
    Given { texts: Vec<String>, file: Option<Contents> },
}

/// Where the bytes of one message come from.
#[derive(Debug)]
pub(super) enum Contents {
    Stdin,
    File(PathBuf, File),
}

/// A message to send, or why there is none. After the last one the channel is closed.
pub(super) type Input = Result<Message, InputError>;

/// Begins to read. The thread ends with its input, or when nobody takes what it reads; one that waits for the standard input ends with
/// the process.
pub(super) fn start(source: Source) -> io::Result<Receiver<Input>> {
    let (sender, receiver) = channel(QUEUE);
    thread::Builder::new().name("input".into()).spawn(move || match source {
        Source::Lines => lines(io::stdin().lock(), &sender),
        Source::Given { texts, file } => given(texts, file, &sender),
    })?;
    Ok(receiver)
}

fn given(texts: Vec<String>, file: Option<Contents>, sender: &Sender<Input>) {
    for text in texts {
        if sender.blocking_send(Ok(text.into())).is_err() {
            return;
        }
    }
    let bytes = match file {
        None => return,
        Some(Contents::Stdin) => all(io::stdin().lock()).map_err(|error| error.of(None)),
        Some(Contents::File(path, file)) => all(file).map_err(|error| error.of(Some(path))),
    };
    // Who does not want it has ended.
    let _ = sender.blocking_send(bytes.map(Into::into));
}

/// Why a file cannot be one message.
enum FileError {
    Long,
    Read(io::Error),
}

impl FileError {
    fn of(self, path: Option<PathBuf>) -> InputError {
        let name = path.map_or("the standard input".into(), |path| path.display().to_string());
        match self {
            Self::Long => InputError::FileTooLong { name, limit: MAX_FILE },
            Self::Read(error) => InputError::Read { name, error },
        }
    }
}

fn all(file: impl Read) -> Result<Vec<u8>, FileError> {
    let mut bytes = Vec::new();
    let most = u64::try_from(MAX_FILE).unwrap_or(u64::MAX).saturating_add(1);
    file.take(most).read_to_end(&mut bytes).map_err(FileError::Read)?;
    if bytes.len() > MAX_FILE { Err(FileError::Long) } else { Ok(bytes) }
}

/// Sends each line, without its end, be it LF or CR LF.
fn lines(mut from: impl BufRead, sender: &Sender<Input>) {
    for number in 1.. {
        let Some(line) = line(&mut from, number).transpose() else {
            return;
        };
        let failed = line.is_err();
        if sender.blocking_send(line).is_err() || failed {
            return;
        }
    }
}

fn line(from: &mut impl BufRead, number: u64) -> Result<Option<Message>, InputError> {
    let mut line = Vec::new();
    let most = u64::try_from(MAX_LINE).unwrap_or(u64::MAX).saturating_add(2);
    let read = from.take(most).read_until(b'\n', &mut line);
    read.map_err(|error| InputError::Read { name: "the standard input".into(), error })?;
    if line.is_empty() {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
    }
    if line.len() > MAX_LINE {
        return Err(InputError::LineTooLong { number, limit: MAX_LINE });
    }
    let text = Text::new(line.into()).ok_or(InputError::NotUtf8 { number })?;
    Ok(Some(Message::Text(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Vec<Result<String, String>> {
        let (sender, mut receiver) = channel(1000);
        lines(bytes, &sender);
        drop(sender);
        let mut read = Vec::new();
        while let Some(input) = receiver.blocking_recv() {
            let text = input.map(|message| message.as_text().unwrap_or_default().to_owned());
            read.push(text.map_err(|error| error.to_string()));
        }
        read
    }

    #[test]
    fn a_line_is_a_message() {
        let rows: [(&[u8], &[&str]); 7] = [
            (b"", &[]),
            (b"a", &["a"]),
            (b"a\n", &["a"]),
            (b"a\nb", &["a", "b"]),
            (b"\n\n", &["", ""]),
            (b"a\r\nb\rc\n", &["a", "b\rc"]),
            ("\u{e9}\n".as_bytes(), &["\u{e9}"]),
        ];
        for (bytes, expected) in rows {
            let expected: Vec<_> = expected.iter().map(|&line| Ok(line.to_owned())).collect();
            assert_eq!(read(bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn what_is_no_text_ends_the_input() {
        let said = "line 2 of the input is not UTF-8; --binary sends bytes as they are";
        assert_eq!(read(b"a\n\xff\nb\n"), [Ok("a".into()), Err(said.into())]);
    }

    #[test]
    fn a_line_has_its_limit() {
        let mut bytes = vec![b'x'; MAX_LINE];
        assert_eq!(read(&bytes).len(), 1);
        bytes.extend(b"\r\n");
        assert_eq!(read(&bytes)[0].as_ref().map(String::len), Ok(MAX_LINE));
        bytes.insert(0, b'x');
        assert_eq!(read(&bytes), [Err("line 1 of the input is longer than 16777216 bytes".into())]);
    }

    #[test]
    fn a_file_is_read_whole() {
        assert_eq!(all(&b"a\nb"[..]).ok(), Some(b"a\nb".to_vec()));
        assert!(matches!(all(io::repeat(0)), Err(FileError::Long)));
    }
}
