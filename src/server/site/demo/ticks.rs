//! A clock as server-sent events: a count and the time, each second.

use std::time::{Duration, SystemTime};

use futures_core::Stream;
use futures_util::stream;
use serde::Serialize;
use tokio::time::{MissedTickBehavior, interval};

use crate::proto::http::date;
use crate::server::http::request::Request;
use crate::server::http::sse::{Event, EventError, Events, last_event_id};

/// How long a client waits before it comes back.
const RETRY: Duration = Duration::from_secs(2);

#[derive(Serialize)]
struct Tick<'a> {
    count: u64,
    time: &'a str,
}

/// Ticks, counted from where the client left off.
pub(super) async fn events(
    request: Request,
) -> Events<impl Stream<Item = Result<Event, EventError>> + Send + 'static> {
    let last: Option<u64> = last_event_id(&request).parse().ok();
    Events::new(ticks(last.map_or(0, |last| last.saturating_add(1))))
}

fn ticks(first: u64) -> impl Stream<Item = Result<Event, EventError>> + Send + 'static {
    let mut seconds = interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    stream::unfold((seconds, first), move |(mut seconds, count)| async move {
        seconds.tick().await;
        let event = tick(count, SystemTime::now()).map(|event| match count == first {
            true => event.retry(RETRY),
            false => event,
        });
        Some((event, (seconds, count.saturating_add(1))))
    })
}

fn tick(count: u64, now: SystemTime) -> Result<Event, EventError> {
    let text = date::format(now);
    let time = std::str::from_utf8(&text).unwrap_or_default();
    Event::json(&Tick { count, time })?.named("tick")?.id(count)
}

#[cfg(test)]
mod tests {
    use super::super::router;
    use super::*;
    use crate::server::http::handler::Handler;
    use crate::server::http::testing::{field, request};

    #[test]
    fn a_tick_says_count_and_time() {
        let then = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        assert_eq!(
            tick(7, then).unwrap().into_bytes(),
            "data: {\"count\":7,\"time\":\"Sun, 06 Nov 1994 08:49:37 GMT\"}\nevent: tick\nid: 7\n\n"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn the_count_goes_on_after_the_last_event_that_a_client_got() {
        for (last, first) in [("", 0), ("x", 0), ("-1", 0), ("41", 42)] {
            let start = tokio::time::Instant::now();
            let ask = request("GET /events", &[("Last-Event-ID", last)], "");
            let mut response = router().handle(ask).await;
            assert_eq!(field(&response, "content-type"), "text/event-stream");
            for second in 0..3 {
                let data = response.body_mut().data().await.unwrap().unwrap();
                let text = std::str::from_utf8(&data).unwrap();
                assert!(text.contains(&format!("\nid: {}\n", first + second)), "{text}");
                assert_eq!(text.contains("\nretry: 2000\n"), second == 0);
                assert_eq!(start.elapsed().as_secs(), second);
            }
        }
    }
}
