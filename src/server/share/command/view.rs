//! How it goes, on the terminal: a bar that moves, or a line now and then where nobody looks at a terminal.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, ProgressBar, ProgressStyle};

use crate::server::share::client::Client;
use crate::server::share::swarm::Progress;

/// Between two lines where there is no terminal.
const LINES: Duration = Duration::from_secs(10);

/// What is shown of one torrent.
pub(super) struct View {
    bar: ProgressBar,
    /// Bytes that have come, and when, a little while ago.
    before: (u64, Instant),
    rate: f64,
    line: Option<Instant>,
}

impl View {
    /// Of a torrent of so many bytes.
    pub(super) fn new(quiet: bool) -> Self {
        let bar = if quiet || !std::io::stderr().is_terminal() {
            ProgressBar::hidden()
        } else {
            ProgressBar::new(0)
        };
        let now = Instant::now();
        let line = (!quiet && bar.is_hidden()).then_some(now);
        Self { bar, before: (0, now), rate: 0.0, line }
    }

    /// Files are being looked at.
    pub(super) fn checks(&self, looked: u32, pieces: u32) {
        self.bar.set_style(style("{spinner} checking what is there {bar:30} {percent}%"));
        self.bar.set_length(pieces.into());
        self.bar.set_position(looked.into());
    }

    /// Peers are asked for the metadata.
    pub(super) fn asks(&mut self, peers: usize) {
        let words = format!("waiting for the metadata, {peers} peer{}", if peers == 1 { "" } else { "s" });
        let now = Instant::now();
        if let Some(at) = self.line.filter(|at| now >= *at) {
            self.line = Some(at.max(now) + LINES);
            eprintln!("{words}");
        }
        self.bar.set_style(style("{spinner} {msg}"));
        self.bar.set_message(words);
    }

    /// Something is shared: how it goes.
    pub(super) fn shows(&mut self, name: &str, total: u64, progress: &Progress) {
        let now = Instant::now();
        let since = now.saturating_duration_since(self.before.1).as_secs_f64();
        if since >= 0.5 {
            let came = progress.downloaded.saturating_sub(self.before.0);
            // The last few seconds count.
            self.rate = self.rate * 0.7 + came as f64 / since * 0.3;
            self.before = (progress.downloaded, now);
        }
        let (have, pieces) = progress.pieces;
        let done =
            if pieces == 0 { 0 } else { (u128::from(total) * u128::from(have) / u128::from(pieces)) as u64 };
        let left = match self.rate {
            rate if rate >= 1.0 && progress.missing > 0 => {
                let seconds = total.saturating_sub(done) as f64 / rate;
                format!(", {} left", clock(seconds))
            }
            _ => String::new(),
        };
        let words = format!(
            "{} of {}, {}/s, {} up, {} peer{}{left}",
            HumanBytes(done),
            HumanBytes(total),
            HumanBytes(self.rate as u64),
            HumanBytes(progress.uploaded),
            progress.peers,
            if progress.peers == 1 { "" } else { "s" },
        );
        if let Some(at) = self.line.filter(|at| now >= *at) {
            self.line = Some(at.max(now) + LINES);
            eprintln!("{name}: {words}");
        }
        self.bar.set_style(style("{spinner} {bar:30} {percent}% {msg}"));
        self.bar.set_length(total);
        self.bar.set_position(done);
        self.bar.set_message(words);
    }

    /// Nothing more is shown.
    pub(super) fn ends(&self) {
        self.bar.finish_and_clear();
    }
}

/// Says where a client takes connections, for whoever waits for it.
pub(super) fn listening(client: &Client) {
    if let Some(port) = client.port() {
        println!("listening share :{port}");
    }
}

/// A time as people read it: `1:02:03` or `2:03`.
fn clock(seconds: f64) -> String {
    let seconds = seconds.min(f64::from(u32::MAX)) as u64;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let texts = [0.0, 61.9, 3600.0, f64::INFINITY].map(clock);
        assert_eq!(texts, ["0:00", "1:01", "1:00:00", "1193046:28:15"]);
    }
}
