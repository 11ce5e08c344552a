//! What goes around the calls of a client, and what it counts.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use wireworks::net::addr::PeerAddr;
use wireworks::net::resilience::{backoff, breaker, budget, hedge};
use wireworks::net::service::Service;
use wireworks::proto::rpc::frame::Trace;
use wireworks::server::rpc::client::layer::{Begun, Next, Outbound};
use wireworks::server::rpc::client::{Builder, ClientMetrics, Policies};
use wireworks::server::rpc::observe::RpcMetrics;
use wireworks::server::rpc::{
    Channel, Code, Context, Failure, Metadata, Reach, Requests, ResponseStream, Settings, Status,
};
use wireworks::service;

service! {
    /// A method of each kind.
    pub service Kinds as KindsClient in kinds {
        /// The metadata called `who`.
        1 => unary who(()) -> String, idempotent;
        2 => server_stream many(u32) -> u32;
        3 => client_stream sum(u32) -> u32;
        4 => bidi echo(u32) -> u32;
        /// Fails so often.
        5 => unary flaky(u32) -> u32, idempotent;
        /// How many milliseconds are left.
        6 => unary left(()) -> u64;
        /// Never answered.
        7 => unary never(()) -> ();
        /// Answered after so many milliseconds.
        8 => unary slow(u64) -> (), idempotent;
    }
}

/// Who a call was from, by its metadata, and its trace.
type Seen = (String, Option<[u8; 16]>);

#[derive(Clone, Default)]
struct Answers {
    failed: Arc<AtomicUsize>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Answers {
    fn see(&self, context: &Context) -> String {
        let who = context.metadata.text("who").unwrap_or("nobody").to_owned();
        self.seen.lock().unwrap().push((who.clone(), context.trace.as_ref().map(|trace| trace.trace)));
        who
    }
}

impl Kinds for Answers {
    async fn who(&self, context: Context, (): ()) -> Result<String, Status> {
        Ok(self.see(&context))
    }

    async fn many(&self, context: Context, count: u32) -> Result<ResponseStream<u32>, Status> {
        self.see(&context);
        Ok(futures_util::stream::iter((0..count).map(Ok)).boxed())
    }

    async fn sum(&self, context: Context, mut numbers: Requests<u32>) -> Result<u32, Status> {
        self.see(&context);
        let mut sum = 0;
        while let Some(number) = numbers.next().await.transpose()? {
            sum += number;
        }
        Ok(sum)
    }

    async fn echo(&self, context: Context, numbers: Requests<u32>) -> Result<ResponseStream<u32>, Status> {
        self.see(&context);
        Ok(numbers.boxed())
    }

    async fn flaky(&self, _: Context, times: u32) -> Result<u32, Status> {
        let before = self.failed.fetch_add(1, Ordering::SeqCst);
        if before < times as usize { Err(Status::new(Code::Unavailable, "flaky")) } else { Ok(times) }
    }

    async fn left(&self, context: Context, (): ()) -> Result<u64, Status> {
        Ok(context.left().as_millis() as u64)
    }

    async fn never(&self, _: Context, (): ()) -> Result<(), Status> {
        std::future::pending().await
    }

    async fn slow(&self, _: Context, millis: u64) -> Result<(), Status> {
        tokio::time::sleep(Duration::from_millis(millis)).await;
        Ok(())
    }
}

/// A channel to such a server, by as many names as one likes; those that begin with `gone` lead nowhere.
fn builder(answers: &Answers, targets: &[&str]) -> Builder {
    let server = kinds::serve(answers.clone()).detached(Settings::default()).unwrap();
    Channel::to(targets).unwrap().dial(move |target| {
        let (near, far) = tokio::io::duplex(1 << 16);
        let gone = target.to_string().starts_with("gone");
        let server = server.clone();
        tokio::spawn(async move { server.serve(far, PeerAddr::Unix).await });
        async move { if gone { Err(std::io::ErrorKind::ConnectionRefused.into()) } else { Ok(near) } }
    })
}

/// Notes when a call comes and goes.
struct Noted {
    name: &'static str,
    notes: Arc<Mutex<Vec<String>>>,
    next: Next,
}

impl Service<Outbound> for Noted {
    type Res = Result<Begun, Failure>;

    async fn call(&self, call: Outbound) -> Self::Res {
        let (name, method) = (self.name, call.method.name);
        self.notes.lock().unwrap().push(format!("{name} {method}"));
        let outcome = self.next.call(call).await;
        let how = match &outcome {
            Ok(begun) if begun.trailers().is_some() => "answered",
            Ok(_) => "begun",
            Err(failure) => failure.status.code.name(),
        };
        self.notes.lock().unwrap().push(format!("{name} {method} {how}"));
        outcome
    }
}

#[tokio::test(start_paused = true)]
async fn layers_go_around_calls_of_every_kind_and_around_all_of_their_attempts() {
    let (answers, notes) = (Answers::default(), Arc::new(Mutex::new(Vec::new())));
    let layer = |name: &'static str| {
        let notes = Arc::clone(&notes);
        move |next: Next| Noted { name, notes: Arc::clone(&notes), next }
    };
    let bare = builder(&answers, &["one:1"]).lazy();
    let client = KindsClient::new(bare.clone().layer(layer("inner")).layer(layer("outer")));
    let noted = || std::mem::take(&mut *notes.lock().unwrap());
    client.who(()).await.unwrap();
    let expected = ["outer who", "inner who", "inner who answered", "outer who answered"];
    assert_eq!(noted(), expected);
    let mut many = client.many(2).await.unwrap();
    assert_eq!(noted(), ["outer many", "inner many", "inner many begun", "outer many begun"]);
    assert_eq!(many.next().await.unwrap().unwrap(), 0);
    let mut sum = client.sum().await.unwrap();
    assert_eq!(noted(), ["outer sum", "inner sum", "inner sum begun", "outer sum begun"]);
    sum.send(&42).await.unwrap();
    assert_eq!(sum.finish().await.unwrap(), 42);
    let mut echo = client.echo().await.unwrap();
    assert_eq!(noted(), ["outer echo", "inner echo", "inner echo begun", "outer echo begun"]);
    echo.send(&7).await.unwrap();
    assert_eq!(echo.next().await.unwrap().unwrap(), 7);
    // Three attempts are one call; and one that fails has its code.
    assert_eq!(client.flaky(2).await.unwrap(), 2);
    assert_eq!(noted(), ["outer flaky", "inner flaky", "inner flaky answered", "outer flaky answered"]);
    client.flaky(u32::MAX).await.unwrap_err();
    assert_eq!(noted(), ["outer flaky", "inner flaky", "inner flaky unavailable", "outer flaky unavailable"]);
    KindsClient::new(bare).who(()).await.unwrap();
    assert!(noted().is_empty(), "the channel without layers stays as it is");
}

#[tokio::test(start_paused = true)]
async fn a_function_can_change_a_call_of_any_kind_or_refuse_it() {
    let answers = Answers::default();
    let channel = builder(&answers, &["one:1"]).lazy().intercept(|mut call: Outbound| async move {
        tokio::time::sleep(Duration::from_secs(1)).await; // as who fetches a token
        if call.metadata.get("refuse").is_some() {
            return Err(Status::new(Code::PermissionDenied, "not that"));
        }
        let invalid = |error| Status::new(Code::Internal, format!("{error}"));
        call.metadata = call.metadata.with("who", call.method.name).map_err(invalid)?;
        call.trace = Some(Box::new(Trace { trace: [7; 16], span: [1; 8] }));
        call.deadline = tokio::time::Instant::now() + Duration::from_secs(3);
        Ok(call)
    });
    let client = KindsClient::new(channel);
    assert_eq!(client.who(()).await.unwrap(), "who");
    while client.many(1).await.unwrap().next().await.is_none() {}
    client.sum().await.unwrap().finish().await.unwrap();
    let mut echo = client.echo().await.unwrap();
    echo.finish();
    assert!(echo.next().await.is_none());
    let expected = ["who", "many", "sum", "echo"].map(|name| (name.to_owned(), Some([7; 16])));
    assert_eq!(*answers.seen.lock().unwrap(), expected);
    assert_eq!(client.left(()).await.unwrap(), 3000);
    let refuse = Metadata::new().with("refuse", "it").unwrap();
    let failure = client.who(()).metadata(refuse).await.unwrap_err();
    assert_eq!((failure.status.code, failure.reach), (Code::PermissionDenied, Reach::Never));
    assert_eq!((failure.attempts, answers.seen.lock().unwrap().len()), (0, 4));
}

#[tokio::test(start_paused = true)]
async fn a_channel_counts_its_calls_and_what_they_took() {
    let answers = Answers::default();
    let servers = RpcMetrics::new();
    let metrics = ClientMetrics::beside(servers.metrics());
    let shown = || servers.metrics().encode();
    let hedge =
        hedge::Policy { delay: hedge::Delay::Fixed(Duration::from_millis(50)), ..hedge::Policy::DEFAULT };
    let counting = |targets: &[&str]| builder(&answers, targets).count(metrics.clone());
    let client = KindsClient::new(counting(&["one:1"]).lazy());
    client.who(()).await.unwrap();
    assert_eq!(client.flaky(2).await.unwrap(), 2);
    let mut many = client.many(3).await.unwrap();
    assert!(!shown().contains("method=\"many\""), "it is not over");
    while many.next().await.transpose().unwrap().is_some() {}
    client.sum().await.unwrap().finish().await.unwrap();
    drop(client.echo().await.unwrap());
    tokio::time::timeout(Duration::from_millis(10), client.never(())).await.unwrap_err();
    let text = shown();
    for line in [
        r#"calls_total{service="Kinds",method="who",code="ok"} 1"#,
        r#"calls_total{service="Kinds",method="flaky",code="ok"} 1"#,
        r#"calls_total{service="Kinds",method="many",code="ok"} 1"#,
        r#"calls_total{service="Kinds",method="sum",code="ok"} 1"#,
        r#"calls_total{service="Kinds",method="echo",code="cancelled"} 1"#,
        r#"calls_total{service="Kinds",method="never",code="cancelled"} 1"#,
        r#"call_duration_seconds_count{service="Kinds",method="flaky"} 1"#,
        "attempts_total 8",
        r#"connections_total{outcome="opened"} 1"#,
        r#"endpoints{state="ready"} 1"#,
        r#"endpoints{state="failed"} 0"#,
        "hedges_total 0",
    ] {
        assert!(text.contains(&format!("wireworks_rpc_client_{line}\n")), "{line} is not in\n{text}");
    }
    // Another channel: one server that is not there, copies, and no budget for retries.
    let none = budget::Policy::Share { percent: 0, reserve: 0, window: Duration::from_secs(10) };
    let gone = KindsClient::new(counting(&["gone:1"]).lazy());
    gone.who(()).await.unwrap_err();
    let poor = Policies { budget: none, ..Policies::default() };
    let poor = KindsClient::new(counting(&["one:1"]).policies(poor).lazy());
    answers.failed.store(0, Ordering::SeqCst);
    poor.flaky(1).await.unwrap_err();
    let hedging = Policies { hedge: Some(hedge), ..Policies::default() };
    let hedging = KindsClient::new(counting(&["one:1", "two:1"]).policies(hedging).lazy());
    hedging.slow(70).await.unwrap();
    let text = shown();
    for line in ["retries_denied_total 1", "hedges_total 1", r#"endpoints{state="failed"} 1"#] {
        assert!(text.contains(&format!("wireworks_rpc_client_{line}\n")), "{line} is not in\n{text}");
    }
    assert!(!text.contains("rpc_client_connections_total{outcome=\"failed\"} 0"));
    drop((client, gone, poor, hedging, many));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(
        shown().contains("wireworks_rpc_client_endpoints{state=\"ready\"} 0\n"),
        "their channels are gone"
    );
}

#[tokio::test(start_paused = true)]
async fn servers_that_are_left_alone_are_counted() {
    let (answers, metrics) = (Answers::default(), ClientMetrics::new());
    let growth = backoff::Growth::Fixed { wait: Duration::from_secs(3600), jitter: backoff::Jitter::None };
    let open = backoff::Policy { growth, cap: Duration::from_secs(3600) };
    let breaker = breaker::Policy { consecutive: 2, open, ..breaker::Policy::DEFAULT };
    let policies = Policies { breaker, ..Policies::default() };
    let channel = builder(&answers, &["one:1", "two:1"]).policies(policies).count(metrics.clone()).lazy();
    let client = KindsClient::new(channel);
    for _ in 0..20 {
        client.flaky(u32::MAX).await.unwrap_err();
    }
    let text = metrics.metrics().encode();
    assert!(text.contains("wireworks_rpc_client_breaker_trips_total 2\n"), "{text}");
    assert!(text.contains("wireworks_rpc_client_endpoints{state=\"ejected\"} 2\n"), "{text}");
}
