//! What the sockets of a server count: how many there are, what is said on them, and how they end.
//!
//! A busy socket counts for itself and adds it up whenever it has nothing left to do: a message costs no access to memory that
//! all threads share.

use std::fmt::{self, Write};
use std::ops::AddAssign;
use std::sync::Arc;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Unit;

use super::close::SocketError;
use crate::proto::ws::close::CloseReason;
use crate::server::metrics::Metrics;

/// The codes that no close frame holds (RFC 6455 section 7.4.1): it held none, or there was none.
const NO_CODE: u16 = 1005;
const ABNORMAL: u16 = 1006;

/// From here on codes are for applications.
const FREE: u16 = 3000;

/// The metrics of sockets, as an [`Upgrade`](super::Upgrade) is given them. Clones are the same metrics.
#[derive(Clone, Debug, Default)]
pub struct SocketMetrics(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    open: Gauge,
    messages: Family<Direction, Counter>,
    bytes: Family<Direction, Counter>,
    ends: Family<Ended, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Direction {
    direction: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    code: CodeLabel,
    reason: &'static str,
}

/// A close code. Of those that applications make up only the first digit counts: a label has few values whatever peers send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct CodeLabel(u16);

impl CodeLabel {
    fn of(code: u16) -> Self {
        Self(if code < FREE { code } else { code / 1000 * 1000 })
    }
}

impl EncodeLabelValue for CodeLabel {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        if self.0 < FREE { write!(encoder, "{}", self.0) } else { write!(encoder, "{}xxx", self.0 / 1000) }
    }
}

impl SocketMetrics {
    /// Metrics that all are zero.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Shows them.
    pub fn register(&self, metrics: &Metrics) {
        let Inner { open, messages, bytes, ends } = &*self.0;
        metrics.register(|registry| {
            registry.register("ws_sockets", "WebSockets that are open", open.clone());
            registry.register("ws_messages", "Messages, by direction", messages.clone());
            let help = "Bytes of messages, decompressed and without the heads of frames, by direction";
            registry.register_with_unit("ws_message", help, Unit::Bytes, bytes.clone());
            let help = "WebSockets that have ended, by close code and by what ended them";
            registry.register("ws_sockets_ended", help, ends.clone());
        });
    }

    /// Begins to count a socket.
    pub(super) fn opened(&self) -> Counting {
        self.0.open.inc();
        Counting { metrics: self.clone(), received: Tally::default(), sent: Tally::default(), ended: false }
    }

    fn add(&self, direction: &'static str, tally: &mut Tally) {
        let Tally { messages, bytes } = std::mem::take(tally);
        if messages > 0 {
            let direction = Direction { direction };
            self.0.messages.get_or_create(&direction).inc_by(messages);
            self.0.bytes.get_or_create(&direction).inc_by(bytes);
        }
    }

    fn ended(&self, code: u16, reason: &'static str) {
        self.0.ends.get_or_create(&Ended { code: CodeLabel::of(code), reason }).inc();
    }
}

/// Messages, and the bytes in them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) messages: u64,
    pub(super) bytes: u64,
}

impl Tally {
    /// One message of `bytes`.
    pub(super) fn one(bytes: usize) -> Self {
        Self { messages: 1, bytes: bytes as u64 }
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, more: Self) {
        self.messages += more.messages;
        self.bytes += more.bytes;
    }
}

/// A socket that is counted as open for as long as this lives.
#[derive(Debug)]
pub(super) struct Counting {
    metrics: SocketMetrics,
    /// What was not added up yet.
    received: Tally,
    sent: Tally,
    ended: bool,
}

impl Counting {
    pub(super) fn received(&mut self, tally: Tally) {
        self.received += tally;
    }

    pub(super) fn sent(&mut self, tally: Tally) {
        self.sent += tally;
    }

    /// Adds up what was said since the last time.
    pub(super) fn settle(&mut self) {
        self.metrics.add("received", &mut self.received);
        self.metrics.add("sent", &mut self.sent);
    }

    /// Counts the end, the first time: with the code that the peer gave, or that it was told.
    pub(super) fn ended(&mut self, end: &Result<Option<CloseReason>, SocketError>) {
        if !std::mem::replace(&mut self.ended, true) {
            let (code, reason) = match end {
                Ok(reason) => (reason.as_ref().map_or(NO_CODE, |reason| reason.code().get()), "closed"),
                Err(error) => (error.reason().map_or(ABNORMAL, |reason| reason.code().get()), error.name()),
            };
            self.metrics.ended(code, reason);
        }
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        self.settle();
        self.ended(&Err(SocketError::Stopped)); // if nothing else has
        self.metrics.0.open.dec();
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::settings::Settings;
    use super::super::testing::pair;
    use super::*;
    use crate::proto::ws::close::CloseCode;
    use crate::proto::ws::reject::Reject;
    use crate::server::ws::Socket;
    use crate::server::ws::topic::Topic;

    fn counted() -> (SocketMetrics, Socket, Socket) {
        let metrics = SocketMetrics::new();
        let (mut server, client) = pair(Settings::default(), 1 << 16);
        server.count(&metrics);
        (metrics, server, client)
    }

    fn shows(metrics: &SocketMetrics, lines: &[&str]) {
        let shown = Metrics::new();
        metrics.register(&shown);
        let text = shown.encode();
        for line in lines {
            assert!(text.lines().any(|found| found == *line), "{line}\n{text}");
        }
    }

    #[tokio::test]
    async fn messages_count_in_both_directions_once_there_is_nothing_left_to_do() {
        let (metrics, mut server, mut client) = counted();
        let talk = async move {
            while let Some(message) = server.recv().await.unwrap() {
                server.feed(message).unwrap();
                server.feed("more").unwrap();
            }
        };
        let ask = async {
            client.send("hello").await.unwrap();
            client.send(Bytes::from_static(&[0; 300])).await.unwrap();
            client.ping(Bytes::new()).unwrap();
            for _ in 0..4 {
                client.recv().await.unwrap();
            }
            shows(
                &metrics,
                &[
                    "wireworks_ws_sockets 1",
                    r#"wireworks_ws_messages_total{direction="received"} 2"#,
                    r#"wireworks_ws_message_bytes_total{direction="received"} 305"#,
                    r#"wireworks_ws_messages_total{direction="sent"} 4"#,
                    r#"wireworks_ws_message_bytes_total{direction="sent"} 313"#,
                ],
            );
            client.close(CloseCode::NORMAL).await.unwrap();
        };
        tokio::join!(talk, ask);
        shows(
            &metrics,
            &["wireworks_ws_sockets 0", r#"wireworks_ws_sockets_ended_total{code="1000",reason="closed"} 1"#],
        );
    }

    #[tokio::test]
    async fn what_a_topic_sends_counts_for_each_of_its_sockets() {
        let (metrics, mut server, mut client) = counted();
        let topic = Topic::default();
        let mut subscription = topic.subscribe(&server);
        topic.publish(&"one".into());
        topic.publish(&"three".into());
        server.feed_frames(subscription.ready().await.unwrap()).unwrap();
        server.flush().await.unwrap();
        drop(server);
        client.recv().await.unwrap();
        client.recv().await.unwrap();
        assert_eq!(client.recv().await.unwrap(), None);
        drop(client);
        shows(
            &metrics,
            &[
                r#"wireworks_ws_messages_total{direction="sent"} 2"#,
                r#"wireworks_ws_message_bytes_total{direction="sent"} 8"#,
            ],
        );
    }

    #[test]
    fn each_end_has_a_code_and_a_reason() {
        let io = || SocketError::from(std::io::Error::other("lost"));
        let closed = |code| Ok(CloseCode::new(code).map(CloseReason::from));
        let table = [
            (closed(1001), "1001", "closed"),
            (closed(3999), "3xxx", "closed"),
            (closed(4000), "4xxx", "closed"),
            (Ok(None), "1005", "closed"),
            (Err(Reject::TextNotUtf8.into()), "1007", "refused"),
            (Err(Reject::NotMasked.into()), "1002", "refused"),
            (Err(SocketError::Slow), "1013", "slow"),
            (Err(SocketError::Silent), "1006", "silent"),
            (Err(SocketError::Unclosed), "1006", "unclosed"),
            (Err(SocketError::Torn), "1006", "torn"),
            (Err(io()), "1006", "failed"),
            (Err(SocketError::Stopped), "1006", "stopped"),
        ];
        for (end, code, reason) in table {
            let metrics = SocketMetrics::new();
            let mut counting = metrics.opened();
            counting.ended(&end);
            counting.ended(&Ok(None)); // an end counts once
            drop(counting);
            let line = format!("wireworks_ws_sockets_ended_total{{code=\"{code}\",reason=\"{reason}\"}} 1");
            shows(&metrics, &[&line, "wireworks_ws_sockets 0"]);
        }
    }
}
