//! Calls that handlers make to answer calls: what they inherit.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use wireworks::net::addr::PeerAddr;
use wireworks::proto::rpc::frame::Trace;
use wireworks::server::rpc::{Channel, Code, Context, Services, Settings, Status};
use wireworks::service;

service! {
    /// Waits, there or elsewhere.
    pub service Wait as WaitClient in wait {
        /// For so many milliseconds.
        1 => unary wait(u64) -> u64, idempotent;
    }
}

/// The time that was left of a call, and where it stood in a trace.
type Seen = (Duration, Option<Trace>);

/// The one behind: what it has seen of calls, and how many it is at work on.
#[derive(Clone, Default)]
struct Back {
    seen: Arc<Mutex<Vec<Seen>>>,
    at_work: Arc<AtomicUsize>,
}

/// Counts as long as it lives.
struct AtWork(Arc<AtomicUsize>);

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Wait for Back {
    async fn wait(&self, context: Context, millis: u64) -> Result<u64, Status> {
        self.seen.lock().unwrap().push((context.left(), context.trace.map(|trace| *trace)));
        self.at_work.fetch_add(1, Ordering::SeqCst);
        let _at_work = AtWork(Arc::clone(&self.at_work));
        tokio::time::sleep(Duration::from_millis(millis)).await;
        Ok(millis)
    }
}

/// How the one in front asks the other, for at most 30 s.
#[derive(Clone, Copy, Debug)]
enum Asks {
    /// As any handler does that awaits a call.
    Plainly,
    /// From a task of its own, which is told of the context.
    Within,
    /// From such a task, which is told nothing.
    Elsewhere,
    /// As no part of the call.
    Detached,
}

/// The one in front.
struct Front(WaitClient, Asks);

impl Wait for Front {
    async fn wait(&self, context: Context, millis: u64) -> Result<u64, Status> {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let limit = Duration::from_secs(30);
        let back = self.0.clone();
        let spawned = match self.1 {
            Asks::Plainly => {
                return back.wait(millis).timeout(limit).await.map_err(|failure| failure.status);
            }
            Asks::Detached => {
                return back.wait(millis).timeout(limit).detached().await.map_err(|failure| failure.status);
            }
            Asks::Within => {
                tokio::spawn(async move { back.wait(millis).timeout(limit).within(&context).await })
            }
            Asks::Elsewhere => tokio::spawn(async move { back.wait(millis).timeout(limit).await }),
        };
        spawned.await.unwrap().map_err(|failure| failure.status)
    }
}

/// A client of a server in the same process.
fn client(services: Services) -> WaitClient {
    let server = services.detached(Settings::default()).unwrap();
    let builder = Channel::to(["server:1"]).unwrap().dial(move |_| {
        let (near, far) = tokio::io::duplex(64 * 1024);
        let server = server.clone();
        tokio::spawn(async move { server.serve(far, PeerAddr::Unix).await });
        async { Ok(near) }
    });
    WaitClient::new(builder.lazy())
}

#[tokio::test(start_paused = true)]
async fn a_call_within_another_has_its_deadline_its_trace_and_its_end() {
    let back = Back::default();
    let front = client(wait::serve(Front(client(wait::serve(back.clone())), Asks::Plainly)));
    let trace = Trace { trace: [7; 16], span: [1; 8] };

    let call = front.wait(10).timeout(Duration::from_secs(5)).trace(trace);
    assert_eq!(call.await.unwrap(), 10);
    let (left, seen) = back.seen.lock().unwrap().pop().unwrap();
    assert!(
        (Duration::from_millis(3_800)..=Duration::from_secs(4)).contains(&left),
        "{left:?} of 5 s after one"
    );
    let seen = seen.unwrap();
    assert_eq!(seen.trace, trace.trace);
    assert!(seen.span != trace.span && seen.span != [0; 8], "{seen:?}");

    // The lesser of both: here it is the inner one's own.
    front.wait(10).timeout(Duration::from_secs(100)).await.unwrap();
    let (left, seen) = back.seen.lock().unwrap().pop().unwrap();
    assert!((Duration::from_secs(29)..=Duration::from_secs(30)).contains(&left), "{left:?}");
    assert_eq!(seen, None);

    // Whoever does not wait for the outer one waits for neither.
    let call = front.wait(60_000).timeout(Duration::from_secs(90));
    let given_up = tokio::time::timeout(Duration::from_secs(2), call).await;
    assert!(given_up.is_err());
    let ended = async {
        while back.at_work.load(Ordering::SeqCst) > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(1), ended).await.unwrap();

    // It ends in time at all three.
    let begun = tokio::time::Instant::now();
    let failure = front.wait(60_000).timeout(Duration::from_secs(3)).await.unwrap_err();
    assert_eq!(failure.status.code, Code::DeadlineExceeded);
    assert!(begun.elapsed() < Duration::from_millis(3_100));
    assert_eq!(back.at_work.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_no_part_of_another_has_its_own_deadline_and_trace() {
    let trace = Trace { trace: [7; 16], span: [1; 8] };
    for (asks, inherits) in
        [(Asks::Plainly, true), (Asks::Within, true), (Asks::Elsewhere, false), (Asks::Detached, false)]
    {
        let back = Back::default();
        let front = client(wait::serve(Front(client(wait::serve(back.clone())), asks)));
        front.wait(10).timeout(Duration::from_secs(5)).trace(trace).await.unwrap();
        let (left, seen) = back.seen.lock().unwrap().pop().unwrap();
        assert_eq!(left <= Duration::from_secs(4), inherits, "{asks:?}: {left:?} of 5 s after one");
        assert_eq!(seen.map(|seen| seen.trace), inherits.then_some(trace.trace), "{asks:?}");
    }
}
