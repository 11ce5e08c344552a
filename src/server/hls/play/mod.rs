//! `wireworks hls play`: a player without a screen.
//!
//! What it asks for and when is decided by [`proto::hls::play`](crate::proto::hls::play), a value without clock or socket. Here are the requests that it wants made (`source`, over the HTTP client of the house), a
//! recorded network before the real one (`link`), the stream that comes out (`output`, `sink`), what a user sees of it (`lines`, `screen`), and many viewers at once ([`viewers`]).

mod json;
mod lines;
mod link;
mod output;
mod outputs;
mod requests;
mod screen;
mod session;
mod sink;
mod source;
pub mod viewers;
mod words;

use std::io;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

pub use self::json::json;
pub use self::lines::Lines;
use self::outputs::Outputs;
pub use self::screen::Screen;
pub use self::session::{Session, SessionError, Setup, Turn};
pub use self::sink::Sink;
pub use self::words::summary as summary_text;
use crate::proto::hls::abr::Ms;
use crate::proto::hls::play::event::Event;
use crate::proto::hls::play::player::Player;
use crate::proto::hls::play::summary::Summary;
use crate::server::load::signals::Signals;

/// How often a view is drawn anew.
const FRAME: Duration = Duration::from_millis(200);

/// What shows how it goes.
pub trait View {
    /// Something has happened.
    ///
    /// # Errors
    /// It cannot be shown.
    fn happened(&mut self, at: Ms, event: &Event, player: &Player) -> io::Result<()>;

    /// Time goes by.
    ///
    /// # Errors
    /// It cannot be shown.
    fn passed(&mut self, at: Ms, player: &Player) -> io::Result<()>;

    /// Whether the user wants it to end.
    fn is_left(&self) -> bool {
        false
    }
}

/// Why it ended early.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// Nothing is played, or no more.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// How it goes cannot be shown.
    #[error("the terminal")]
    View(#[source] io::Error),
    /// What is played cannot be written.
    #[error("cannot write {name}")]
    Write {
        /// Where to.
        name: String,
        /// What the system said.
        source: io::Error,
    },
}

/// Plays until the end, until a signal, until the user has enough of it, or for so long; and tells what the viewer had. What is chosen is written to each of the sinks; whoever closes one ends it.
///
/// # Errors
/// Nothing can be played, shown or written. That it ended early is part of the summary.
pub async fn watch(
    setup: Setup,
    view: &mut dyn View,
    sinks: Vec<Sink>,
    span: Option<Duration>,
) -> Result<Summary, WatchError> {
    let mut signals = Signals::hear().map_err(WatchError::View)?;
    let mut outputs = Outputs::new(sinks);
    let watched = play(setup, view, &mut outputs, &mut signals, span).await;
    let closed = outputs.close(&mut signals).await;
    let summary = watched?;
    closed.map(|()| summary)
}

async fn play(
    setup: Setup,
    view: &mut dyn View,
    outputs: &mut Outputs,
    signals: &mut Signals,
    span: Option<Duration>,
) -> Result<Summary, WatchError> {
    let mut session = tokio::select! {
        session = Session::open(setup) => session?,
        () = signals.next() => return Ok(Summary::default()),
    };
    let end = span.and_then(|span| Instant::now().checked_add(span));
    let mut frames = interval(FRAME);
    frames.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let far = Duration::from_secs(3600);
    loop {
        let until = end.unwrap_or_else(|| Instant::now() + far);
        let turn = tokio::select! {
            turn = session.turn(until) => turn?,
            () = signals.next() => {
                outputs.leave();
                session.stop();
                continue;
            }
            _ = frames.tick() => {
                let shown = view.passed(session.now(), session.player());
                if !goes_on(shown)? || view.is_left() {
                    session.stop();
                }
                continue;
            }
        };
        match turn {
            Turn::Event(at, event) => {
                if !goes_on(view.happened(at, &event, session.player()))? {
                    session.stop();
                }
            }
            Turn::Output(bytes) => {
                if !outputs.write(&bytes, signals, end).await {
                    session.stop();
                }
            }
            Turn::Nothing if end.is_some_and(|end| Instant::now() >= end) => session.stop(),
            Turn::Nothing => {}
            Turn::Over => break,
        }
    }
    goes_on(view.passed(session.now(), session.player()))?;
    Ok(session.player().summary())
}

/// Whether somebody still looks: whoever reads lines may have seen enough of them.
fn goes_on(shown: io::Result<()>) -> Result<bool, WatchError> {
    match shown {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(WatchError::View(error)),
    }
}
