//! NATS as the bus.
//!
//! Events go to subjects of a JetStream stream, which keeps them for some minutes: a node whose connection breaks for a moment gets what it has missed, in order. Each
//! event is published under its id, so that the stream takes it once. What does not last goes to a plain subject. If the server has no
//! JetStream, events go over plain subjects, too, and what a node misses it reads from the store.

use std::fmt;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use async_nats::header::{HeaderMap, NATS_MESSAGE_ID};
use async_nats::jetstream::consumer::{DeliverPolicy, push};
use async_nats::jetstream::{self, stream};
use async_nats::{Client, ConnectOptions, ServerAddr};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use tokio::sync::mpsc;

use super::{Bus, Heard};
use crate::proto::chat::id::{MessageId, RoomId};
use crate::server::chat::store::postgres::hidden;

/// What waits to be told, and what waits to be heard, at most. What is more is lost, and read from the store.
const QUEUE: usize = 16 * 1024;

/// Subjects of events. A room has one of them.
const SHARDS: u64 = 16;

/// How long the stream keeps events.
const KEPT: Duration = Duration::from_secs(600);

/// Bytes of the stream at most.
const KEPT_BYTES: i64 = 256 << 20;

/// How long the stream remembers ids.
const REMEMBERED: Duration = Duration::from_secs(120);

/// Bytes of what is told at most: NATS's own default is 1 MiB.
const MAX_BYTES: usize = 1_000_000;

/// How long events come over plain subjects before JetStream is tried again.
const PLAIN: Duration = Duration::from_secs(60);

/// How long to wait before the stream is asked for again.
const PAUSE: Duration = Duration::from_millis(500);

/// What an address begins with.
const SCHEMES: [&str; 2] = ["nats", "tls"];

/// Not a valid address of NATS.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is no address of NATS: {0}. It is written nats://[USER:PASSWORD@]HOST[:PORT][,...], or tls://..."
)]
pub struct BadUrl(String);

/// The addresses of the servers of a NATS. They are shown without the password.
#[derive(Clone, PartialEq, Eq)]
pub struct NatsUrl(Vec<String>);

impl NatsUrl {
    /// Parses `nats://user:password@host:port`, `nats://token@host:port`, the same with `tls://`, or several of them, separated by commas.
    ///
    /// # Errors
    /// It is not a valid address.
    pub fn parse(text: &str) -> Result<Self, BadUrl> {
        let urls: Vec<String> = text.split(',').map(|url| url.trim().to_owned()).collect();
        // Those that follow may be without what the first one begins with.
        let scheme = urls[0].split_once("://").map(|(scheme, _)| scheme).unwrap_or_default().to_owned();
        if !SCHEMES.contains(&&*scheme) {
            return Err(BadUrl("it does not begin with nats:// or tls://".to_owned()));
        }
        let whole = |url: String| if url.contains("://") { url } else { format!("{scheme}://{url}") };
        let urls: Vec<String> = urls.into_iter().map(whole).collect();
        for url in &urls {
            let server: ServerAddr =
                url.parse().map_err(|error: std::io::Error| BadUrl(error.to_string()))?;
            if !SCHEMES.contains(&server.scheme()) || server.host().is_empty() {
                return Err(BadUrl("each is a host, of the kind of the first".to_owned()));
            }
        }
        Ok(Self(urls))
    }

    /// As they were typed, but with stars in place of passwords.
    #[must_use]
    pub fn shown(&self) -> String {
        let one = |url: &String| match url
            .split_once("://")
            .and_then(|(scheme, rest)| Some((scheme, rest.split_once('@')?)))
        {
            // A user without a password is a token.
            Some((scheme, (login, host))) if !login.contains(':') => format!("{scheme}://***@{host}"),
            _ => hidden(url),
        };
        self.0.iter().map(one).collect::<Vec<_>>().join(",")
    }

    fn servers(&self) -> Vec<ServerAddr> {
        self.0.iter().filter_map(|url| url.parse().ok()).collect()
    }
}

impl fmt::Debug for NatsUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown())
    }
}

/// How NATS is used.
#[derive(Clone, Debug)]
pub struct NatsConfig {
    /// Where it is.
    pub url: NatsUrl,
    /// A file with a user's JWT and key, as `nsc` makes it.
    pub credentials: Option<PathBuf>,
    /// What subjects of this chat begin with, so that several chats can share a NATS.
    pub prefix: String,
}

enum Telling {
    Event(RoomId, MessageId, Bytes),
    Said(Bytes),
}

/// A handle to the bus.
#[derive(Clone)]
pub struct Nats(mpsc::Sender<Telling>);

impl fmt::Debug for Nats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nats")
    }
}

impl Bus for Nats {
    fn publish(&self, room: RoomId, id: MessageId, event: Bytes) {
        if event.len() <= MAX_BYTES {
            // Nobody misses it for long when there is no room for it.
            let _ = self.0.try_send(Telling::Event(room, id, event));
        }
    }

    fn say(&self, said: Bytes) {
        if said.len() <= MAX_BYTES {
            let _ = self.0.try_send(Telling::Said(said));
        }
    }
}

/// A bus, what it hears, and the task that carries it: until the handles are gone.
pub fn open(config: NatsConfig) -> (Nats, mpsc::Receiver<Heard>, impl Future<Output = ()> + Send) {
    let (sender, telling) = mpsc::channel(QUEUE);
    let (heard, hearing) = mpsc::channel(QUEUE);
    (Nats(sender), hearing, run(config, telling, heard))
}

async fn run(config: NatsConfig, mut telling: mpsc::Receiver<Telling>, heard: mpsc::Sender<Heard>) {
    let client = match connect(&config, &heard).await {
        Ok(client) => client,
        Err(error) => {
            tracing::error!(%error, nats = %config.url.shown(), "NATS cannot be used");
            // Whoever tells something need not wait.
            while telling.recv().await.is_some() {}
            return;
        }
    };
    let said = format!("{}.said", config.prefix);
    let tell = async {
        while let Some(next) = telling.recv().await {
            let told = match next {
                Telling::Said(body) => client.publish(said.clone(), body).await,
                Telling::Event(room, id, body) => {
                    let mut headers = HeaderMap::new();
                    headers.insert(NATS_MESSAGE_ID, id.to_string().as_str());
                    let subject = format!("{}.events.{}", config.prefix, room.0 % SHARDS);
                    client.publish_with_headers(subject, headers, body).await
                }
            };
            if let Err(error) = told {
                tracing::debug!(%error, "not told over NATS");
            }
        }
        // What was told last leaves with the connection.
        let _ = tokio::time::timeout(Duration::from_secs(2), client.flush()).await;
    };
    tokio::select! {
        () = tell => {}
        () = hear_said(&client, &said, &heard) => {}
        () = hear_events(&client, &config.prefix, &heard) => {}
    }
}

async fn connect(config: &NatsConfig, heard: &mpsc::Sender<Heard>) -> Result<Client, String> {
    let heard = heard.clone();
    let on_event = move |event| {
        let heard = heard.clone();
        async move {
            match event {
                async_nats::Event::Connected => {
                    tracing::info!("NATS is there");
                    // With no room for it there is so much to hear that gaps are noticed.
                    let _ = heard.try_send(Heard::Back);
                }
                async_nats::Event::Disconnected => tracing::warn!("NATS is away"),
                other => tracing::debug!(event = %other, "NATS"),
            }
        }
    };
    let delay = |attempts: usize| {
        let doubled = 50u64.saturating_mul(1 << attempts.min(6));
        Duration::from_millis(doubled.min(2000))
    };
    let servers = config.url.servers();
    let mut options = ConnectOptions::new()
        .name("wireworks chat")
        .retry_on_initial_connect()
        .reconnect_delay_callback(delay)
        .event_callback(on_event);
    if let Some(path) = &config.credentials {
        let failed = |error: std::io::Error| format!("{}: {error}", path.display());
        options = options.credentials_file(path).await.map_err(failed)?;
    }
    if let Some(first) = servers.first() {
        let plain = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
        options = match (first.username(), first.password()) {
            (Some(user), Some(password)) => options.user_and_password(plain(user), plain(password)),
            (Some(token), None) => options.token(plain(token)),
            _ => options,
        };
        options = options.require_tls(first.tls_required());
    }
    options.connect(servers).await.map_err(|error| error.to_string())
}

async fn hear_said(client: &Client, subject: &str, heard: &mpsc::Sender<Heard>) {
    loop {
        if let Ok(mut messages) = client.subscribe(subject.to_owned()).await {
            while let Some(message) = messages.next().await {
                if heard.send(Heard::Said(message.payload)).await.is_err() {
                    return;
                }
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

type Events = Pin<Box<dyn Stream<Item = Option<Bytes>> + Send>>;

async fn hear_events(client: &Client, prefix: &str, heard: &mpsc::Sender<Heard>) {
    let mut warned = false;
    loop {
        let mut events: Events = match consumer(client, prefix).await {
            Ok(events) => events,
            Err(why) => {
                if !warned {
                    tracing::warn!(%why, "NATS keeps no events: JetStream cannot be used");
                    warned = true;
                }
                match client.subscribe(format!("{prefix}.events.*")).await {
                    // For some time, and then JetStream is tried again.
                    Ok(plain) => Box::pin(
                        plain.map(|message| Some(message.payload)).take_until(tokio::time::sleep(PLAIN)),
                    ),
                    Err(_) => Box::pin(futures_util::stream::empty()),
                }
            }
        };
        while let Some(Some(event)) = events.next().await {
            if heard.send(Heard::Event(event)).await.is_err() {
                return;
            }
        }
        // The consumer has ended: whoever begins a new one has missed something.
        if heard.send(Heard::Back).await.is_err() {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// What the stream of events gets from now on.
async fn consumer(client: &Client, prefix: &str) -> Result<Events, String> {
    let context = jetstream::new(client.clone());
    let config = stream::Config {
        name: prefix.replace('.', "-"),
        subjects: vec![format!("{prefix}.events.*")],
        max_age: KEPT,
        max_bytes: KEPT_BYTES,
        duplicate_window: REMEMBERED,
        ..stream::Config::default()
    };
    let stream = context.get_or_create_stream(config).await.map_err(|error| error.to_string())?;
    let config = push::OrderedConfig {
        deliver_subject: client.new_inbox(),
        deliver_policy: DeliverPolicy::New,
        ..push::OrderedConfig::default()
    };
    let consumer = stream.create_consumer(config).await.map_err(|error| error.to_string())?;
    let messages = consumer.messages().await.map_err(|error| error.to_string())?;
    Ok(Box::pin(messages.map(|message| match message {
        Ok(message) => Some(message.message.payload),
        Err(error) => {
            tracing::debug!(%error, "the events of NATS have been interrupted");
            None
        }
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_and_shown_without_their_password() {
        for (url, shown) in [
            ("nats://localhost", "nats://localhost"),
            ("nats://u:secret@a:4222,b:4223", "nats://u:***@a:4222,nats://b:4223"),
            ("tls://token@a", "tls://***@a"),
            ("nats://a, nats://b", "nats://a,nats://b"),
        ] {
            let read = NatsUrl::parse(url).unwrap();
            assert_eq!(format!("{read:?}"), shown, "{url}");
            assert_eq!(read.servers().len(), read.0.len());
        }
        for url in ["", "localhost", "http://a", "nats://", "nats://a,ws://b", "nats://a:port"] {
            assert!(NatsUrl::parse(url).is_err(), "{url}");
        }
    }
}
