//! Layers around methods of every kind, over real connections.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::sync::Notify;

use super::*;
use crate::net::bucket::Rate;
use crate::net::client::Connector;
use crate::net::resilience::retry;
use crate::net::service::service_fn;
use crate::net::tls::{CertPair, ClientAuth, ClientTls, ClientTlsConfig, Trust};
use crate::server::process::Running;
use crate::server::rpc::client::Policies;
use crate::server::rpc::health::{Condition, HealthClient, Whose};
use crate::server::rpc::{Advice, Channel, Metadata, Reach, Requests, ResponseStream, Services};
use crate::service;

service! {
    /// A method of each kind.
    service Kinds as KindsClient in kinds {
        /// The number and one.
        1 => unary next(u32) -> u32;
        /// The numbers below.
        2 => server_stream below(u32) -> u32;
        /// The sum of all.
        3 => client_stream sum(u32) -> u32;
        /// The same again.
        4 => bidi echo(u32) -> u32;
        /// Never answers.
        5 => unary hang(()) -> ();
    }
}

struct Plain;

impl Kinds for Plain {
    async fn next(&self, _: Context, number: u32) -> Result<u32, Status> {
        match number {
            u32::MAX => Err(Status::new(Code::OutOfRange, "too large").advice(Advice::NotProcessed)),
            number => Ok(number + 1),
        }
    }

    async fn below(&self, _: Context, number: u32) -> Result<ResponseStream<u32>, Status> {
        Ok(futures_util::stream::iter(0..number).map(Ok).boxed())
    }

    async fn sum(&self, _: Context, mut numbers: Requests<u32>) -> Result<u32, Status> {
        let mut sum = 0;
        while let Some(number) = numbers.next().await {
            sum += number?;
        }
        Ok(sum)
    }

    async fn echo(&self, _: Context, numbers: Requests<u32>) -> Result<ResponseStream<u32>, Status> {
        Ok(numbers.boxed())
    }

    async fn hang(&self, _: Context, (): ()) -> Result<(), Status> {
        std::future::pending().await
    }
}

fn serve(services: Services) -> (Running, KindsClient) {
    let running = services.server().unwrap().listen("127.0.0.1:0").threads(1).start().unwrap();
    let address = running.tcp().unwrap().to_string();
    let client = KindsClient::new(Channel::to([address]).unwrap().policies(Policies::default()).lazy());
    (running, client)
}

async fn use_all(client: &KindsClient) {
    assert_eq!(client.next(1).await.unwrap(), 2);
    let below: Vec<_> = client.below(3).await.unwrap().map(Result::unwrap).collect().await;
    assert_eq!(below, [0, 1, 2]);
    let mut sum = client.sum().await.unwrap();
    for number in [1, 2] {
        sum.send(&number).await.unwrap();
    }
    assert_eq!(sum.finish().await.unwrap(), 3);
    let mut echo = client.echo().await.unwrap();
    echo.send(&7).await.unwrap();
    assert_eq!(echo.next().await.unwrap().unwrap(), 7);
    echo.finish();
    assert!(echo.next().await.is_none());
}

#[tokio::test]
async fn a_layer_goes_around_calls_of_every_kind_and_those_added_later_around_it() {
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let note = |name: &'static str| {
        let seen = Arc::clone(&seen);
        move |next: Next| {
            let seen = Arc::clone(&seen);
            service_fn(move |incoming: Incoming| {
                let (seen, method) = (Arc::clone(&seen), incoming.method.name);
                seen.lock().unwrap().push(format!("{name} > {method}"));
                async move {
                    let answer = next.call(incoming).await;
                    seen.lock().unwrap().push(format!("{name} < {method} {}", answer.status.code));
                    answer
                }
            })
        }
    };
    let services = kinds::serve(Plain).layer(note("inner")).layer(note("outer")).health();
    let (_running, client) = serve(services);
    use_all(&client).await;
    for method in ["next", "below", "sum", "echo"] {
        let lines = [
            format!("outer > {method}"),
            format!("inner > {method}"),
            format!("inner < {method} ok"),
            format!("outer < {method} ok"),
        ];
        let seen: Vec<_> =
            seen.lock().unwrap().iter().filter(|line| line.contains(method)).cloned().collect();
        assert_eq!(seen, lines);
    }
    assert!(!seen.lock().unwrap().iter().any(|line| line.contains("check")), "health came later");
}

#[tokio::test]
async fn what_is_refused_never_reaches_its_handler_and_what_is_changed_does() {
    let services = kinds::serve(Plain).intercept(|incoming| {
        assert_eq!(incoming.method.service, "Kinds");
        let told = incoming.context.metadata.text("key") == Some("open");
        told.then_some(())
            .ok_or_else(|| Status::new(Code::PermissionDenied, "no key").advice(Advice::NotProcessed))
    });
    let (_running, client) = serve(services);
    let once = || Metadata::new().with("key", "open").unwrap();
    let failed = client.next(1).await.unwrap_err();
    assert_eq!(failed.status.code, Code::PermissionDenied);
    assert_eq!(failed.reach, Reach::Never, "a layer can say that no handler has seen it");
    assert!(failed.attempts > 1, "and then even what must not be done twice is tried again");
    assert_eq!(client.next(1).metadata(once()).await.unwrap(), 2);
    let failed = client.below(3).await.map(drop).unwrap_err();
    assert_eq!(failed.status.code, Code::PermissionDenied);
    let sum = client.sum().await.unwrap();
    assert_eq!(sum.finish().await.unwrap_err().status.code, Code::PermissionDenied);
    // A handler cannot.
    let failed = client.next(u32::MAX).metadata(once()).await.unwrap_err();
    assert_eq!((failed.status.code, failed.reach), (Code::OutOfRange, Reach::Answered));
}

#[tokio::test]
async fn an_answer_stays_whole_whatever_a_layer_makes_of_it() {
    // Turns good and bad about.
    let services = kinds::serve(Plain).layer(|next: Next| {
        service_fn(move |incoming: Incoming| async move {
            let mut answer = next.call(incoming).await;
            let good = answer.status.is_ok();
            answer.status = if good { Status::new(Code::Aborted, "turned") } else { Status::ok() };
            answer
        })
    });
    let (_running, client) = serve(services);
    for (number, code) in [(1, Code::Aborted), (u32::MAX, Code::Internal)] {
        assert_eq!(client.next(number).await.unwrap_err().status.code, code);
    }
    let mut below = client.below(1).await.unwrap();
    assert_eq!(below.next().await.unwrap().unwrap(), 0);
    assert_eq!(below.next().await.unwrap().unwrap_err().status.code, Code::Aborted);
}

#[tokio::test]
async fn what_a_layer_holds_is_dropped_with_a_call_that_is_given_up() {
    struct Held(Arc<AtomicUsize>, Arc<Notify>);
    impl Drop for Held {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
            self.1.notify_one();
        }
    }
    let (held, changed) = (Arc::<AtomicUsize>::default(), Arc::<Notify>::default());
    let (count, notify) = (Arc::clone(&held), Arc::clone(&changed));
    let services = kinds::serve(Plain).layer(move |next: Next| {
        let (count, notify) = (Arc::clone(&count), Arc::clone(&notify));
        service_fn(move |incoming: Incoming| {
            count.fetch_add(1, Ordering::SeqCst);
            notify.notify_one();
            let guard = Held(Arc::clone(&count), Arc::clone(&notify));
            async move {
                let answer = next.call(incoming).await;
                drop(guard);
                answer
            }
        })
    });
    let (_running, client) = serve(services);
    let hanging = tokio::spawn(async move { client.hang(()).await });
    let wait_for = async |number| {
        while held.load(Ordering::SeqCst) != number {
            changed.notified().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait_for(1)).await.unwrap();
    hanging.abort();
    tokio::time::timeout(Duration::from_secs(20), wait_for(0)).await.unwrap();
}

/// Waits for what another thread does.
async fn until(done: impl Fn() -> bool) {
    let wait = async {
        while !done() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.unwrap();
}

/// A client that makes each call once.
fn once(running: &Running) -> KindsClient {
    let retry = retry::Policy { attempts: 1, ..retry::Policy::DEFAULT };
    let policies = Policies { retry, ..Policies::default() };
    let address = running.tcp().unwrap().to_string();
    KindsClient::new(Channel::to([address]).unwrap().policies(policies).lazy())
}

#[tokio::test]
async fn a_peer_that_calls_too_often_is_told_when_to_come_back() {
    let limit = RateLimit::new(Rate::new(0.5, 3).unwrap());
    let services = kinds::serve(Plain).layer(limit.clone()).health();
    let (running, patient) = serve(services);
    let client = once(&running);
    for number in 0..3 {
        client.next(number).await.unwrap();
    }
    let failed = client.next(0).await.unwrap_err();
    assert_eq!(failed.to_string(), "resource_exhausted: too many calls a second");
    let Advice::Later(wait) = failed.status.advice else { panic!("{failed:?}") };
    assert!(wait > Duration::ZERO && wait <= Duration::from_secs(2), "{wait:?}");
    assert_eq!((failed.reach, limit.refused()), (Reach::Never, 1));
    // What must not be done twice is tried again too, as it was not done; and whoever asks for the health is not counted.
    assert_eq!(patient.next(1).await.unwrap(), 2);
    assert!(limit.refused() >= 2);
    let health = Channel::to([running.tcp().unwrap().to_string()]).unwrap().lazy();
    for _ in 0..10 {
        let whose = Whose { service: String::new() };
        assert_eq!(HealthClient::new(health.clone()).check(whose).await.unwrap(), Condition::Serving);
    }
}

#[tokio::test]
async fn a_server_with_too_much_to_do_says_so_and_goes_on_reading() {
    let limit = CallLimit::new(2);
    let services = kinds::serve(Plain).layer(limit.clone()).health();
    let (running, patient) = serve(services);
    let client = once(&running);
    let hang = || {
        tokio::spawn({
            let client = client.clone();
            async move { client.hang(()).await }
        })
    };
    let hanging = [hang(), hang()];
    until(|| limit.at_work() == 2).await;
    for refusal in 1..=20 {
        let failed = client.next(1).await.unwrap_err();
        assert_eq!(failed.to_string(), "resource_exhausted: the server is busy");
        assert!(matches!(failed.status.advice, Advice::Later(wait) if wait >= Duration::from_millis(15)));
        assert_eq!((failed.reach, limit.refused(), limit.at_work()), (Reach::Never, refusal, 2));
    }
    let health = Channel::to([running.tcp().unwrap().to_string()]).unwrap().lazy();
    let whose = Whose { service: String::new() };
    assert_eq!(HealthClient::new(health).check(whose).await.unwrap(), Condition::Serving);
    // A place that is free again is given to who comes back.
    let comes_back = tokio::spawn(async move { patient.next(1).await });
    until(|| limit.refused() > 20).await;
    hanging.iter().for_each(tokio::task::JoinHandle::abort);
    assert_eq!(comes_back.await.unwrap().unwrap(), 2);
    until(|| limit.at_work() == 0).await;
}

#[tokio::test]
async fn a_peer_with_a_certificate_is_counted_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, params.self_signed(&key).unwrap().pem()).unwrap();
    let issuer = Issuer::new(params, key);
    let sign = |name: &str| {
        let key = KeyPair::generate().unwrap();
        let signed = CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
        let path = |kind: &str| folder.path().join(format!("{name}-{kind}.pem"));
        let pair = CertPair { cert: path("cert"), key: path("key") };
        std::fs::write(&pair.cert, signed.pem()).unwrap();
        std::fs::write(&pair.key, key.serialize_pem()).unwrap();
        pair
    };
    let own = sign("localhost");
    let services = kinds::serve(Plain).layer(RateLimit::new(Rate::new(0.001, 2).unwrap()));
    let server = services.server().unwrap().listen("127.0.0.1:0").threads(1).tls(&own.cert, &own.key);
    let running = server.tls_client_auth(ClientAuth::Required(ca.clone())).start().unwrap();
    let port = running.tcp().unwrap().port();
    // Both come from one address; a name counts whatever the connection and the certificate.
    let client = |pair: CertPair| {
        let config = ClientTlsConfig { trust: Trust::SystemAnd(ca.clone()), certificate: Some(pair) };
        let connector = Connector::new().trusting(ClientTls::new(&config).unwrap());
        let retry = retry::Policy { attempts: 1, ..retry::Policy::DEFAULT };
        let builder = Channel::to([format!("localhost:{port}")]).unwrap().tls().connector(connector);
        KindsClient::new(builder.policies(Policies { retry, ..Policies::default() }).lazy())
    };
    let renewed = client(sign("ada.test"));
    for (client, good) in [
        (client(sign("ada.test")), true),
        (client(sign("ada.test")), true),
        (renewed, false),
        (client(sign("bob.test")), true),
    ] {
        let code = client.next(1).await.map(drop).map_err(|failure| failure.status.code);
        assert_eq!(code, if good { Ok(()) } else { Err(Code::ResourceExhausted) });
    }
}
