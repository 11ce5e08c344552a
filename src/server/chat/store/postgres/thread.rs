//! The thread of the store: one connection writes, a few read, and all of them live on a runtime of their own.
//!
//! Callers put commands into bounded queues. The writer takes them in their order, several small ones into one transaction. If a transaction meets
//! another one (a deadlock, a key that two nodes insert) it is done again; if several commands fail together, each is tried alone. When the
//! connection breaks while a transaction ends, PostgreSQL is asked afterwards what became of it, by its number: so
//! nothing is done twice, and nothing is called failed that was done. While PostgreSQL is away commands fail at once, and a new connection is
//! tried with growing pauses.

use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::{Instant, timeout};

use super::super::{Answer, StoreError};
use super::connect::Db;
use super::error::{Fault, OpenError};
use super::migrate;
use super::url::PostgresUrl;
use crate::net::client::Connector;
use crate::net::resilience::backoff::{Backoff, Growth, Jitter, Policy};

/// Commands of one transaction at most, of those that may share one.
const GROUP: usize = 64;

/// How often a transaction is done that meets others.
const ATTEMPTS: u32 = 12;

/// The longest pause before it is done again.
const PAUSE: Duration = Duration::from_millis(40);

/// How long a transaction may take: a little longer than its statements.
const DEADLINE: Duration = Duration::from_secs(35);

/// How long PostgreSQL is asked what became of a transaction.
const ASKING: Duration = Duration::from_secs(10);

/// How long to wait before a new connection is tried.
const RECONNECT: Policy = Policy {
    growth: Growth::Exponential { first: Duration::from_millis(100), jitter: Jitter::Equal },
    cap: Duration::from_secs(5),
};

/// What is done on a connection. It may be done again.
trait Command: Send {
    fn run<'a>(&'a mut self, db: &'a Db) -> LocalBoxFuture<'a, Result<(), Fault>>;
    fn finish(self: Box<Self>, outcome: Result<(), StoreError>);
    /// Whether it has a transaction of its own.
    fn alone(&self) -> bool;
}

struct Ask<T, A, F> {
    about: Arc<A>,
    work: F,
    value: Option<T>,
    alone: bool,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, A, F, W> Command for Ask<T, A, F>
where
    T: Send,
    A: Send + Sync,
    F: Fn(Db, Arc<A>) -> W + Send,
    W: Future<Output = Result<T, Fault>>,
{
    fn run<'a>(&'a mut self, db: &'a Db) -> LocalBoxFuture<'a, Result<(), Fault>> {
        Box::pin(async move {
            self.value = Some((self.work)(db.clone(), Arc::clone(&self.about)).await?);
            Ok(())
        })
    }

    fn finish(self: Box<Self>, outcome: Result<(), StoreError>) {
        let Self { value, reply, .. } = *self;
        // Whoever asked may have gone; the work is done all the same.
        let _ = reply.send(outcome.and_then(|()| value.map_or_else(|| Err(ended()), Ok)));
    }

    fn alone(&self) -> bool {
        self.alone
    }
}

fn ended() -> StoreError {
    StoreError::Away("the store has ended".to_owned())
}

type Queue = mpsc::Sender<Box<dyn Command>>;

/// Which connection does a command, and in which company.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    /// A reading one.
    Read,
    /// The writing one, in a transaction with others.
    Write,
    /// The writing one, alone.
    WriteAlone,
}

/// Handles to the queues.
#[derive(Clone, Debug)]
pub(super) struct Queues {
    write: Queue,
    read: Queue,
}

impl std::fmt::Debug for Box<dyn Command> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Command")
    }
}

/// Handles that do not keep the thread alive.
#[derive(Clone, Debug)]
pub(super) struct WeakQueues {
    write: mpsc::WeakSender<Box<dyn Command>>,
    read: mpsc::WeakSender<Box<dyn Command>>,
}

impl WeakQueues {
    pub(super) fn upgrade(&self) -> Option<Queues> {
        Some(Queues { write: self.write.upgrade()?, read: self.read.upgrade()? })
    }
}

impl Queues {
    pub(super) fn downgrade(&self) -> WeakQueues {
        WeakQueues { write: self.write.downgrade(), read: self.read.downgrade() }
    }

    /// Queues work, now; the future only waits for its answer.
    pub(super) fn ask<T, A, F, W>(&self, lane: Lane, about: A, work: F) -> Answer<'static, T>
    where
        T: Send + 'static,
        A: Send + Sync + 'static,
        F: Fn(Db, Arc<A>) -> W + Send + 'static,
        W: Future<Output = Result<T, Fault>> + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let alone = lane == Lane::WriteAlone;
        let command = Box::new(Ask { about: Arc::new(about), work, value: None, alone, reply });
        let queue = if lane == Lane::Read { &self.read } else { &self.write };
        let queued = queue.try_send(command).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => StoreError::Away("too much waits for the store".to_owned()),
            mpsc::error::TrySendError::Closed(_) => ended(),
        });
        Box::pin(async move {
            queued?;
            answer.await.unwrap_or_else(|_| Err(ended()))
        })
    }
}

/// The thread. Dropping it waits until the queues are done.
#[derive(Debug)]
pub(super) struct Thread {
    pub(super) queues: Option<Queues>,
    thread: Option<JoinHandle<()>>,
}

impl Thread {
    /// Starts it, when a first connection stands and the schema is there.
    pub(super) fn start(url: PostgresUrl, readers: usize, queue: usize) -> Result<Self, OpenError> {
        let (write, writing) = mpsc::channel(queue.max(1));
        let (read, reading) = mpsc::channel(queue.max(1));
        let (opened, opening) = std::sync::mpsc::sync_channel(1);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let run = move || {
            let life = live(url, readers, writing, reading, opened);
            tokio::task::LocalSet::new().block_on(&runtime, life);
        };
        let thread = std::thread::Builder::new().name("wireworks-store".to_owned()).spawn(run)?;
        let outcome =
            opening.recv().unwrap_or_else(|_| Err(OpenError::Thread(std::io::ErrorKind::Other.into())));
        let handle = Self { queues: Some(Queues { write, read }), thread: Some(thread) };
        outcome.map(|()| handle)
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.queues = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

type Commands = mpsc::Receiver<Box<dyn Command>>;

/// The life of the thread.
async fn live(
    url: PostgresUrl,
    readers: usize,
    writing: Commands,
    reading: Commands,
    opened: std::sync::mpsc::SyncSender<Result<(), OpenError>>,
) {
    let shown = url.shown();
    let failed = |why| OpenError::Connect { url: shown.clone(), why };
    let connector = match url.connector() {
        Ok(connector) => connector,
        Err(error) => return drop(opened.send(Err(failed(error.to_string())))),
    };
    let first = match Db::connect(&url, &connector).await {
        Ok(db) => db,
        Err(fault) => return drop(opened.send(Err(failed(fault.why())))),
    };
    if let Err(error) = migrate::migrate(&first, &shown).await {
        return drop(opened.send(Err(error)));
    }
    let _ = opened.send(Ok(()));
    let place = Rc::new(Place { url, connector });
    let reading = Rc::new(Mutex::new(reading));
    let readers: Vec<_> = (0..readers.max(1))
        .map(|_| tokio::task::spawn_local(read_all(Link::new(&place, None), Rc::clone(&reading))))
        .collect();
    write_all(Link::new(&place, Some(first)), writing).await;
    for reader in readers {
        let _ = reader.await;
    }
}

/// Where PostgreSQL is.
struct Place {
    url: PostgresUrl,
    connector: Connector,
}

/// A connection that is made anew when it is lost.
struct Link {
    place: Rc<Place>,
    db: Option<Db>,
    backoff: Backoff,
    /// No attempt before this, and why the last one failed.
    away: Option<(Instant, String)>,
}

impl Link {
    fn new(place: &Rc<Place>, db: Option<Db>) -> Self {
        let backoff = Backoff::new(RECONNECT, fastrand::u64(..));
        Self { place: Rc::clone(place), db, backoff, away: None }
    }

    /// The connection, made now if there is none and it is time to try.
    async fn get(&mut self) -> Result<Db, Fault> {
        if let Some(db) = self.db.as_ref().filter(|db| !db.is_closed()) {
            return Ok(db.clone());
        }
        self.db = None;
        if let Some((_, why)) = self.away.as_ref().filter(|(until, _)| Instant::now() < *until) {
            return Err(Fault::Lost(why.clone()));
        }
        match Db::connect(&self.place.url, &self.place.connector).await {
            Ok(db) => {
                if self.away.take().is_some() {
                    tracing::info!("PostgreSQL is back");
                }
                self.backoff.reset();
                self.db = Some(db.clone());
                Ok(db)
            }
            Err(fault) => {
                let why = fault.why();
                if self.away.is_none() {
                    tracing::warn!(%why, "PostgreSQL is away");
                }
                self.away = Some((Instant::now() + self.backoff.wait(), why.clone()));
                Err(Fault::Lost(why))
            }
        }
    }

    /// What a transaction that has failed leaves behind: a connection that can be used, or none.
    async fn roll_back(&mut self, db: &Db, fault: &Fault) {
        let lost = matches!(fault, Fault::Lost(_)) || db.is_closed();
        if lost || timeout(DEADLINE, db.batch("ROLLBACK")).await.map_or(true, |outcome| outcome.is_err()) {
            self.db = None;
        }
    }
}

fn late() -> Fault {
    Fault::Lost("PostgreSQL has not answered in time".to_owned())
}

async fn read_all(mut link: Link, queue: Rc<Mutex<Commands>>) {
    loop {
        let next = queue.lock().await.recv().await;
        let Some(mut command) = next else { return };
        let mut outcome = read(&mut link, &mut *command).await;
        // Reading is done again on another connection: this one may have been lost long ago.
        if matches!(outcome, Err(Fault::Lost(_) | Fault::Again)) {
            outcome = read(&mut link, &mut *command).await;
        }
        command.finish(outcome.map_err(Fault::told));
    }
}

async fn read(link: &mut Link, command: &mut dyn Command) -> Result<(), Fault> {
    let db = link.get().await?;
    let work = async {
        db.batch("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
        command.run(&db).await?;
        db.batch("COMMIT").await
    };
    let outcome = timeout(DEADLINE, work).await.unwrap_or_else(|_| Err(late()));
    if let Err(fault) = &outcome {
        link.roll_back(&db, fault).await;
    }
    outcome
}

async fn write_all(mut link: Link, mut queue: Commands) {
    let mut held: Option<Box<dyn Command>> = None;
    loop {
        let first = match held.take() {
            Some(command) => command,
            None => match queue.recv().await {
                Some(command) => command,
                None => return,
            },
        };
        let mut group = vec![first];
        while !group[0].alone()
            && group.len() < GROUP
            && let Ok(next) = queue.try_recv()
        {
            if next.alone() {
                held = Some(next);
                break;
            }
            group.push(next);
        }
        if group.len() > 1 {
            match transact(&mut link, &mut group).await {
                Ok(outcomes) => {
                    group.into_iter().zip(outcomes).for_each(|(command, outcome)| command.finish(outcome));
                    continue;
                }
                Err(Failed::Unknown(why)) => {
                    group.into_iter().for_each(|command| command.finish(Err(StoreError::Away(why.clone()))));
                    continue;
                }
                // One of them may be at fault.
                Err(Failed::Undone(_)) => {}
            }
        }
        for command in group {
            alone(&mut link, command).await;
        }
    }
}

/// Why a transaction was not done.
enum Failed {
    /// Nothing of it was.
    Undone(Fault),
    /// Nobody knows.
    Unknown(String),
}

async fn alone(link: &mut Link, command: Box<dyn Command>) {
    let mut group = [command];
    let mut last = Fault::Again;
    for attempt in 0..ATTEMPTS {
        match transact(link, &mut group).await {
            Ok(outcomes) => {
                let [command] = group;
                return command.finish(outcomes.into_iter().next().unwrap_or(Ok(())));
            }
            Err(Failed::Unknown(why)) => {
                last = Fault::Lost(why);
                break;
            }
            Err(Failed::Undone(fault)) => {
                // The connection may have been lost long ago: once more on another one.
                let again = matches!(fault, Fault::Again) || matches!(fault, Fault::Lost(_)) && attempt == 0;
                last = fault;
                if !again {
                    break;
                }
                if matches!(last, Fault::Again) {
                    tokio::time::sleep(PAUSE.mul_f64(fastrand::f64())).await;
                }
            }
        }
    }
    let [command] = group;
    command.finish(Err(last.told()));
}

/// Does commands in a transaction. Says what became of each.
async fn transact(
    link: &mut Link,
    group: &mut [Box<dyn Command>],
) -> Result<Vec<Result<(), StoreError>>, Failed> {
    let db = link.get().await.map_err(Failed::Undone)?;
    let work = async {
        db.batch("BEGIN").await?;
        let row = db.row("SELECT pg_current_xact_id()::text", &[]).await?;
        let number: String = row.ok_or_else(late)?.try_get(0)?;
        let single = group.len() == 1;
        let mut outcomes = Vec::with_capacity(group.len());
        for command in &mut *group {
            match command.run(&db).await {
                Ok(()) => outcomes.push(Ok(())),
                // These have changed nothing.
                Err(Fault::Store(own @ (StoreError::Taken | StoreError::None))) if !single => {
                    outcomes.push(Err(own));
                }
                Err(fault) => return Err(fault),
            }
        }
        Ok((number, outcomes))
    };
    let (number, outcomes) = match timeout(DEADLINE, work).await.unwrap_or_else(|_| Err(late())) {
        Ok(done) => done,
        Err(fault) => {
            link.roll_back(&db, &fault).await;
            return match fault {
                Fault::Store(own @ (StoreError::Taken | StoreError::None)) => Ok(vec![Err(own)]),
                fault => Err(Failed::Undone(fault)),
            };
        }
    };
    match timeout(DEADLINE, db.batch("COMMIT")).await.unwrap_or_else(|_| Err(late())) {
        Ok(()) => Ok(outcomes),
        Err(Fault::Lost(why)) => {
            link.db = None;
            match fate(link, &number).await {
                Some(true) => Ok(outcomes),
                Some(false) => Err(Failed::Undone(Fault::Lost(why))),
                None => Err(Failed::Unknown(why)),
            }
        }
        Err(fault) => {
            link.roll_back(&db, &fault).await;
            Err(Failed::Undone(fault))
        }
    }
}

/// Whether the transaction of this number was committed, as far as PostgreSQL says so in time.
async fn fate(link: &mut Link, number: &str) -> Option<bool> {
    let until = Instant::now() + ASKING;
    while Instant::now() < until {
        if let Ok(db) = link.get().await
            && let Ok(Some(row)) = db.row("SELECT pg_xact_status($1::text::xid8)", &[&number]).await
        {
            match row.try_get::<_, Option<String>>(0).ok().flatten().as_deref() {
                Some("committed") => return Some(true),
                Some("aborted") => return Some(false),
                // It is the old connection's, whose end PostgreSQL has not seen yet.
                Some(_) => {}
                None => return None,
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    None
}
