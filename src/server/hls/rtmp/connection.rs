//! One connection: the handshake, the conversation until it may publish, and its media from then on.

use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use super::asked::Asked;
use super::assembly::{Assembly, LeftOut, MediaError};
use super::{Door, Inner};
use crate::net::addr::PeerAddr;
use crate::net::clock::Clock;
use crate::net::conn::{Conn, ConnError, Turn};
use crate::net::drain::Drain;
use crate::net::io::Io;
use crate::net::random;
use crate::net::serve::Arrival;
use crate::proto::hls::live::feed::Feed;
use crate::proto::rtmp::codec::{CHALLENGE, Heard, RtmpError, Said, ServerCodec};
use crate::proto::rtmp::message::Message;
use crate::proto::rtmp::publish::{Event, PublishError, Publisher as Conversation};
use crate::server::hls::access::WrongKey;
use crate::server::hls::live::{Ended, Publisher, Refused, WhoPublishes};

/// Bytes that are read from a peer after our last word, before its end is no longer waited for.
const LINGER: usize = 256 * 1024;

/// How long it gets to take that.
const GOODBYE: Duration = Duration::from_secs(2);

/// Bytes that may wait to be decoded: the chunks of a picture are put together by the codec.
const READ_LIMIT: usize = 256 * 1024;

/// How a connection ends.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error("the encoder has ended the stream")]
    Unpublished,
    #[error("the encoder has closed the connection")]
    Closed,
    #[error("the server is going down")]
    Leaving,
    #[error("nothing came in time")]
    Idle,
    #[error("it does not read what it is told")]
    Deaf,
    #[error(transparent)]
    Connection(#[from] std::io::Error),
    #[error("the connection ended within a message")]
    Torn,
    #[error(transparent)]
    Protocol(#[from] RtmpError),
    #[error(transparent)]
    Conversation(#[from] PublishError),
    #[error(transparent)]
    Media(#[from] MediaError),
    #[error(transparent)]
    Key(#[from] WrongKey),
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error(transparent)]
    Ended(#[from] Ended),
}

impl From<ConnError<RtmpError>> for End {
    fn from(error: ConnError<RtmpError>) -> Self {
        match error {
            ConnError::Io(error) => Self::Connection(error),
            ConnError::Proto(RtmpError::Torn) | ConnError::Torn => Self::Torn,
            ConnError::Proto(error) => Self::Protocol(error),
            ConnError::Idle => Self::Idle,
        }
    }
}

impl End {
    /// Whether the stream is complete, and is not to be waited for: the encoder has said so.
    fn is_complete(&self) -> bool {
        matches!(self, Self::Unpublished)
    }

    /// Whether the peer broke a rule.
    fn is_fault(&self) -> bool {
        matches!(self, Self::Deaf | Self::Protocol(_) | Self::Conversation(_) | Self::Media(_) | Self::Torn)
    }
}

impl Door {
    /// Serves a connection to its end.
    pub(super) async fn serve(self, arrival: Arrival, clock: Clock, drain: Drain) {
        let Arrival { io, peer, place, .. } = arrival;
        self.0.counters.connections.fetch_add(1, Ordering::Relaxed);
        let mut conn = Conn::new(io, ServerCodec::default(), clock.timer());
        conn.read_limit(READ_LIMIT);
        let mut session = Session {
            door: &self.0,
            conn,
            drain: &drain,
            peer,
            conversation: Conversation::default(),
            assembly: Assembly::default(),
            publishing: None,
        };
        let end = session.run().await;
        session.finish(end).await;
        drop(place);
    }
}

/// What is published, and under which name.
struct Publishing {
    name: String,
    publisher: Publisher,
    /// Resolves when the stream has ended.
    over: Pin<Box<dyn Future<Output = ()> + Send>>,
}

struct Session<'a> {
    door: &'a Inner,
    conn: Conn<Io, ServerCodec>,
    drain: &'a Drain,
    peer: PeerAddr,
    conversation: Conversation,
    assembly: Assembly,
    publishing: Option<Publishing>,
}

impl Session<'_> {
    async fn run(&mut self) -> End {
        self.conn.set_deadline(Instant::now() + self.door.settings.handshake);
        loop {
            match self.step().await {
                Ok(()) => {}
                Err(end) => return end,
            }
        }
    }

    async fn step(&mut self) -> Result<(), End> {
        let over = async {
            match &mut self.publishing {
                Some(Publishing { over, .. }) => over.await,
                None => std::future::pending().await,
            }
        };
        let turn = tokio::select! {
            biased;
            () = self.drain.stopping() => return Err(End::Leaving),
            () = over => return Err(Ended::Stream.into()),
            turn = self.conn.turn() => turn?,
        };
        match turn {
            Turn::Item(Heard::Challenge(challenge)) => {
                let random = Box::new(random::bytes::<{ CHALLENGE - 8 }>()?);
                self.conn.feed(Said::Answer { challenge, time: 0, random })?;
            }
            Turn::Item(Heard::Message(message)) => self.take(message).await?,
            Turn::Room => {}
            Turn::Closed => return Err(End::Closed),
        }
        if let Some(due) = self.conn.codec_mut().acknowledgement() {
            self.conn.feed(Said::Message(due))?;
        }
        // All that is said is short: who lets it pile up asks without reading.
        if self.conn.has_room() { Ok(()) } else { Err(End::Deaf) }
    }

    async fn take(&mut self, message: Message) -> Result<(), End> {
        let step = self.conversation.take(message)?;
        self.say(step.replies)?;
        for event in step.events {
            self.happen(event).await?;
        }
        Ok(())
    }

    fn say(&mut self, messages: Vec<Message>) -> Result<(), End> {
        messages.into_iter().try_for_each(|message| self.conn.feed(Said::Message(message)))?;
        Ok(())
    }

    async fn happen(&mut self, event: Event) -> Result<(), End> {
        let mut out = Vec::new();
        match event {
            Event::Publish { app, key } => return self.publish(&app, &key),
            Event::Metadata(entries) => self.assembly.metadata(&entries),
            Event::Audio(timestamp, body) => {
                self.came(body.len());
                self.assembly.audio(timestamp, &body, &mut out)?;
            }
            Event::Video(timestamp, body) => {
                self.came(body.len());
                self.assembly.video(timestamp, &body, &mut out)?;
            }
            Event::Unpublish => return Err(End::Unpublished),
        }
        self.pass(out).await
    }

    /// Media came: the encoder is there.
    fn came(&mut self, bytes: usize) {
        self.door.counters.bytes.fetch_add(u64::try_from(bytes).unwrap_or_default(), Ordering::Relaxed);
        let heard = self.conn.heard();
        self.conn.set_deadline(heard + self.door.settings.idle);
    }

    /// Passes a feed on, and waits while it is too fast. The socket waits with it.
    async fn pass(&mut self, out: Vec<Feed>) -> Result<(), End> {
        let Some(Publishing { publisher, .. }) = &mut self.publishing else { return Ok(()) };
        for feed in out {
            tokio::select! {
                fed = publisher.feed(feed) => fed?,
                () = self.drain.stopping() => return Err(End::Leaving),
            }
        }
        // It was not the encoder that took the time.
        self.conn.touch();
        Ok(())
    }

    fn publish(&mut self, app: &str, key: &str) -> Result<(), End> {
        let asked = Asked::of(app, key);
        let who = WhoPublishes { by: "rtmp", peer: Some(self.peer) };
        let admitted = self.door.keys.admit(&asked.name, asked.key.as_deref());
        let let_in = admitted.map_err(End::from).and_then(|name| {
            let publisher = self.door.streams.publish(&name, who)?;
            let over = Box::pin(publisher.over());
            Ok(Publishing { name, publisher, over })
        });
        match let_in {
            Ok(publishing) => {
                self.publishing = Some(publishing);
                self.door.counters.publishers.fetch_add(1, Ordering::Relaxed);
                self.conn.codec_mut().take_media();
                self.conn.set_deadline(Instant::now() + self.door.settings.idle);
                let said = self.conversation.accept();
                self.say(said)
            }
            Err(end) => {
                self.door.counters.refused.fetch_add(1, Ordering::Relaxed);
                // What was asked for may be a key.
                tracing::warn!(peer = %self.peer, why = %end, "an encoder was refused");
                let said = self.conversation.refuse(&end.to_string());
                self.say(said)?;
                Err(end)
            }
        }
    }

    /// Ends the feed and the connection.
    async fn finish(mut self, end: End) {
        let LeftOut { unconfigured, late } = self.assembly.left_out();
        let left_out = unconfigured + late;
        self.door.counters.left_out.fetch_add(left_out, Ordering::Relaxed);
        if end.is_fault() {
            self.door.counters.faults.fetch_add(1, Ordering::Relaxed);
        }
        let mut out = Vec::new();
        self.assembly.finish(&mut out);
        // Whoever has no room any more has lost nothing that it would show.
        let _ = self.pass(out).await;
        match self.publishing.take() {
            Some(Publishing { name, publisher, .. }) => {
                self.door.counters.publishers.fetch_sub(1, Ordering::Relaxed);
                tracing::info!(stream = name, peer = %self.peer, why = %end, left_out, "an encoder has gone");
                if end.is_complete() {
                    publisher.finish();
                }
            }
            None => {
                tracing::debug!(peer = %self.peer, why = %end, "an RTMP connection ended before it published");
            }
        }
        let told = match &end {
            // These were told already, or do not hear any more.
            End::Unpublished
            | End::Key(_)
            | End::Refused(_)
            | End::Closed
            | End::Connection(_)
            | End::Torn => Vec::new(),
            End::Deaf => return,
            end => self.conversation.end(&end.to_string()),
        };
        if self.say(told).is_ok() {
            self.conn.set_deadline(Instant::now() + GOODBYE);
            self.conn.linger(LINGER).await;
        }
    }
}
