//! Feeds over TCP, each connection one: nothing but the bytes of the container, as `ffmpeg -f mpegts tcp://...` sends them.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::AsyncReadExt;

use super::container::Container;
use super::{feed, finish};
use crate::net::addr::{AddrError, ListenAddr};
use crate::net::clock::Clock;
use crate::net::drain::Drain;
use crate::net::serve::{Arrival, Gate};
use crate::server::RunError;
use crate::server::hls::live::name::StreamName;
use crate::server::hls::live::stream::Ended;
use crate::server::hls::live::streams::{Refused, Streams, WhoPublishes};
use crate::server::listening::{self, Accept};
use crate::server::process::Process;

/// The name of the door, as in its line `listening hls-ts ADDR`.
const NAME: &str = "hls-ts";

/// Bytes that are read at once.
const READ: usize = 64 * 1024;

/// Where feeds come over TCP, and which stream they are: `ADDR`, or `NAME=ADDR`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcpDoor {
    /// The stream, or a rendition of one. Without it each connection is a stream of its own, `tcp-1` and so on.
    pub stream: Option<StreamName>,
    /// Where to listen.
    pub address: ListenAddr,
}

impl FromStr for TcpDoor {
    type Err = AddrError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // The path of a socket may have an equals sign in it, too.
        let named = text.split_once('=').and_then(|(name, address)| Some((name.parse().ok()?, address)));
        let (stream, address) = match named {
            Some((stream, address)) => (Some(stream), address),
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

/// Binds these doors, and puts them into `process`, beside the server of that gate.
///
/// # Errors
/// An address cannot be listened on.
pub(in crate::server) fn prepare(
    doors: &[TcpDoor],
    streams: &Streams,
    beside: &Gate,
    process: &mut Process,
) -> Result<(), RunError> {
    let unnamed = Arc::new(AtomicU64::new(0));
    for door in doors {
        let (streams, stream, drain) = (streams.clone(), door.stream.clone(), process.drain.clone());
        let serve = Serve { streams, stream, unnamed: Arc::clone(&unnamed), drain };
        let listen = std::slice::from_ref(&door.address);
        listening::beside(NAME, serve, listen, beside.beside(None), process)?;
    }
    Ok(())
}

struct Serve {
    streams: Streams,
    stream: Option<StreamName>,
    /// How many streams without a name there were at all doors.
    unnamed: Arc<AtomicU64>,
    drain: Drain,
}

impl Accept for Serve {
    async fn connection(self: Arc<Self>, arrival: Arrival, _: Clock) {
        let name = match &self.stream {
            Some(name) => name.to_string(),
            None => format!("tcp-{}", self.unnamed.fetch_add(1, Ordering::Relaxed) + 1),
        };
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
    Refused(#[from] Refused),
    #[error(transparent)]
    Failed(#[from] super::Failed),
    #[error("nothing came for {} s", .0.as_secs())]
    Silent(Duration),
    #[error("the connection was lost: {0}")]
    Lost(#[from] std::io::Error),
}

impl Serve {
    async fn take(&self, mut arrival: Arrival, name: &str) -> Result<(), Over> {
        let who = WhoPublishes { by: "tcp", peer: Some(arrival.peer) };
        let mut publisher = self.streams.publish(name, who)?;
        let mut container = Container::default();
        let mut buffer = vec![0; READ];
        let silence = self.streams.settings().limits.silence;
        let mut ended = std::pin::pin!(publisher.over());
        let over = loop {
            let read = tokio::select! {
                read = tokio::time::timeout(silence, arrival.io.read(&mut buffer)) => read,
                () = self.drain.stopping() => break Ok(()),
                () = &mut ended => return Err(super::Failed::from(Ended::Stream).into()),
            };
            match read {
                Err(_) => break Err(Over::Silent(silence)),
                Ok(Err(error)) => break Err(error.into()),
                Ok(Ok(0)) => break Ok(()),
                Ok(Ok(count)) => feed(&mut container, &mut publisher, &buffer[..count]).await?,
            }
        };
        finish(&mut container, &mut publisher).await?;
        over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doors_are_read_as_they_are_written() {
        for (text, stream, address) in [
            ("127.0.0.1:9000", None, "127.0.0.1:9000"),
            ("stage=127.0.0.1:9000", Some("stage"), "127.0.0.1:9000"),
            ("stage/hd=unix:/run/a=b", Some("stage/hd"), "unix:/run/a=b"),
            ("unix:/run/a=b", None, "unix:/run/a=b"),
        ] {
            let door: TcpDoor = text.parse().unwrap();
            assert_eq!(door.stream.as_ref().map(ToString::to_string).as_deref(), stream);
            assert_eq!((door.address.to_string().as_str(), door.to_string().as_str()), (address, text));
        }
        for text in ["", "stage=", "a/b/c=127.0.0.1:1", "=127.0.0.1:1"] {
            assert!(text.parse::<TcpDoor>().is_err(), "{text}");
        }
    }
}
