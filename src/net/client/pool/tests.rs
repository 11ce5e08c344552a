//! A pool of connections that are only numbers, with the clock paused.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::{Bytes, BytesMut};
use futures_util::future::join_all;
use futures_util::poll;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{advance, sleep};

use super::*;
use crate::codec::{Codec, Outbox};
use crate::net::clock::Clock;
use crate::net::conn::Conn;

/// What a test knows of the connections of a pool.
#[derive(Default)]
struct World {
    /// Numbers of those that were opened.
    opened: AtomicUsize,
    /// Those that are open, by key.
    live: Mutex<HashMap<&'static str, usize>>,
    /// The most of them at once, by key and in all.
    peak: Mutex<(usize, usize)>,
    /// Whether opening fails.
    refuses: AtomicBool,
    /// How long opening takes, in milliseconds.
    takes: AtomicUsize,
    /// Connections below this number were closed by the other end.
    dead: AtomicUsize,
}

#[derive(Debug)]
struct Line {
    number: usize,
    key: &'static str,
    world: Weakly,
}

/// So that a connection can say that it ends.
struct Weakly(Arc<World>);

impl fmt::Debug for Weakly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("World")
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        *self.world.0.live.lock().unwrap().get_mut(self.key).unwrap() -= 1;
    }
}

struct Opener(Arc<World>);

impl Manager for Opener {
    type Key = &'static str;
    type Connection = Line;
    type Error = &'static str;

    async fn open(&self, key: &&'static str) -> Result<Line, &'static str> {
        let world = &self.0;
        let takes = world.takes.load(Ordering::Relaxed);
        if takes > 0 {
            sleep(ms(takes as u64)).await;
        }
        if world.refuses.load(Ordering::Relaxed) {
            return Err("refused");
        }
        let number = world.opened.fetch_add(1, Ordering::Relaxed);
        let mut live = world.live.lock().unwrap();
        *live.entry(key).or_default() += 1;
        let mut peak = world.peak.lock().unwrap();
        *peak = (peak.0.max(live[key]), peak.1.max(live.values().sum()));
        Ok(Line { number, key, world: Weakly(Arc::clone(world)) })
    }

    fn is_fresh(&self, line: &mut Line, _: Duration) -> bool {
        line.number >= self.0.dead.load(Ordering::Relaxed)
    }
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn pool(limits: Limits) -> (Pool<Opener>, Arc<World>) {
    let world = Arc::new(World::default());
    (Pool::new(Opener(Arc::clone(&world)), limits), world)
}

const LIMITS: Limits = Limits { total: 4, per_key: 2, waiting: 3, ..Limits::DEFAULT };

impl World {
    fn live(&self) -> usize {
        self.live.lock().unwrap().values().sum()
    }
}

/// A connection within a second.
async fn get(pool: &Pool<Opener>, key: &'static str) -> Pooled<Opener> {
    pool.get(&key, Instant::now() + ms(1_000)).await.unwrap()
}

async fn fails(pool: &Pool<Opener>, key: &'static str) -> PoolError<&'static str> {
    pool.get(&key, Instant::now() + ms(1_000)).await.unwrap_err()
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_can_be_taken_away_and_leaves_its_place() {
    let (pool, world) = pool(Limits { total: 1, per_key: 1, ..LIMITS });
    assert!(pool.take_idle(&"a").is_none());
    get(&pool, "a").await.keep(true);
    let taken = pool.take_idle(&"a").unwrap();
    assert_eq!((taken.number, pool.stats().open), (0, 0));
    assert!(pool.take_idle(&"a").is_none());
    let other = get(&pool, "b").await;
    assert_eq!((other.number, world.live()), (1, 2), "its place is free, and the connection lives");
}

#[tokio::test(start_paused = true)]
async fn the_one_that_was_used_last_is_used_again() {
    let (pool, world) = pool(LIMITS);
    let (first, second) = (get(&pool, "a").await, get(&pool, "a").await);
    assert!(!first.is_reused());
    assert_eq!((first.number, second.number, *first.key()), (0, 1, "a"));
    first.keep(true);
    second.keep(true);
    let stats = Stats { open: 2, idle: 2, opened: 2, ..Stats::default() };
    assert_eq!(pool.stats(), stats);
    let again = get(&pool, "a").await;
    assert_eq!((again.number, again.is_reused()), (1, true));
    assert_eq!(pool.stats(), Stats { idle: 1, reused: 1, ..stats });
    assert_eq!(get(&pool, "b").await.number, 2, "another key, another connection");
    assert_eq!(world.live(), 2, "which was closed, as nobody kept it");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_kept_is_closed() {
    let (pool, world) = pool(LIMITS);
    get(&pool, "a").await.keep(false);
    drop(get(&pool, "a").await);
    assert_eq!(world.live(), 0);
    assert_eq!(pool.stats(), Stats { opened: 2, ..Stats::default() });
    assert_eq!(pool.0.state().keys(), 0, "a key of which nothing is left is forgotten");
}

#[tokio::test(start_paused = true)]
async fn who_comes_first_is_served_first() {
    let (pool, _world) = pool(LIMITS);
    let (one, two) = (get(&pool, "a").await, get(&pool, "a").await);
    let mut first = Box::pin(get(&pool, "a"));
    let mut second = Box::pin(get(&pool, "a"));
    let mut third = Box::pin(get(&pool, "a"));
    assert!(poll!(&mut first).is_pending() && poll!(&mut second).is_pending());
    assert!(poll!(&mut third).is_pending());
    assert_eq!(pool.stats().waiting, 3);
    assert!(matches!(fails(&pool, "a").await, PoolError::Full));
    one.keep(true);
    assert!(poll!(&mut third).is_pending() && poll!(&mut second).is_pending());
    let first = first.await;
    assert_eq!((first.number, first.is_reused()), (0, true), "handed on");
    drop(two);
    let second = second.await;
    assert_eq!((second.number, second.is_reused()), (2, false), "a place, for a new one");
    second.keep(true);
    assert_eq!(third.await.number, 2);
    assert_eq!(pool.stats().refused, 1);
}

#[tokio::test(start_paused = true)]
async fn a_waiter_has_a_deadline() {
    let (pool, _world) = pool(LIMITS);
    let (_one, two) = (get(&pool, "a").await, get(&pool, "a").await);
    let start = Instant::now();
    assert!(matches!(fails(&pool, "a").await, PoolError::Busy));
    assert_eq!(start.elapsed(), ms(1_000));
    assert_eq!((pool.stats().waiting, pool.stats().refused), (0, 1));
    two.keep(true);
    assert_eq!(get(&pool, "a").await.number, 1, "nobody is served who has left");
}

#[tokio::test(start_paused = true)]
async fn what_a_cancelled_waiter_was_handed_goes_on_to_the_next() {
    for kept in [true, false] {
        let (pool, world) = pool(Limits { waiting: 100, per_key: 1, ..LIMITS });
        let used = get(&pool, "a").await;
        let mut waiting: Vec<_> = (0..50).map(|_| Box::pin(get(&pool, "a"))).collect();
        for waiter in &mut waiting {
            assert!(poll!(waiter).is_pending());
        }
        let mut last = waiting.pop().unwrap();
        // The first is handed it, and none of them looks. As each is dropped it is handed on.
        used.keep(kept);
        assert_eq!(pool.stats().waiting, 49);
        waiting.into_iter().for_each(drop);
        let last = last.as_mut().await;
        assert_eq!((last.number, last.is_reused()), if kept { (0, true) } else { (1, false) });
        drop(last);
        assert_eq!((pool.stats().open, pool.stats().waiting, world.live()), (0, 0, 0), "{kept}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_last_waiter_was_handed_and_left_is_kept() {
    let (pool, world) = pool(Limits { per_key: 1, ..LIMITS });
    let used = get(&pool, "a").await;
    let mut waiter = Box::pin(get(&pool, "a"));
    assert!(poll!(&mut waiter).is_pending());
    used.keep(true);
    drop(waiter);
    assert_eq!((pool.stats().open, pool.stats().idle, world.live()), (1, 1, 1));
}

/// A waiter that another thread takes away just when it is to be handed something, and that is still in the queue.
#[tokio::test(start_paused = true)]
async fn a_waiter_that_is_gone_is_passed_over() {
    for kept in [true, false] {
        let (pool, world) = pool(LIMITS);
        let (used, _other) = (get(&pool, "a").await, get(&pool, "a").await);
        for _ in 0..2 {
            let claim = pool.0.state().claim(&"a");
            assert!(matches!(claim, Claim::Wait(..)));
        }
        used.keep(kept);
        let stats = pool.stats();
        assert_eq!((stats.open, stats.idle, stats.waiting), (world.live(), usize::from(kept), 0));
        assert_eq!(world.live(), if kept { 2 } else { 1 });
    }
}

#[tokio::test(start_paused = true)]
async fn the_one_idle_longest_makes_room_for_another_key() {
    let (pool, world) = pool(LIMITS);
    let lines = join_all(["a", "a", "b", "b"].map(|key| get(&pool, key))).await;
    for line in lines {
        line.keep(true);
        advance(ms(1)).await;
    }
    let other = get(&pool, "c").await;
    assert_eq!((other.number, world.live()), (4, 4));
    assert_eq!(get(&pool, "a").await.number, 1, "the other of them is left");
    assert_eq!(pool.stats().evicted, 1);
    assert_eq!(world.peak.lock().unwrap().1, 4, "closed before the new one was opened");
}

#[tokio::test(start_paused = true)]
async fn a_busy_key_does_not_starve_another() {
    let (pool, world) = pool(Limits { total: 2, waiting: 10, ..LIMITS });
    let (one, two) = (get(&pool, "a").await, get(&pool, "a").await);
    let mut other = Box::pin(get(&pool, "b"));
    assert!(poll!(&mut other).is_pending());
    let mut same = Box::pin(get(&pool, "a"));
    assert!(poll!(&mut same).is_pending());
    one.keep(true);
    assert!(poll!(&mut same).is_pending(), "it came later");
    let other = other.await;
    assert_eq!((*other.key(), other.number, world.live()), ("b", 2, 2));
    two.keep(true);
    assert_eq!(same.await.number, 1);
    assert_eq!(world.peak.lock().unwrap().1, 2, "closed before the new one was opened");
}

#[tokio::test(start_paused = true)]
async fn a_failure_to_open_gives_the_place_on() {
    for slow in [false, true] {
        let (pool, world) = pool(Limits { per_key: 1, ..LIMITS });
        world.refuses.store(!slow, Ordering::Relaxed);
        world.takes.store(if slow { 5_000 } else { 100 }, Ordering::Relaxed);
        let mut first = Box::pin(fails(&pool, "a"));
        assert!(poll!(&mut first).is_pending());
        let deadline = Instant::now() + ms(60_000);
        let mut second = Box::pin(pool.get(&"a", deadline));
        assert!(poll!(&mut second).is_pending());
        let error = first.await;
        assert!(
            matches!((&error, slow), (PoolError::Open("refused"), false) | (PoolError::Slow, true)),
            "{error:?}"
        );
        world.refuses.store(false, Ordering::Relaxed);
        assert_eq!(second.await.unwrap().number, 0);
        assert_eq!(pool.stats(), Stats { opened: 1, failed: 1, ..Stats::default() });
    }
}

#[tokio::test(start_paused = true)]
async fn one_who_is_cancelled_while_opening_gives_the_place_on() {
    let (pool, world) = pool(Limits { per_key: 1, ..LIMITS });
    world.takes.store(100, Ordering::Relaxed);
    let mut first = Box::pin(get(&pool, "a"));
    let mut second = Box::pin(get(&pool, "a"));
    assert!(poll!(&mut first).is_pending() && poll!(&mut second).is_pending());
    drop(first);
    assert_eq!(second.await.number, 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_stale_is_replaced() {
    let (pool, world) = pool(LIMITS);
    get(&pool, "a").await.keep(true);
    world.dead.store(1, Ordering::Relaxed);
    let fresh = get(&pool, "a").await;
    assert_eq!((fresh.number, fresh.is_reused(), world.live()), (1, false, 1));
    assert_eq!(pool.stats(), Stats { open: 1, opened: 2, stale: 1, ..Stats::default() });
}

#[tokio::test(start_paused = true)]
async fn what_is_too_old_is_not_handed_out() {
    let limits = Limits { idle: ms(1_000), lifetime: ms(10_000), ..LIMITS };
    let (pool, world) = pool(limits);
    get(&pool, "a").await.keep(true);
    advance(ms(999)).await;
    let line = get(&pool, "a").await;
    assert!(line.is_reused());
    line.keep(true);
    advance(ms(1_000)).await;
    let line = get(&pool, "a").await;
    assert_eq!((line.number, line.is_reused(), pool.stats().expired), (1, false, 1));
    // One in use is not cut when its life is over. It is only not kept.
    advance(ms(10_000)).await;
    assert_eq!(world.live(), 1);
    line.keep(true);
    assert_eq!((world.live(), pool.stats().expired), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn lives_differ_by_a_tenth() {
    let (pool, _world) = pool(Limits { total: 300, per_key: 300, ..Limits::DEFAULT });
    let start = Instant::now();
    let lines = join_all((0..300).map(|_| get(&pool, "a"))).await;
    let lives: Vec<_> = lines.iter().map(|line| line.ends - start).collect();
    let lifetime = Limits::DEFAULT.lifetime;
    let (shortest, longest) = (*lives.iter().min().unwrap(), *lives.iter().max().unwrap());
    assert!(shortest >= lifetime.mul_f64(0.9) && shortest < lifetime.mul_f64(0.92), "{shortest:?}");
    assert!(longest <= lifetime && longest > lifetime.mul_f64(0.98), "{longest:?}");
}

#[tokio::test(start_paused = true)]
async fn few_are_kept_idle() {
    let (pool, world) = pool(Limits { total: 10, per_key: 10, idle_per_key: 2, ..LIMITS });
    let lines = join_all((0..5).map(|_| get(&pool, "a"))).await;
    lines.into_iter().for_each(|line| line.keep(true));
    assert_eq!((pool.stats().idle, pool.stats().open, world.live()), (2, 2, 2));
    assert_eq!(get(&pool, "a").await.number, 4, "those idle longest have gone");
}

#[tokio::test(start_paused = true)]
async fn the_keeper_closes_what_is_too_old() {
    let (pool, world) = pool(Limits { idle: ms(5_000), ..LIMITS });
    let keeper = tokio::spawn(pool.keeper());
    get(&pool, "a").await.keep(true);
    sleep(ms(4_900)).await;
    assert_eq!(world.live(), 1);
    sleep(ms(1_200)).await;
    assert_eq!((world.live(), pool.0.state().keys()), (0, 0));
    drop(pool);
    keeper.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_keeper_keeps_a_key_warm() {
    let (pool, world) = pool(Limits { idle: ms(5_000), ..LIMITS });
    let _keeper = tokio::spawn(pool.keeper());
    pool.warm(&"a", 2);
    pool.warm(&"b", 100);
    sleep(ms(10)).await;
    assert_eq!((pool.stats().idle, world.live()), (4, 4), "as far as the limits allow");
    get(&pool, "a").await.keep(false);
    assert_eq!(pool.stats().idle, 3);
    sleep(ms(1_100)).await;
    assert_eq!(pool.stats().idle, 4, "opened again");
    // Warm ones grow old like others, and are replaced.
    sleep(ms(10_000)).await;
    assert!(world.opened.load(Ordering::Relaxed) >= 9 && pool.stats().idle == 4, "{:?}", pool.stats());
    pool.warm(&"a", 0);
    pool.warm(&"b", 0);
    sleep(ms(7_000)).await;
    assert_eq!((world.live(), pool.0.state().keys()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn the_keeper_waits_longer_from_failure_to_failure() {
    let (pool, world) = pool(LIMITS);
    world.refuses.store(true, Ordering::Relaxed);
    let _keeper = tokio::spawn(pool.keeper());
    pool.warm(&"a", 1);
    sleep(ms(600_000)).await;
    let failed = pool.stats().failed;
    assert!((20..120).contains(&failed), "{failed} in ten minutes, by waits up to half a minute");
    world.refuses.store(false, Ordering::Relaxed);
    sleep(ms(32_000)).await;
    assert_eq!((pool.stats().idle, pool.stats().open), (1, 1));
}

/// Opens connections to a server that is there.
struct Real(Clock);

#[derive(Debug)]
struct Raw;

impl Codec for Raw {
    type In = Bytes;
    type Out = Bytes;
    type Error = Infallible;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Bytes>, Infallible> {
        Ok((!src.is_empty()).then(|| src.split().freeze()))
    }

    fn encode(&mut self, item: Bytes, dst: &mut Outbox) -> Result<(), Infallible> {
        dst.push(item);
        Ok(())
    }
}

impl Manager for Real {
    type Key = SocketAddr;
    type Connection = Conn<TcpStream, Raw>;
    type Error = std::io::Error;

    async fn open(&self, key: &SocketAddr) -> std::io::Result<Self::Connection> {
        Ok(Conn::new(TcpStream::connect(key).await?, Raw, self.0.timer()))
    }

    fn is_fresh(&self, conn: &mut Self::Connection, _: Duration) -> bool {
        conn.is_quiet()
    }
}

#[tokio::test]
async fn a_connection_that_the_server_closed_is_not_handed_out() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let pool = Pool::new(Real(Clock::new()), Limits::DEFAULT);
    let deadline = Instant::now() + Duration::from_secs(20);
    let (conn, server) = tokio::join!(pool.get(&address, deadline), listener.accept());
    conn.unwrap().keep(true);
    let conn = pool.get(&address, deadline).await.unwrap();
    assert!(conn.is_reused(), "while it is open");
    conn.keep(true);
    drop(server);
    // The news has a way to go.
    loop {
        assert!(Instant::now() < deadline, "it was never seen to be closed");
        let conn = pool.get(&address, deadline).await.unwrap();
        if !conn.is_reused() {
            break;
        }
        conn.keep(true);
        tokio::task::yield_now().await;
    }
    assert_eq!((pool.stats().opened, pool.stats().stale), (2, 1));
}

/// Whatever is cancelled, fails or is kept: the limits hold, nobody is forgotten, and nothing is lost.
#[tokio::test(start_paused = true)]
async fn nothing_is_lost_however_calls_end() {
    for seed in 0..40 {
        let (pool, world) = pool(Limits { waiting: 1_000, idle: ms(40), ..LIMITS });
        let keeper = tokio::spawn(pool.keeper());
        let mut rng = fastrand::Rng::with_seed(seed);
        let calls = (0..300).map(|_| {
            let (pool, world, mut rng) = (pool.clone(), Arc::clone(&world), rng.fork());
            async move {
                sleep(ms(rng.u64(0..300))).await;
                let key = ["a", "b", "c"][rng.usize(0..3)];
                world.takes.store(rng.usize(0..4), Ordering::Relaxed);
                world.refuses.store(rng.u8(0..8) == 0, Ordering::Relaxed);
                if rng.u8(0..20) == 0 {
                    let opened = world.opened.load(Ordering::Relaxed);
                    world.dead.store(opened, Ordering::Relaxed);
                }
                let patience = ms(rng.u64(0..200));
                // Some give up by themselves, some are dropped before their deadline.
                let deadline = Instant::now() + patience * rng.u32(1..3);
                let call = tokio::time::timeout(patience, pool.get(&key, deadline));
                if let Ok(Ok(line)) = call.await {
                    assert_eq!(line.key, key);
                    sleep(ms(rng.u64(0..5))).await;
                    line.keep(rng.u8(0..4) > 0);
                }
            }
        });
        join_all(calls).await;
        let stats = pool.stats();
        assert_eq!((stats.open, stats.idle, stats.waiting), (world.live(), world.live(), 0), "seed {seed}");
        let (per_key, total) = *world.peak.lock().unwrap();
        assert!(per_key <= 2 && total <= 4, "seed {seed}: {per_key} of a key, {total} in all");
        // All places can still be had.
        world.refuses.store(false, Ordering::Relaxed);
        let lines = join_all(["a", "a", "b", "c"].map(|key| get(&pool, key))).await;
        assert_eq!((lines.len(), world.live()), (4, 4));
        drop((lines, pool));
        keeper.await.unwrap();
        assert_eq!(world.live(), 0, "seed {seed}");
    }
}

/// The same with threads, for what only happens between them.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn threads_may_share_a_pool() {
    let (pool, world) = pool(Limits { waiting: 1_000, ..LIMITS });
    let calls = (0..200_u64).map(|seed| {
        let pool = pool.clone();
        tokio::spawn(async move {
            let mut rng = fastrand::Rng::with_seed(seed);
            for _ in 0..50 {
                let key = ["a", "b", "c"][rng.usize(0..3)];
                let mut call = Box::pin(pool.get(&key, Instant::now() + ms(60_000)));
                if rng.u8(0..3) == 0 {
                    // Perhaps dropped while it is handed something.
                    let _ = poll!(&mut call);
                    tokio::task::yield_now().await;
                    continue;
                }
                let line = call.await.unwrap();
                tokio::task::yield_now().await;
                line.keep(rng.bool());
            }
        })
    });
    for call in join_all(calls).await {
        call.unwrap();
    }
    let stats = pool.stats();
    assert_eq!((stats.open, stats.idle, stats.waiting), (world.live(), world.live(), 0), "{stats:?}");
    let (per_key, total) = *world.peak.lock().unwrap();
    assert!(per_key <= 2 && total <= 4, "{per_key} of a key, {total} in all");
}
