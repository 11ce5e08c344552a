//! What the sockets of the site do.

use std::time::{Duration, SystemTime};

use tokio::time::{MissedTickBehavior, interval};

use crate::proto::http::date;
use crate::server::ws::topic::Topic;
use crate::server::ws::{Event, Socket, SocketError};

/// Messages of so many bytes are not compressed between two other connections.
const LARGE: usize = 64 * 1024;

/// Sends back what comes. The answers to messages that arrive together leave together.
pub(super) async fn echo(mut socket: Socket) {
    let outcome = async {
        while let Some(message) = socket.recv().await? {
            if socket.compression().is_some() && message.len() >= LARGE {
                socket.send(message).await?; // compressed by the workers
                continue;
            }
            socket.feed(message)?;
            if !socket.has_room() {
                // A peer that asks and does not read waits for itself.
                socket.flush().await?;
            }
        }
        Ok(())
    };
    note("echo", outcome.await);
}

/// Sends to everyone what anyone says.
pub(super) async fn broadcast(mut socket: Socket, topic: Topic) {
    note("broadcast", socket.relay(&topic, |message| topic.publish(&message)).await);
}

/// Says the time, each second.
pub(super) async fn clock(mut socket: Socket) {
    let mut seconds = interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let outcome = async {
        loop {
            tokio::select! {
                event = socket.turn() => if let Event::Closed(_) = event? {
                    return Ok(());
                },
                // Who does not keep up misses seconds.
                _ = seconds.tick(), if socket.is_open() && socket.has_room() => socket.feed(time(SystemTime::now()))?,
            }
        }
    };
    note("clock", outcome.await);
}

fn time(now: SystemTime) -> String {
    String::from_utf8_lossy(&date::format(now)).into_owned()
}

fn note(route: &str, outcome: Result<(), SocketError>) {
    if let Err(error) = outcome {
        tracing::debug!(route, %error, "socket ended");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_written_as_http_does() {
        let then = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        assert_eq!(time(then), "Sun, 06 Nov 1994 08:49:37 GMT");
    }
}
