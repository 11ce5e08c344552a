//! The live streams of a server, by name.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::proto::hls::live::feed::Feed;

/// The streams of a server. A clone is another handle on the same ones.
#[derive(Clone, Debug)]
pub struct Streams(Arc<()>);

/// Who publishes, for the log.
#[derive(Clone, Debug)]
pub struct About {
    /// By which way it came: `http-ts`, `http-mp4`, `tcp`, `stdin`, `rtmp`, `demo`.
    pub by: &'static str,
    /// From where; `None` when there is no address.
    pub peer: Option<SocketAddr>,
}

/// Why a publisher is not let in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The name is not `NAME` or `NAME/RENDITION`, of letters, digits, `-`, `_` and `.`.
    #[error("not the name of a stream: {0}")]
    Name(String),
    /// Somebody publishes it already.
    #[error("{0} is being published already")]
    Taken(String),
    /// There are as many streams, or renditions of this one, as there may be.
    #[error("no room for another stream")]
    Full,
    /// The server is going down.
    #[error("the server is going down")]
    Leaving,
}

/// The feed is over, whatever its publisher has still to say.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ended {
    /// The stream was ended, or the server goes down.
    #[error("the stream has ended")]
    Stream,
    /// Nothing in it can be played: the reason.
    #[error("{0}")]
    Unusable(String),
}

/// One who publishes a rendition of a stream; when it is dropped, the stream waits for its return, and marks a gap.
#[derive(Debug)]
pub struct Publisher(());

impl Streams {
    /// Lets a publisher in, as the only one of the rendition `name`, which is `NAME` or `NAME/RENDITION`.
    ///
    /// # Errors
    /// See [`Refused`].
    pub fn publish(&self, name: &str, about: About) -> Result<Publisher, Refused> {
        let _ = about;
        Err(Refused::Name(name.to_owned()))
    }
}

impl Publisher {
    /// Takes what comes next. It waits while the feed is faster than it may be, so that the source is slowed down by its socket.
    ///
    /// # Errors
    /// Nothing more is taken.
    pub async fn feed(&mut self, feed: Feed) -> Result<(), Ended> {
        let _ = feed;
        Err(Ended::Stream)
    }

    /// The stream is complete: it ends, and is not waited for.
    pub fn finish(self) {}
}
