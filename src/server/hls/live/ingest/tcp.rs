//! Feeds over TCP, each connection one: nothing but the bytes of the container, as `ffmpeg -f mpegts tcp://...` sends them.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncReadExt;

use super::container::Container;
use super::{feed, finish};
use crate::net::addr::{AddrError, ListenAddr};
use crate::net::clock::Clock;
use crate::net::drain::Drain;
use crate::net::limits::ConnectionLimits;
use crate::net::serve::{Arrival, Gate, GateSettings};
use crate::server::RunError;
use crate::server::hls::live::streams::{About, Streams};
use crate::server::listening::{self, Accept, Listening};
use crate::server::process::Process;

/// The name of the door, as in its line `listening hls-ts ADDR`.
const NAME: &str = "hls-ts";

/// Bytes that are read at once.
const READ: usize = 64 * 1024;

/// How long a connection may say nothing.
const SILENCE: Duration = Duration::from_secs(60);

/// Where feeds come over TCP, and which stream they are: `ADDR`, or `NAME=ADDR`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcpDoor {
    /// The stream, or a rendition of one. Without it each connection is a stream of its own, `tcp-1` and so on.
    pub stream: Option<String>,
    /// Where to listen.
    pub address: ListenAddr,
}

impl FromStr for TcpDoor {
    type Err = AddrError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (stream, address) = match text.split_once('=') {
            Some((stream, address)) => (Some(stream.to_owned()), address),
            None => (None, text),
        };
        Ok(Self { stream, address: address.parse()? })
    }
}

impl fmt::Display for TcpDoor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.stream {
            Some(stream) => write!(f, "{stream}={}", self.address),
            None => write!(f, "{}", self.address),
        }
    }
}

/// Binds these doors, and puts them into `process`.
///
/// # Errors
/// An address cannot be listened on.
pub fn prepare(doors: &[TcpDoor], streams: &Streams, limits: ConnectionLimits, process: &mut Process) -> Result<(), RunError> {
    for door in doors {
        let sockets = listening::bind(std::slice::from_ref(&door.address), process.threads)?;
        listening::note(NAME, &sockets, process);
        let gate = Gate::new(GateSettings { limits, ..GateSettings::default() });
        let serve = Serve { streams: streams.clone(), stream: door.stream.clone(), drain: process.drain.clone() };
        process.parts.push(Arc::new(Listening::new(serve, gate, sockets)));
    }
    Ok(())
}

struct Serve {
    streams: Streams,
    stream: Option<String>,
    drain: Drain,
}

impl Accept for Serve {
    async fn connection(self: Arc<Self>, arrival: Arrival, _: Clock) {
        let name = self.stream.clone().unwrap_or_else(|| format!("tcp-{}", arrival.number));
        if let Err(reason) = self.take(arrival, &name).await {
            tracing::warn!(stream = name, %reason, "the feed has ended");
        }
    }

    fn drain(&self) -> &Drain {
        &self.drain
    }
}

/// Why a connection ends.
#[derive(Debug, thiserror::Error)]
enum Over {
    #[error(transparent)]
    Refused(#[from] crate::server::hls::live::streams::Refused),
    #[error(transparent)]
    Failed(#[from] super::Failed),
    #[error("nothing came for {} s", SILENCE.as_secs())]
    Silent,
    #[error("the connection was lost: {0}")]
    Lost(#[from] std::io::Error),
}

impl Serve {
    async fn take(&self, mut arrival: Arrival, name: &str) -> Result<(), Over> {
        let about = About { by: "tcp", peer: Some(arrival.peer) };
        let mut publisher = self.streams.publish(name, about)?;
        let mut container = Container::default();
        let mut buffer = vec![0; READ];
        let over = loop {
            let read = tokio::select! {
                read = tokio::time::timeout(SILENCE, arrival.io.read(&mut buffer)) => read,
                () = self.drain.stopping() => break Ok(()),
            };
            match read {
                Err(_) => break Err(Over::Silent),
                Ok(Err(error)) => break Err(error.into()),
                Ok(Ok(0)) => break Ok(()),
                Ok(Ok(count)) => feed(&mut container, &mut publisher, &buffer[..count]).await?,
            }
        };
        finish(&mut container, &mut publisher).await?;
        over
    }
}
