//! Says the time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::{FutureExt, StreamExt, stream};
use tokio::time::{MissedTickBehavior, interval};

use crate::proto::http::date;
use crate::server::rpc::{Code, Context, ResponseStream, Status};
use crate::{service, wire_types};

/// The shortest pause between two ticks, in milliseconds.
const SHORTEST: u32 = 10;

wire_types! {
    /// How often.
    pub struct Every {
        /// Milliseconds from tick to tick, at least 10.
        pub millis: u32,
    }

    /// A time.
    pub struct Tick {
        /// Milliseconds since the beginning of 1970.
        pub millis: u64,
        /// The same for people.
        pub text: String,
    }
}

service! {
    /// Says the time.
    pub service Clock as ClockClient in clock {
        /// The time, again and again. Who does not keep up misses some.
        1 => server_stream ticks(Every) -> Tick, idempotent;
    }
}

pub(super) struct Tower;

impl Clock for Tower {
    async fn ticks(&self, context: Context, every: Every) -> Result<ResponseStream<Tick>, Status> {
        if every.millis < SHORTEST {
            return Err(Status::new(
                Code::InvalidArgument,
                format!("{} ms is less than {SHORTEST}", every.millis),
            ));
        }
        let mut ticks = interval(Duration::from_millis(u64::from(every.millis)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let next = |mut ticks: tokio::time::Interval| async move {
            ticks.tick().await;
            Some((Ok(tick(SystemTime::now())), ticks))
        };
        let until = async move { context.stopping().await };
        Ok(stream::unfold(ticks, next).take_until(until.boxed()).boxed())
    }
}

fn tick(now: SystemTime) -> Tick {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    Tick {
        millis: u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
        text: String::from_utf8_lossy(&date::format(now)).into_owned(),
    }
}
