//! How feeds come in: MPEG-TS or fragmented MP4, over HTTP, over TCP, or on the standard input.
//!
//! Which of the two it is, the first bytes tell ([`container`]); `fragments` takes a feed out of MP4, and `tracks` has those that come in pieces. What is good of a feed is served; where it cannot be understood any longer it ends, with one line that says why and where.

pub mod container;
mod fragments;
pub mod http;
pub mod stdin;
pub mod tcp;
mod tracks;

use self::container::{Container, Malformed};
pub(super) use self::tracks::Tracks;
use super::stream::Ended;
use super::streams::Publisher;

/// Why a feed has ended before its time.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// Its bytes are no good.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The stream takes no more.
    #[error(transparent)]
    Ended(#[from] Ended),
}

/// Feeds bytes that came in.
async fn feed(container: &mut Container, publisher: &mut Publisher, bytes: &[u8]) -> Result<(), Failed> {
    container.push(bytes);
    drain(container, publisher).await
}

/// Feeds what is left, at the end of the bytes.
async fn finish(container: &mut Container, publisher: &mut Publisher) -> Result<(), Failed> {
    let ended = container.finish();
    drain(container, publisher).await?;
    Ok(ended?)
}

async fn drain(container: &mut Container, publisher: &mut Publisher) -> Result<(), Failed> {
    while let Some(feed) = container.poll()? {
        publisher.feed(feed).await?;
    }
    Ok(())
}
