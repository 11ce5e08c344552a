//! The client line by line: for scripts, for screen readers, and where there is no terminal. A line in is what would be typed, and whatever is new is a line out:
//! the room, the time, the number of a message, who, and what.

use std::io::{self, BufRead as _, Write as _};
use std::thread;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::model::{Link, Model};
use super::room::{Entry, Kind};
use super::session::{Credentials, Session};
use super::text::one_line;
use super::tui::take;
use super::zone::Zone;
use super::{ConnectError, millis};
use crate::server::load::signals::Signals;

/// Lines that may wait to be taken.
const LINES: usize = 64;

/// How long the last answers are waited for when the input has ended.
const LINGER: Duration = Duration::from_secs(10);

/// Talks until the input ends and everything is answered.
pub(super) async fn run(
    model: &mut Model,
    session: &mut Session,
    zone: &Zone,
    signals: &mut Signals,
) -> Result<(), ConnectError> {
    let mut lines = input()?;
    let mut until = None;
    loop {
        while let Some(request) = model.next_request() {
            session.send(&request);
        }
        if let Some(name) = model.rename.take() {
            session.renew(Credentials::Guest(name));
            model.lost("another name");
        }
        if !print(model, zone)? || model.is_over || until.is_some() && model.is_quiet() {
            return Ok(());
        }
        // One line after the other, each when the one before is done: so a script can go into a room and speak there.
        let may_read = until.is_none() && model.is_quiet() && model.link == Link::Up;
        tokio::select! {
            biased;
            news = session.news(|| model.resume()) => take(model, news)?,
            line = lines.recv(), if may_read => match line {
                Some(line) => model.line(&line),
                None => until = Some(Instant::now() + LINGER),
            },
            () = sleep_until(until.unwrap_or_else(Instant::now)), if until.is_some() => {
                return Err(ConnectError::Unanswered);
            }
            () = signals.next() => return Ok(()),
        }
        model.tick(millis());
    }
}

/// Reads lines, in a thread of its own: reading cannot be ended otherwise.
fn input() -> io::Result<mpsc::Receiver<String>> {
    let (sender, lines) = mpsc::channel(LINES);
    thread::Builder::new().name("input".into()).spawn(move || {
        let mut input = io::stdin().lock();
        let mut line = Vec::new();
        while input.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
            let text = String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned();
            line.clear();
            if sender.blocking_send(text).is_err() {
                return;
            }
        }
    })?;
    Ok(lines)
}

/// Writes what is new; `false` when nobody reads it.
fn print(model: &mut Model, zone: &Zone) -> io::Result<bool> {
    let mut out = io::stdout().lock();
    for (room, entry) in model.take_feed() {
        let line = in_words(&room, &entry, zone);
        match writeln!(out, "{line}") {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(false),
            written => written?,
        }
    }
    out.flush()?;
    Ok(true)
}

/// An entry in a line.
fn in_words(room: &str, entry: &Entry, zone: &Zone) -> String {
    let clock = zone.local(entry.at).clock();
    let room = if room.is_empty() { "-" } else { room };
    let number = if entry.seq > 0 { format!("{} ", entry.seq) } else { String::new() };
    let mut text = if entry.deleted { "(deleted)".to_owned() } else { one_line(&entry.text) };
    for file in &entry.files {
        text.push_str(&format!(" [file {}]", one_line(file)));
    }
    let from = one_line(&entry.from);
    match entry.kind {
        Kind::Text => format!("{room} {clock} {number}{from}: {text}"),
        Kind::Action => format!("{room} {clock} {number}* {from} {text}"),
        Kind::Notice => format!("{room} {clock} {number}-{from}- {text}"),
        Kind::Event => format!("{room} {clock} · {text}"),
        Kind::Note => format!("{room} {clock} » {text}"),
        Kind::Error => format!("{room} {clock} ! {text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_a_line() {
        let said = |kind, text: &str| Entry { seq: 7, from: "ann".into(), ..Entry::note(kind, 0, text) };
        for (entry, expected) in [
            (said(Kind::Text, "a\nb\x1b[2J"), "#a 00:00 7 ann: a b␛[2J"),
            (said(Kind::Action, "waves"), "#a 00:00 7 * ann waves"),
            (
                Entry { files: vec!["x.png".into()], ..said(Kind::Notice, "n") },
                "#a 00:00 7 -ann- n [file x.png]",
            ),
            (Entry::note(Kind::Error, 0, "no"), "#a 00:00 ! no"),
        ] {
            assert_eq!(in_words("#a", &entry, &Zone::default()), expected);
        }
        assert_eq!(in_words("", &Entry::note(Kind::Note, 0, "hi"), &Zone::default()), "- 00:00 » hi");
    }
}
