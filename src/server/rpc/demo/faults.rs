//! What goes wrong, to see what clients make of it.

use std::time::Duration;

use crate::net::workers::{Cancelled, Priority};
use crate::server::rpc::health::HealthReporter;
use crate::server::rpc::{Code, Context, Status};
use crate::{service, wire_types};

/// Rounds at most that [`Faults::work`] does.
const MAX_ROUNDS: u32 = 1_000_000;

wire_types! {
    /// How long.
    pub struct Pause {
        /// Milliseconds.
        pub millis: u32,
    }

    /// How often something fails.
    pub struct Chance {
        /// Of a hundred calls.
        pub percent: u8,
    }

    /// How a call is to end.
    pub struct Ending {
        /// The number of the status code.
        pub code: u16,
        /// What it says.
        pub text: String,
    }

    /// How much there is to do.
    pub struct Rounds {
        /// Rounds of hashing; a thousand take about a tenth of a millisecond.
        pub rounds: u32,
    }

    /// Whether a service is well.
    pub struct Report {
        /// The name of a service of the demo; empty for the server as a whole.
        pub service: String,
        /// Whether it takes calls.
        pub serving: bool,
    }

    /// What has come of it.
    pub struct Done {
        /// How often the call was tried before.
        pub attempt: u8,
        /// What was computed, if anything was.
        pub result: u64,
    }
}

service! {
    /// What goes wrong.
    pub service Faults as FaultsClient in faults {
        /// Answers after a while.
        1 => unary slow(Pause) -> Done, idempotent;
        /// Is unavailable by chance; it can be tried again.
        2 => unary flaky(Chance) -> Done, idempotent;
        /// Is unavailable by chance; it must not be done twice.
        3 => unary flaky_once(Chance) -> Done;
        /// Ends with this status.
        4 => unary fail(Ending) -> Done;
        /// Takes the processor for a while, on a thread for such work.
        5 => unary work(Rounds) -> Done, idempotent;
        /// Panics.
        6 => unary panic(Pause) -> Done;
        /// Says that a service takes calls, or takes none, to those who ask for its health. It answers all the same.
        7 => unary report(Report) -> Done, idempotent;
    }
}

pub(super) struct Trouble(pub(super) HealthReporter);

/// Whose health can be changed.
const NAMES: [&str; 5] = ["", "Clock", "Echo", "Faults", "Kv"];

fn done(context: &Context) -> Done {
    Done { attempt: context.attempt, result: 0 }
}

fn by_chance(context: &Context, chance: &Chance) -> Result<Done, Status> {
    if fastrand::u8(..100) < chance.percent {
        return Err(Status::new(Code::Unavailable, "by chance"));
    }
    Ok(done(context))
}

impl Faults for Trouble {
    async fn slow(&self, context: Context, pause: Pause) -> Result<Done, Status> {
        tokio::time::sleep(Duration::from_millis(u64::from(pause.millis))).await;
        Ok(done(&context))
    }

    async fn flaky(&self, context: Context, chance: Chance) -> Result<Done, Status> {
        by_chance(&context, &chance)
    }

    async fn flaky_once(&self, context: Context, chance: Chance) -> Result<Done, Status> {
        by_chance(&context, &chance)
    }

    async fn fail(&self, _: Context, ending: Ending) -> Result<Done, Status> {
        Err(match Code::of(ending.code) {
            Code::Ok => Status::new(Code::InvalidArgument, "0 is the code of what goes well"),
            code => Status::new(code, ending.text),
        })
    }

    async fn work(&self, context: Context, rounds: Rounds) -> Result<Done, Status> {
        if rounds.rounds > MAX_ROUNDS {
            let text = format!("{} rounds are more than {MAX_ROUNDS}", rounds.rounds);
            return Err(Status::new(Code::InvalidArgument, text));
        }
        let work = move |cancelled: &Cancelled<'_>| hash(rounds.rounds, cancelled);
        let result = context.work(Priority::Normal, work).await?;
        Ok(Done { result, ..done(&context) })
    }

    async fn report(&self, context: Context, report: Report) -> Result<Done, Status> {
        let Report { service, serving } = report;
        if !NAMES.contains(&service.as_str()) {
            return Err(Status::new(Code::NotFound, format!("there is no service {service:?} in the demo")));
        }
        self.0.set_serving(&service, serving);
        Ok(done(&context))
    }

    async fn panic(&self, _: Context, pause: Pause) -> Result<Done, Status> {
        tokio::time::sleep(Duration::from_millis(u64::from(pause.millis))).await;
        #[allow(clippy::panic)] // it is what was asked for
        {
            panic!("as the caller wanted")
        }
    }
}

fn hash(rounds: u32, cancelled: &Cancelled<'_>) -> u64 {
    (0..rounds).take_while(|_| !cancelled.is_cancelled()).fold(0xcbf2_9ce4_8422_2325, |hash, round| {
        (0..64).fold(hash ^ u64::from(round), |hash: u64, _| {
            hash.wrapping_mul(0x0000_0100_0000_01b3).rotate_left(7)
        })
    })
}
