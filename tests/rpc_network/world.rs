//! Servers with books, a client, and what happens to the network between them.

use std::cell::Cell;
use std::collections::HashMap;
use std::future::Future;
use std::net::Ipv4Addr;
use std::ops::Range;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use turmoil::net::{TcpListener, TcpStream};
use turmoil::{Builder as SimBuilder, Sim};
use wireworks::net::client::Connector;
use wireworks::net::io::Io;
use wireworks::proto::rpc::keeper::Patience;
use wireworks::server::rpc::client::{Builder, Policies, Target};
use wireworks::server::rpc::{
    Channel, Code, Context, Failure, Reach, Requests, ResponseStream, Settings, Status,
};
use wireworks::{service, wire_types};

wire_types! {
    /// Something to be done once, or as often as one likes, and how long it takes.
    pub struct Work { pub id: u64, pub millis: u64 }
}

service! {
    /// What is done is in the books.
    pub service Ledger as LedgerClient in ledger {
        /// May be done again and again.
        1 => unary read(Work) -> u64, idempotent;
        /// Must not be done twice.
        2 => unary write(Work) -> u64;
        /// Counts to [`PIECES`], with a pause before each. May be done again and again.
        3 => server_stream read_list(Work) -> u64, idempotent;
        /// The same, and must not be done twice.
        4 => server_stream write_list(Work) -> u64;
        /// Says how many there are of what is numbered from 0. May be done again and again.
        5 => client_stream read_sum(Work) -> u64, idempotent;
        /// The same, and must not be done twice.
        6 => client_stream write_sum(Work) -> u64;
        /// Says each number back after its pause. May be done again and again.
        7 => bidi read_chat(Work) -> u64, idempotent;
        /// The same, and must not be done twice.
        8 => bidi write_chat(Work) -> u64;
    }
}

pub(super) const PORT: u16 = 7000;

/// Messages of a stream.
pub(super) const PIECES: u64 = 10;

/// The metadata that says which work a stream is: its handler has to know before it has heard a message.
pub(super) const ID: &str = "id";

/// The servers of most tests.
pub(super) const ALL: [&str; 3] = ["one", "two", "three"];

/// So many seeds (`FUZZ_ROUNDS`, if set, times as many).
pub(super) fn seeds(count: u64) -> Range<u64> {
    0..count * std::env::var("FUZZ_ROUNDS").map_or(1, |times| times.parse().unwrap())
}

/// The longest that a call can take beyond its deadline: the latency of a link is no part of it, as the client has a clock of its own; a
/// tick of the simulation is.
pub(super) const SLACK: Duration = Duration::from_millis(20);

/// What servers have done. It is there still after a crash, as the test is no part of the simulation.
#[derive(Clone, Debug, Default)]
pub(super) struct Books {
    /// How often handlers were begun, by the number of the work.
    begun: Arc<Mutex<HashMap<u64, u32>>>,
    /// The same in all.
    calls: Arc<AtomicUsize>,
    /// Handlers that are at work.
    at_work: Arc<AtomicUsize>,
    /// Answers that there is nothing to be had.
    pub(super) sick: Arc<AtomicBool>,
}

/// Counts as long as a handler lives.
struct AtWork(Arc<AtomicUsize>);

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Books {
    pub(super) fn begun(&self, id: u64) -> u32 {
        self.begun.lock().unwrap().get(&id).copied().unwrap_or(0)
    }

    pub(super) fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    pub(super) fn at_work(&self) -> usize {
        self.at_work.load(Ordering::Relaxed)
    }

    /// A handler has begun.
    fn begin(&self, id: u64) -> Result<AtWork, Status> {
        *self.begun.lock().unwrap().entry(id).or_default() += 1;
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.at_work.fetch_add(1, Ordering::Relaxed);
        let at_work = AtWork(Arc::clone(&self.at_work));
        match self.sick.load(Ordering::Relaxed) {
            true => Err(Status::new(Code::Unavailable, "sick")),
            false => Ok(at_work),
        }
    }

    async fn work(&self, work: Work) -> Result<u64, Status> {
        let _at_work = self.begin(work.id)?;
        if work.millis > 0 {
            sleep(work.millis).await;
        }
        Ok(work.id)
    }

    fn list(&self, work: Work) -> Result<ResponseStream<u64>, Status> {
        let begun = (0, self.begin(work.id)?);
        let piece = move |(number, at_work)| async move {
            if number == PIECES {
                return None;
            }
            sleep(work.millis).await;
            Some((Ok(number), (number + 1, at_work)))
        };
        Ok(stream::unfold(begun, piece).boxed())
    }

    async fn sum(&self, context: &Context, mut works: Requests<Work>) -> Result<u64, Status> {
        let _at_work = self.begin(id_of(context))?;
        let mut count = 0;
        while let Some(work) = works.next().await {
            if work?.id != count {
                return Err(Status::new(Code::DataLoss, "something is missing"));
            }
            count += 1;
        }
        Ok(count)
    }

    fn chat(&self, context: &Context, works: Requests<Work>) -> Result<ResponseStream<u64>, Status> {
        let begun = (works, self.begin(id_of(context))?);
        let piece = |(mut works, at_work): (Requests<Work>, AtWork)| async move {
            let answer = match works.next().await? {
                Ok(work) => {
                    sleep(work.millis).await;
                    Ok(work.id)
                }
                Err(status) => Err(status),
            };
            Some((answer, (works, at_work)))
        };
        Ok(stream::unfold(begun, piece).boxed())
    }
}

fn id_of(context: &Context) -> u64 {
    context.metadata.text(ID).unwrap().parse().unwrap()
}

impl Ledger for Books {
    async fn read(&self, _: Context, work: Work) -> Result<u64, Status> {
        self.work(work).await
    }

    async fn write(&self, _: Context, work: Work) -> Result<u64, Status> {
        self.work(work).await
    }

    async fn read_list(&self, _: Context, work: Work) -> Result<ResponseStream<u64>, Status> {
        self.list(work)
    }

    async fn write_list(&self, _: Context, work: Work) -> Result<ResponseStream<u64>, Status> {
        self.list(work)
    }

    async fn read_sum(&self, context: Context, works: Requests<Work>) -> Result<u64, Status> {
        self.sum(&context, works).await
    }

    async fn write_sum(&self, context: Context, works: Requests<Work>) -> Result<u64, Status> {
        self.sum(&context, works).await
    }

    async fn read_chat(
        &self,
        context: Context,
        works: Requests<Work>,
    ) -> Result<ResponseStream<u64>, Status> {
        self.chat(&context, works)
    }

    async fn write_chat(
        &self,
        context: Context,
        works: Requests<Work>,
    ) -> Result<ResponseStream<u64>, Status> {
        self.chat(&context, works)
    }
}

/// What happens to the hosts: only from outside of the simulation can they be stopped.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    /// The process dies; its system ends its connections.
    Crash(&'static str),
    /// It is started again.
    Start(&'static str),
}

/// A network in the making.
pub(super) struct Network {
    pub(super) seed: u64,
    /// Each with its books.
    pub(super) servers: Vec<(&'static str, Books)>,
    /// The longest that a packet takes.
    pub(super) latency: Duration,
    /// What happens, and after how many milliseconds, in order.
    pub(super) events: Vec<(u64, Event)>,
}

impl Network {
    /// Three servers with one book for all.
    pub(super) fn new(seed: u64) -> (Self, Books) {
        let books = Books::default();
        let servers = ALL.iter().map(|name| (*name, books.clone())).collect();
        (Self { seed, servers, latency: Duration::from_millis(10), events: Vec::new() }, books)
    }

    /// Runs `client` to its end, for at most ten simulated minutes.
    pub(super) fn run<F: Future<Output = ()> + 'static>(self, client: F) {
        let Self { seed, servers, latency, events } = self;
        fastrand::seed(seed);
        let mut sim = SimBuilder::new()
            .rng_seed(seed)
            .simulation_duration(Duration::from_secs(600))
            .tick_duration(Duration::from_millis(5))
            .min_message_latency(Duration::from_millis(1))
            .max_message_latency(latency)
            .build();
        for (name, books) in servers {
            sim.host(name, move || serve(books.clone()));
        }
        let done = Rc::new(Cell::new(false));
        let finished = Rc::clone(&done);
        sim.client("client", async move {
            client.await;
            finished.set(true);
            Ok(())
        });
        let mut events = events.into_iter().peekable();
        loop {
            while let Some((_, event)) = events.next_if(|(at, _)| Duration::from_millis(*at) <= sim.elapsed())
            {
                happen(&mut sim, event);
            }
            if sim.step().unwrap_or_else(|error| panic!("seed {seed}: {error}")) {
                break;
            }
        }
        assert!(done.get(), "seed {seed}: the client has not come to its end");
    }
}

fn happen(sim: &mut Sim<'_>, event: Event) {
    match event {
        Event::Crash(name) => sim.crash(name),
        Event::Start(name) => sim.bounce(name),
    }
}

async fn serve(books: Books) -> turmoil::Result {
    let server = ledger::serve(books).detached(settings())?;
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)).await?;
    loop {
        let (stream, peer) = listener.accept().await?;
        let server = server.clone();
        tokio::spawn(async move { server.serve(Io::other(stream), peer).await });
    }
}

/// Peers that are silent are given up after three seconds.
pub(super) fn settings() -> Settings {
    let patience = Patience {
        hello_timeout: Duration::from_secs(2),
        busy_interval: Some(Duration::from_secs(2)),
        idle_interval: Some(Duration::from_secs(4)),
        pong_timeout: Duration::from_secs(1),
    };
    Settings { patience, min_ping_interval: Duration::from_secs(1), ..Settings::default() }
}

/// A client of these servers.
pub(super) fn client(servers: &[&str], policies: Policies) -> LedgerClient {
    LedgerClient::new(builder(servers, policies).lazy())
}

/// Its channel in the making. Connecting takes two seconds at most.
pub(super) fn builder(servers: &[&str], policies: Policies) -> Builder {
    let targets = servers.iter().map(|name| format!("{name}:{PORT}"));
    let connector = Connector::new().deadline(Duration::from_secs(2));
    let builder = Channel::to(targets).unwrap().connector(connector);
    builder.settings(settings()).policies(policies).dial(dial)
}

/// Connects within the simulation.
pub(super) async fn dial(target: Target) -> std::io::Result<Io> {
    match target {
        Target::Tcp { host, port } => Ok(Io::other(TcpStream::connect((host, port)).await?)),
        Target::Unix(path) => Err(std::io::Error::other(format!("there is no {}", path.display()))),
    }
}

/// How a call ended, and how long it took.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) id: u64,
    pub(super) outcome: Result<u64, Failure>,
    pub(super) took: Duration,
}

impl Ended {
    /// A call that went well.
    #[track_caller]
    pub(super) fn assert_ok(&self) {
        assert_eq!(self.outcome, Ok(self.id), "after {:?}", self.took);
    }

    /// Whatever came of it: it came in time, and is true.
    #[track_caller]
    pub(super) fn assert_sound(&self, books: &Books, timeout: Duration, once: bool) {
        let Self { id, outcome, took } = self;
        assert!(*took <= timeout + SLACK, "call {id} took {took:?}: {outcome:?}");
        let begun = books.begun(*id);
        assert!(!once || begun <= 1, "call {id} was done {begun} times: {outcome:?}");
        match outcome {
            Ok(answer) => {
                assert_eq!(answer, id);
                assert!(begun > 0, "call {id} was answered by nobody");
            }
            Err(failure) => {
                let Failure { status, reach, attempts } = failure;
                assert!(
                    matches!(status.code, Code::Unavailable | Code::DeadlineExceeded),
                    "call {id}: {failure:?}"
                );
                assert!(!once || *attempts <= 1 || begun <= 1, "call {id}: {failure:?}");
                if *reach == Reach::Never && once {
                    assert_eq!(begun, 0, "call {id} has reached a handler: {failure:?}");
                }
                if status.code == Code::DeadlineExceeded {
                    assert!(*took + SLACK >= timeout, "call {id} was given up after {took:?}: {failure:?}");
                }
            }
        }
    }
}

/// Does some work that may be done again.
pub(super) async fn read(client: &LedgerClient, id: u64, millis: u64, timeout: Duration) -> Ended {
    let begun = tokio::time::Instant::now();
    let outcome = client.read(Work { id, millis }).timeout(timeout).await;
    Ended { id, outcome, took: begun.elapsed() }
}

/// Does some work that may not.
pub(super) async fn write(client: &LedgerClient, id: u64, millis: u64, timeout: Duration) -> Ended {
    let begun = tokio::time::Instant::now();
    let outcome = client.write(Work { id, millis }).timeout(timeout).await;
    Ended { id, outcome, took: begun.elapsed() }
}

pub(super) async fn sleep(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}

pub(super) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
