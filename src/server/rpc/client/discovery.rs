//! Follows servers that come and go: names are looked up again, files are read again.
//!
//! It begins with the first call, and ends with the channel. What cannot be looked up or read leaves what was known before as it is: a
//! resolver that is out of order must not take servers away that answer.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::origin::{MAX_FILE, Origin, servers};
use super::servers::Shared;
use super::target::Place;
use crate::net::client::{Connector, Target};
use crate::net::words::plain;
use crate::server::rpc::settings::LONGEST;

/// How often a name is looked up again, unless [`Builder::refresh`](super::Builder::refresh) says otherwise. gRPC leaves it to failures.
pub const REFRESH: Duration = Duration::from_secs(30);

/// The least time between two looks at the same name, whatever fails meanwhile. gRPC has 30 s.
const LEAST: Duration = Duration::from_secs(1);

/// How often a file is looked at.
const FILE_INTERVAL: Duration = Duration::from_secs(1);

/// What a channel knows of where its servers are.
#[derive(Debug)]
pub(super) struct Discovery {
    refresh: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    /// There is nothing to be followed: the servers are what they were said to be.
    Fixed,
    /// Nobody has called yet.
    Waiting(Vec<Origin>),
    /// What was found of each origin; the tasks end with the guard, which cancels the token.
    Following(
        Vec<Found>,
        CancellationToken,
        #[allow(dead_code, reason = "it is there to be dropped")] DropGuard,
    ),
}

/// What is known of one origin.
#[derive(Debug)]
struct Found {
    places: Vec<Place>,
    /// Whether it was looked at, whatever came of it.
    settled: bool,
    /// What went wrong the last time.
    error: Option<String>,
    /// Wakes its task before its time.
    again: Arc<Notify>,
    /// Where it is from.
    origin: Origin,
    /// Nobody follows it: nobody has yet, or its task was lost, with its runtime or by a panic in a function of the user's.
    lost: bool,
    /// When it may be followed again, if not at once.
    not_before: Option<Instant>,
}

/// Tasks that are to be spawned when no lock is held: a runtime that ends drops them at once.
type Tasks = Vec<BoxFuture<'static, ()>>;

impl Discovery {
    /// Of these origins. What is not to be followed is told at once, if that is all.
    pub(super) fn new(origins: Vec<Origin>, refresh: Duration) -> (Self, Vec<Place>) {
        let fixed: Vec<_> = origins.iter().filter_map(fixed).collect();
        let all = fixed.len() == origins.len();
        let state = if all { State::Fixed } else { State::Waiting(origins) };
        (Self { refresh, state: Mutex::new(state) }, if all { fixed } else { Vec::new() })
    }

    /// No server can be had: looks for more, and says whether there may be some soon.
    pub(super) fn search(&self, shared: &Arc<Shared>) -> bool {
        let mut state = self.state();
        if let State::Waiting(origins) = &mut *state {
            *state = Self::follow(std::mem::take(origins));
            tell(&state, shared);
        }
        let tasks = self.lost(&mut state, shared);
        let soon = match &*state {
            State::Following(found, ..) => {
                found.iter().filter(|found| found.settled).for_each(|found| found.again.notify_one());
                found.iter().any(|found| !found.settled)
            }
            State::Fixed | State::Waiting(_) => false,
        };
        drop(state);
        spawn(tasks);
        soon
    }

    /// A connection is to be made: follows again what was followed by a task that is lost.
    pub(super) fn revive(&self, shared: &Arc<Shared>) {
        let tasks = self.lost(&mut self.state(), shared);
        spawn(tasks);
    }

    /// A connection has failed: servers may have moved.
    pub(super) fn again(&self) {
        if let State::Following(found, ..) = &*self.state() {
            found.iter().for_each(|found| found.again.notify_one());
        }
    }

    /// Why there are no servers, if there is a reason.
    pub(super) fn error(&self) -> Option<String> {
        match &*self.state() {
            State::Following(found, ..) => found.iter().find_map(|found| found.error.clone()),
            State::Fixed | State::Waiting(_) => None,
        }
    }

    /// Follows nothing any more, and stores other servers.
    pub(super) fn fix(&self, shared: &Shared, places: Vec<Place>) {
        let mut state = self.state();
        *state = State::Fixed;
        shared.set_places(places);
    }

    /// The beginning: nobody follows any of them.
    fn follow(origins: Vec<Origin>) -> State {
        let stop = CancellationToken::new();
        let found = origins.into_iter().map(|origin| {
            let places: Vec<_> = fixed(&origin).into_iter().collect();
            let settled = !places.is_empty();
            let (lost, not_before) = (!settled, None);
            Found { places, settled, error: None, again: Arc::new(Notify::new()), origin, lost, not_before }
        });
        State::Following(found.collect(), stop.clone(), stop.drop_guard())
    }

    /// Tasks for the origins that nobody follows, as far as it is time.
    fn lost(&self, state: &mut State, shared: &Arc<Shared>) -> Tasks {
        let State::Following(all, stop, _) = state else { return Tasks::new() };
        let mut tasks = Tasks::new();
        for (index, found) in all.iter_mut().enumerate() {
            if !found.lost || found.not_before.is_some_and(|time| time > Instant::now()) {
                continue;
            }
            let source = match found.origin.clone() {
                Origin::Server(_) => continue,
                Origin::Name { host, port } => {
                    let connector = shared.dial.connector.clone();
                    Source::Name { host, port, connector, refresh: self.refresh }
                }
                Origin::File(path) => Source::File { path, seen: None },
            };
            found.lost = false;
            found.settled = !found.places.is_empty();
            let (stop, again) = (stop.clone(), Arc::clone(&found.again));
            let following = FollowGuard { shared: Arc::downgrade(shared), index };
            tasks.push(Box::pin(async move {
                stop.run_until_cancelled(source.watch(&following, again)).await;
            }));
        }
        tasks
    }

    /// What came of a look at an origin.
    fn found(&self, index: usize, outcome: Result<Vec<Place>, String>, shared: &Shared) {
        let mut state = self.state();
        let State::Following(all, ..) = &mut *state else { return };
        let Some(found) = all.get_mut(index) else { return };
        found.settled = true;
        match outcome {
            Ok(places) => {
                found.error = None;
                if places != found.places {
                    tracing::info!(servers = places.len(), "the servers have changed");
                    found.places = places;
                }
            }
            Err(error) => {
                if found.error.as_ref() != Some(&error) {
                    tracing::warn!(error, kept = found.places.len(), "the servers cannot be looked up");
                }
                found.error = Some(error);
            }
        }
        tell(&state, shared);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is one store.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn spawn(tasks: Tasks) {
    for task in tasks {
        tokio::spawn(task);
    }
}

/// What the task has that follows an origin. When it is dropped, though the channel goes on, the origin may be followed by another.
struct FollowGuard {
    shared: Weak<Shared>,
    index: usize,
}

impl Drop for FollowGuard {
    fn drop(&mut self) {
        let Some(shared) = self.shared.upgrade() else { return };
        let mut state = shared.discovery.state();
        let State::Following(all, ..) = &mut *state else { return };
        let Some(found) = all.get_mut(self.index) else { return };
        // What panics is not tried at once, and at once again.
        found.not_before = std::thread::panicking().then(|| Instant::now() + LEAST);
        found.lost = true;
        found.settled = true;
        found.error = Some("the servers are not looked up any longer".to_owned());
        tell(&state, &shared);
    }
}

/// The server of an origin that is one.
fn fixed(origin: &Origin) -> Option<Place> {
    match origin {
        Origin::Server(target) => Some(target.clone().into()),
        Origin::Name { .. } | Origin::File(_) => None,
    }
}

/// Stores what is known.
fn tell(state: &State, shared: &Shared) {
    if let State::Following(found, ..) = state {
        shared.set_places(found.iter().flat_map(|found| found.places.clone()));
    }
}

/// What is looked at.
enum Source {
    Name { host: Arc<str>, port: u16, connector: Connector, refresh: Duration },
    File { path: PathBuf, seen: Option<Seen> },
}

/// What tells one state of a file from another (device, inode, size, and the time of its last change); or why it has none.
type Seen = Result<(u64, u64, u64, i64, i64), io::ErrorKind>;

impl Source {
    /// Looks again and again, as long as there is a channel.
    async fn watch(mut self, following: &FollowGuard, again: Arc<Notify>) {
        loop {
            let looked = Instant::now();
            let outcome = self.look().await;
            let Some(shared) = following.shared.upgrade() else { return };
            if let Some(outcome) = outcome {
                shared.discovery.found(following.index, outcome, &shared);
            }
            drop(shared);
            let interval = match &self {
                Self::Name { refresh, .. } => *refresh,
                Self::File { .. } => FILE_INTERVAL,
            };
            let hinted = async {
                again.notified().await;
                sleep_until(looked + LEAST).await;
            };
            tokio::select! {
                () = sleep_until(looked + interval.clamp(LEAST, LONGEST)) => {}
                () = hinted => {}
            }
        }
    }

    /// What is there now; `None` if nothing has changed.
    async fn look(&mut self) -> Option<Result<Vec<Place>, String>> {
        match self {
            Self::Name { host, port, connector, .. } => {
                let name = connector.resolve(host, *port).await;
                let place = |address: std::net::SocketAddr| Place {
                    target: Target::Tcp { host: address.ip().to_string(), port: address.port() },
                    name: Some(Arc::clone(host)),
                };
                Some(match name {
                    Ok(addresses) => Ok(addresses.into_iter().map(place).collect()),
                    Err(error) => Err(error.to_string()),
                })
            }
            Self::File { path, seen } => {
                let (file, known) = (path.clone(), *seen);
                // On a thread where a slow disk delays no call.
                let looked = tokio::task::spawn_blocking(move || read(&file, known)).await;
                let Ok(looked) = looked else {
                    return Some(Err(format!("{}: nobody could look at it", path.display())));
                };
                let (now, outcome) = looked?;
                *seen = Some(now);
                Some(outcome.map_err(|error| format!("{}: {error}", path.display())))
            }
        }
    }
}

/// The state of a file, and the servers in it; `None` if the state is known.
fn read(path: &Path, known: Option<Seen>) -> Option<(Seen, Result<Vec<Place>, String>)> {
    let stamp = |file: fs::Metadata| (file.dev(), file.ino(), file.size(), file.mtime(), file.mtime_nsec());
    // Taken before the file is read: a change that comes in between is seen at the next look.
    let seen = fs::metadata(path).map(stamp).map_err(|error| error.kind());
    (known != Some(seen)).then(|| (seen, text(path).and_then(|text| servers(&text))))
}

fn text(path: &Path) -> Result<String, String> {
    let mut text = String::new();
    let file = fs::File::open(path).map_err(|error| plain(&error))?;
    let read = file.take(MAX_FILE + 1).read_to_string(&mut text);
    match read {
        Ok(read) if read as u64 > MAX_FILE => Err(format!("it has more than {MAX_FILE} bytes")),
        Ok(_) => Ok(text),
        Err(error) => Err(plain(&error)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::net::SocketAddr;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::net::addr::PeerAddr;
    use crate::net::client::Resolver;
    use crate::server::rpc::Failure;
    use crate::server::rpc::Settings;
    use crate::server::rpc::client::servers::Servers;
    use crate::server::rpc::client::{Builder, Channel, Request, deadline_in};
    use crate::server::rpc::detached::Detached;
    use crate::server::rpc::testing::{Bench, ECHO, message};

    /// Servers by their address. Who has none is gone.
    #[derive(Clone, Default)]
    struct World(Arc<Mutex<HashMap<String, Bench>>>);

    impl World {
        fn add(&self, address: &str) -> Bench {
            self.0.lock().unwrap().entry(address.to_owned()).or_default().clone()
        }

        fn dial(&self, builder: Builder) -> Servers {
            let world = self.clone();
            let builder = builder.dial(move |target| {
                let bench = world.0.lock().unwrap().get(&target.to_string()).cloned();
                let io = bench.map(|bench| {
                    let (near, far) = tokio::io::duplex(1 << 16);
                    let server = Detached::of(Arc::new(bench), Settings::default());
                    tokio::spawn(async move { server.serve(far, PeerAddr::Unix).await });
                    near
                });
                async { io.ok_or_else(|| io::ErrorKind::ConnectionRefused.into()) }
            });
            builder.serving(Arc::new(Bench::default()))
        }
    }

    /// What a name leads to, and how often it was looked up.
    #[derive(Clone, Default)]
    struct Names(Arc<Mutex<Vec<&'static str>>>, Arc<AtomicUsize>);

    impl Names {
        fn lead_to(&self, addresses: &[&'static str]) {
            *self.0.lock().unwrap() = addresses.to_vec();
        }

        fn looks(&self) -> usize {
            self.1.load(Ordering::SeqCst)
        }

        fn connector(&self) -> Connector {
            let names = self.clone();
            Connector::new().resolver(Resolver::new(move |_, _| {
                names.1.fetch_add(1, Ordering::SeqCst);
                let found = names.0.lock().unwrap().clone();
                async move {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    let addresses = found.iter().map(|address| address.parse::<SocketAddr>().unwrap());
                    if found.is_empty() {
                        Err(io::Error::other("Try again"))
                    } else {
                        Ok(addresses.collect())
                    }
                }
            }))
        }
    }

    async fn ask(channel: &Servers) -> Result<(), Failure> {
        let call = crate::proto::rpc::frame::Call { method: ECHO, ..Default::default() };
        let (begun, deadline) = (Instant::now(), deadline_in(Duration::from_secs(10)));
        channel
            .call(&Request { call, message: message("?"), method: None, idempotent: true, begun, deadline })
            .await
            .map(|_| ())
    }

    /// So many calls of 20 that each of the servers gets.
    async fn shares(channel: &Servers, servers: &[&Bench]) -> Vec<usize> {
        let count = || servers.iter().map(|server| server.begun.load(Ordering::SeqCst)).collect::<Vec<_>>();
        let before = count();
        for _ in 0..20 {
            ask(channel).await.unwrap();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        count().iter().zip(before).map(|(after, before)| after - before).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn the_addresses_of_a_name_are_servers_and_are_looked_up_again() {
        let (world, names) = (World::default(), Names::default());
        let [one, two, three] = ["10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1"].map(|address| world.add(address));
        names.lead_to(&["10.0.0.1:1", "10.0.0.2:1"]);
        let channel = world.dial(Channel::to(["dns:a.test:1"]).unwrap().connector(names.connector()));
        assert_eq!(names.looks(), 0, "nobody has called");
        let all = [&one, &two, &three];
        let got = shares(&channel, &all).await;
        assert!(got[0] > 0 && got[1] > 0 && got[2] == 0, "{got:?}");
        assert_eq!(names.looks(), 1);
        names.lead_to(&["10.0.0.3:1"]);
        tokio::time::sleep(REFRESH).await;
        assert_eq!(shares(&channel, &all).await, [0, 0, 20]);
        // Nobody knows the name any more: who is known is kept.
        names.lead_to(&[]);
        tokio::time::sleep(REFRESH * 3).await;
        assert_eq!(shares(&channel, &all).await, [0, 0, 20]);
        let looks = names.looks();
        drop(channel);
        tokio::time::sleep(REFRESH * 3).await;
        assert_eq!(names.looks(), looks, "who has no channel follows nothing");
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_fails_has_its_name_looked_up_at_once_and_once_a_second() {
        let (world, names) = (World::default(), Names::default());
        names.lead_to(&["10.0.0.1:1"]);
        let channel = world.dial(Channel::to(["dns:a.test:1"]).unwrap().connector(names.connector()));
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(20) {
            ask(&channel).await.unwrap_err();
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert!((10..=21).contains(&names.looks()), "{} looks in 20 s", names.looks());
        let two = world.add("10.0.0.2:1");
        names.lead_to(&["10.0.0.2:1"]);
        // The next look may come between two attempts of this call already.
        let soon = usize::from(ask(&channel).await.is_ok());
        tokio::time::sleep(Duration::from_secs(2)).await;
        ask(&channel).await.unwrap();
        assert_eq!(two.begun.load(Ordering::SeqCst), 1 + soon);
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_that_is_not_to_be_looked_up_by_itself_is_followed_all_the_same() {
        let (world, names) = (World::default(), Names::default());
        world.add("10.0.0.1:1");
        names.lead_to(&["10.0.0.1:1"]);
        let builder = Channel::to(["dns:a.test:1"]).unwrap().connector(names.connector());
        let channel = world.dial(builder.refresh(Duration::MAX));
        ask(&channel).await.unwrap();
        tokio::time::sleep(REFRESH * 3).await;
        assert_eq!((names.looks(), channel.0.discovery.error()), (1, None));
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_that_is_not_known_yet_fails_calls_until_it_is() {
        let (world, names) = (World::default(), Names::default());
        let one = world.add("10.0.0.1:1");
        let channel = world.dial(Channel::to(["dns:a.test:1"]).unwrap().connector(names.connector()));
        assert_eq!(
            ask(&channel).await.unwrap_err().to_string(),
            "unavailable: cannot resolve a.test: try again"
        );
        names.lead_to(&["10.0.0.1:1"]);
        ask(&channel).await.unwrap_err();
        tokio::time::sleep(Duration::from_secs(2)).await;
        ask(&channel).await.unwrap();
        assert_eq!(one.begun.load(Ordering::SeqCst), 1);
        // Servers that are told are all there are.
        world.add("10.0.0.9:1");
        channel.set_targets(["10.0.0.9:1".parse().unwrap()]);
        tokio::time::sleep(REFRESH * 2).await;
        ask(&channel).await.unwrap();
        assert_eq!(one.begun.load(Ordering::SeqCst), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_is_followed_however_it_is_changed() {
        let world = World::default();
        let [one, two, fixed] =
            ["one.test:1", "two.test:1", "fixed.test:1"].map(|address| world.add(address));
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("servers");
        fs::write(&path, "# ours\none.test:1\n").unwrap();
        let origin = format!("file:{}", path.display());
        let channel = world.dial(Channel::to([&origin]).unwrap());
        let all = [&one, &two, &fixed];
        assert_eq!(shares(&channel, &all).await, [20, 0, 0]);
        let look = || tokio::time::sleep(FILE_INTERVAL * 3);
        let other = dir.path().join("servers.new");
        fs::write(&other, "two.test:1\n").unwrap();
        fs::rename(&other, &path).unwrap();
        look().await;
        assert_eq!(shares(&channel, &all).await, [0, 20, 0], "renamed");
        for nonsense in ["", "what is this\n"] {
            fs::write(&path, nonsense).unwrap();
            look().await;
            assert_eq!(shares(&channel, &all).await, [0, 20, 0], "{nonsense:?}");
        }
        fs::remove_file(&path).unwrap();
        look().await;
        assert_eq!(shares(&channel, &all).await, [0, 20, 0], "removed");
        fs::write(&path, "one.test:1 # again\n").unwrap();
        look().await;
        assert_eq!(shares(&channel, &all).await, [20, 0, 0], "written");
        let missing = format!("file:{}", dir.path().join("nothing").display());
        let channel = world.dial(Channel::to([&missing]).unwrap());
        let failure = ask(&channel).await.unwrap_err().to_string();
        assert!(failure.ends_with("/nothing: no such file or directory"), "{failure}");
        let channel = world.dial(Channel::to([missing.as_str(), "fixed.test:1"]).unwrap());
        assert_eq!(shares(&channel, &all).await, [0, 0, 20]);
    }

    #[test]
    fn a_channel_outlives_the_runtime_that_it_was_first_called_on() {
        let (world, names) = (World::default(), Names::default());
        let one = world.add("10.0.0.1:1");
        names.lead_to(&["10.0.0.1:1"]);
        let channel = world.dial(Channel::to(["dns:a.test:1"]).unwrap().connector(names.connector()));
        let runtime =
            || tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        // It ends in the middle of the first look.
        let short = async { tokio::time::timeout(Duration::from_millis(5), ask(&channel)).await };
        runtime().block_on(short).unwrap_err();
        for calls in 1..=3 {
            runtime().block_on(ask(&channel)).unwrap();
            assert_eq!(one.begun.load(Ordering::SeqCst), calls);
            assert_eq!(names.looks(), 1 + calls, "each runtime that connects follows the name");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_resolver_that_panics_fails_calls_and_is_asked_again_later() {
        let world = World::default();
        world.add("10.0.0.1:1");
        let looks = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&looks);
        let connector = Connector::new().resolver(Resolver::new(move |_, _| {
            let first = count.fetch_add(1, Ordering::SeqCst) == 0;
            async move {
                assert!(!first, "as a user's function may");
                Ok(vec!["10.0.0.1:1".parse::<SocketAddr>().unwrap()])
            }
        }));
        let channel = world.dial(Channel::to(["dns:a.test:1"]).unwrap().connector(connector));
        let failure = ask(&channel).await.unwrap_err().to_string();
        assert_eq!(failure, "unavailable: the servers are not looked up any longer");
        assert_eq!(looks.load(Ordering::SeqCst), 1, "not again at once");
        tokio::time::sleep(LEAST).await;
        ask(&channel).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_known_server_is_tried_again_while_a_name_is_still_looked_up() {
        let world = World::default();
        let connector = Connector::new().resolver(Resolver::new(|_, _| std::future::pending()));
        let channel =
            world.dial(Channel::to(["known.test:1", "dns:slow.test:1"]).unwrap().connector(connector));
        let begun = Instant::now();
        let calling = ask(&channel);
        let starting = async {
            tokio::time::sleep(Duration::from_millis(10)).await;
            world.add("known.test:1");
        };
        let (outcome, ()) = tokio::join!(calling, starting);
        outcome.unwrap();
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    }
}
