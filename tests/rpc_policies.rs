//! What a channel does for some of its calls only, and what it asks of other servers when one does not know it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use wireworks::net::addr::PeerAddr;
use wireworks::net::resilience::retry;
use wireworks::server::rpc::client::{Builder, CallPolicy, Codes, Policies};
use wireworks::server::rpc::{Channel, Code, Context, Detached, Reach, Requests, Services, Settings, Status};
use wireworks::service;

/// The service as it was.
mod old {
    use super::*;

    service! {
        /// One method.
        pub service Shop as ShopClient in shop {
            1 => unary price(String) -> u64, idempotent;
            3 => unary stock(u32) -> u64;
        }
    }
}

service! {
    /// The service as it is.
    pub service Shop as ShopClient in shop {
        /// Fails with this code, so often.
        1 => unary price(String) -> u64, idempotent;
        /// New.
        2 => unary buy(String) -> u64;
        /// With another request than before.
        3 => unary stock(String) -> u64;
        /// New, too.
        4 => client_stream load(u64) -> u64;
        /// Never answered.
        5 => unary wait(()) -> (), idempotent;
    }
}

/// A server, which counts what its handlers see.
#[derive(Clone, Default)]
struct Counted {
    seen: Arc<AtomicUsize>,
    /// The failures before an answer.
    failures: Arc<AtomicUsize>,
    code: Option<Code>,
}

impl Counted {
    fn failing(code: Code, failures: usize) -> Self {
        Self { code: Some(code), failures: Arc::new(AtomicUsize::new(failures)), ..Self::default() }
    }

    fn answer(&self) -> Result<u64, Status> {
        self.seen.fetch_add(1, Ordering::SeqCst);
        let fails = |left: usize| left.checked_sub(1);
        match (self.code, self.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fails)) {
            (Some(code), Ok(_)) => Err(Status::new(code, "as it was told")),
            _ => Ok(7),
        }
    }
}

impl old::Shop for Counted {
    async fn price(&self, _: Context, _: String) -> Result<u64, Status> {
        self.answer()
    }

    async fn stock(&self, _: Context, _: u32) -> Result<u64, Status> {
        self.answer()
    }
}

impl Shop for Counted {
    async fn price(&self, _: Context, _: String) -> Result<u64, Status> {
        self.answer()
    }

    async fn buy(&self, _: Context, _: String) -> Result<u64, Status> {
        self.answer()
    }

    async fn stock(&self, _: Context, _: String) -> Result<u64, Status> {
        self.answer()
    }

    async fn load(&self, _: Context, mut numbers: Requests<u64>) -> Result<u64, Status> {
        self.answer()?;
        let mut sum = 0;
        while let Some(number) = numbers.next().await.transpose()? {
            sum += number;
        }
        Ok(sum)
    }

    async fn wait(&self, _: Context, (): ()) -> Result<(), Status> {
        std::future::pending().await
    }
}

/// A channel to such servers.
fn channel(servers: impl IntoIterator<Item = Services>) -> Builder {
    let servers = servers.into_iter().map(|services| services.detached(Settings::default()).unwrap());
    let servers: Vec<Detached> = servers.collect();
    let targets: Vec<String> = (1..=servers.len()).map(|port| format!("server:{port}")).collect();
    Channel::to(targets).unwrap().dial(move |target| {
        let number = target.to_string().rsplit_once(':').and_then(|(_, port)| port.parse::<usize>().ok());
        let server = servers.get(number.unwrap() - 1).cloned();
        let io = server.map(|server| {
            let (near, far) = tokio::io::duplex(1 << 16);
            tokio::spawn(async move { server.serve(far, PeerAddr::Unix).await });
            near
        });
        async { io.ok_or_else(|| std::io::ErrorKind::ConnectionRefused.into()) }
    })
}

#[tokio::test(start_paused = true)]
async fn what_one_server_does_not_know_is_asked_of_those_that_were_not_asked() {
    for hedged in [false, true] {
        let (aged, young) = (Counted::default(), Counted::default());
        let hedge = hedged.then_some(wireworks::net::resilience::hedge::Policy::DEFAULT);
        let policies = Policies { hedge, ..Policies::default() };
        let both = channel([old::shop::serve(aged.clone()), shop::serve(young.clone())]);
        let client = ShopClient::new(both.policies(policies).lazy());
        for round in 1..=50 {
            assert_eq!(client.buy("tea".into()).await.unwrap(), 7, "no such method there");
            assert_eq!(client.stock("tea".into()).await.unwrap(), 7, "another type there");
            let mut load = client.load().await.unwrap();
            load.send(&40).await.unwrap();
            load.send(&2).await.unwrap();
            assert_eq!(load.finish().await.unwrap(), 42, "a stream is said again");
            assert_eq!((aged.seen.load(Ordering::SeqCst), young.seen.load(Ordering::SeqCst)), (0, 3 * round));
        }
        let two = channel([old::shop::serve(aged.clone()), old::shop::serve(aged.clone())]);
        let one = channel([old::shop::serve(aged.clone())]);
        for (servers, builder) in [(2, two), (1, one)] {
            let client = ShopClient::new(builder.policies(policies).lazy());
            let begun = tokio::time::Instant::now();
            for _ in 0..5 {
                let failure = client.buy("tea".into()).await.unwrap_err();
                assert_eq!(
                    (failure.status.code, failure.attempts),
                    (Code::Unimplemented, servers),
                    "{failure}"
                );
                let failure = client.stock("tea".into()).await.unwrap_err();
                let expected = (Code::FailedPrecondition, servers);
                assert_eq!((failure.status.code, failure.attempts), expected, "{failure}");
                let failure = client.load().await.unwrap().finish().await.unwrap_err();
                assert_eq!(
                    (failure.status.code, failure.attempts),
                    (Code::Unimplemented, servers),
                    "{failure}"
                );
            }
            assert!(begun.elapsed() < Duration::from_secs(1), "it is told at once");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn when_nobody_else_can_be_asked_the_answer_is_what_was_answered() {
    // The other server is gone.
    let builder = channel([old::shop::serve(Counted::default())]);
    let channel = builder.lazy();
    channel.set_targets(["server:1".parse().unwrap(), "gone:9".parse().unwrap()]);
    let client = ShopClient::new(channel);
    let failure = client.buy("tea".into()).await.unwrap_err();
    assert_eq!((failure.status.code, failure.reach), (Code::Unimplemented, Reach::Never), "{failure}");
    assert_eq!(failure.attempts, 1);
}

#[tokio::test(start_paused = true)]
async fn calls_are_tried_again_after_the_codes_that_were_said() {
    let aborted = Codes::of(&[Code::Aborted]);
    let rows = [
        (Codes::UNAVAILABLE, Code::Unavailable, 3),
        (Codes::UNAVAILABLE, Code::Aborted, 1),
        (aborted, Code::Aborted, 3),
        (aborted, Code::Unavailable, 1),
        (Codes::of(&[Code::DeadlineExceeded]), Code::DeadlineExceeded, 3),
        (Codes::NONE, Code::Unavailable, 1),
    ];
    for (retryable, code, seen) in rows {
        let server = Counted::failing(code, usize::MAX);
        let policies = Policies { retryable, ..Policies::default() };
        let client = ShopClient::new(channel([shop::serve(server.clone())]).policies(policies).lazy());
        let failure = client.price("tea".into()).await.unwrap_err();
        let seen_by_it = server.seen.swap(0, Ordering::SeqCst);
        assert_eq!((failure.status.code, seen_by_it), (code, seen), "{retryable:?} {code}");
        // What may not be done twice is not, whatever the code.
        client.buy("tea".into()).await.unwrap_err();
        assert_eq!(server.seen.load(Ordering::SeqCst), 1, "{retryable:?} {code}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_method_and_a_service_have_policies_of_their_own() {
    let once = CallPolicy { retry: retry::Policy::NEVER, ..CallPolicy::default() };
    let five = retry::Policy { attempts: 5, ..retry::Policy::DEFAULT };
    let eager = CallPolicy { retry: five, retryable: Codes::of(&[Code::Aborted]), ..CallPolicy::default() };
    let hasty = CallPolicy { deadline: Some(Duration::from_millis(30)), ..CallPolicy::default() };
    let server = Counted::failing(Code::Aborted, 4);
    let builder = || channel([shop::serve(server.clone())]).service_policy("Shop", once);
    let client = ShopClient::new(builder().method_policy::<shop::price>(eager).lazy());
    assert_eq!(client.price("tea".into()).await.unwrap(), 7);
    assert_eq!(server.seen.swap(0, Ordering::SeqCst), 5);

    let server = Counted::failing(Code::Unavailable, 1);
    let builder = || channel([shop::serve(server.clone())]).service_policy("Shop", once);
    let client = ShopClient::new(builder().method_policy::<shop::wait>(hasty).lazy());
    client.price("tea".into()).await.unwrap_err();
    assert_eq!(server.seen.load(Ordering::SeqCst), 1, "the service's policy");
    let begun = tokio::time::Instant::now();
    let failure = client.wait(()).await.unwrap_err();
    assert_eq!((failure.status.code, begun.elapsed().as_millis()), (Code::DeadlineExceeded, 30));
    let failure = client.wait(()).timeout(Duration::from_millis(70)).await.unwrap_err();
    assert_eq!((failure.status.code, begun.elapsed().as_millis()), (Code::DeadlineExceeded, 100));
}
