//! What is told of calls of every kind and every end.

use std::fs;
use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt;

use crate::proto::rpc::frame::{Call, Trace};
use crate::proto::rpc::session::Message;
use crate::server::lines::Target;
use crate::server::process::Running;
use crate::server::rpc::client::Request;
use crate::server::rpc::observe::{Format, RpcMetrics};
use crate::server::rpc::settings::Settings;
use crate::server::rpc::{Channel, Code, Context, Method, Requests, ResponseStream, Status};
use crate::service;

service! {
    /// A method of each kind.
    service Kinds as KindsClient in kinds {
        /// Fails with this code.
        1 => unary fail(u16) -> ();
        /// Numbers.
        2 => server_stream below(u32) -> u64;
        /// The sum of all.
        3 => client_stream sum(u32) -> u64;
        /// Never answers.
        4 => unary hang(()) -> ();
    }
}

struct Plain;

impl Kinds for Plain {
    async fn fail(&self, _: Context, code: u16) -> Result<(), Status> {
        if code == 0 { Ok(()) } else { Err(Status::new(Code::of(code), "as it was told")) }
    }

    async fn below(&self, _: Context, number: u32) -> Result<ResponseStream<u64>, Status> {
        Ok(futures_util::stream::iter(0..number).map(|number| Ok(u64::from(number))).boxed())
    }

    async fn sum(&self, _: Context, mut numbers: Requests<u32>) -> Result<u64, Status> {
        let mut sum = 0;
        while let Some(number) = numbers.next().await {
            sum += u64::from(number?);
        }
        Ok(sum)
    }

    async fn hang(&self, _: Context, (): ()) -> Result<(), Status> {
        std::future::pending().await
    }
}

/// A server that gives up calls after a time.
fn serve(metrics: &RpcMetrics, log: &Path, format: Format, longest: Duration) -> (Running, Channel) {
    let server = kinds::serve(Plain).server().unwrap().listen("127.0.0.1:0").threads(1);
    let settings = Settings { max_deadline: longest, ..Settings::default() };
    let server = server.settings(settings).count(metrics.clone());
    let running = server.access_log(format, Target::File(log.to_owned())).start().unwrap();
    let channel = Channel::to([running.tcp().unwrap().to_string()]).unwrap().lazy();
    (running, channel)
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

/// Makes calls of every kind, each with an end of its own.
async fn call_all(channel: &Channel) {
    let client = KindsClient::new(channel.clone());
    client.fail(0).await.unwrap();
    assert_eq!(client.fail(5).await.unwrap_err().status.code, Code::NotFound);
    let below: Vec<_> = client.below(3).await.unwrap().collect().await;
    assert_eq!(below.len(), 3);
    let mut sum = client.sum().await.unwrap();
    for number in 1..=4 {
        sum.send(&number).await.unwrap();
    }
    assert_eq!(sum.finish().await.unwrap(), 10);
    assert_eq!(client.hang(()).await.unwrap_err().status.code, Code::DeadlineExceeded);
    // One that there is not.
    let unknown = tokio::time::timeout(Duration::from_secs(20), unknown(channel)).await.unwrap();
    assert_eq!(unknown, Code::Unimplemented);
}

service! {
    /// Not served.
    service Absent as AbsentClient in absent {
        /// Nobody answers it.
        1 => unary call(()) -> ();
    }
}

async fn unknown(channel: &Channel) -> Code {
    AbsentClient::new(channel.clone()).call(()).await.unwrap_err().status.code
}

#[tokio::test]
async fn every_call_is_counted_once_with_what_it_said() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("calls.log");
    let metrics = RpcMetrics::new();
    let (running, channel) = serve(&metrics, &path, Format::Text, Duration::from_secs(1));
    call_all(&channel).await;
    drop(channel);
    tokio::task::spawn_blocking(|| running.stop()).await.unwrap().unwrap();
    let text = metrics.metrics().encode();
    let value = |name: &str| {
        let found = text.lines().find_map(|line| line.strip_prefix(&format!("wireworks_{name} ")));
        found.map(str::to_owned)
    };
    for (name, expected) in [
        (r#"rpc_calls_total{service="Kinds",method="fail",code="ok"}"#, "1"),
        (r#"rpc_calls_total{service="Kinds",method="fail",code="not_found"}"#, "1"),
        (r#"rpc_calls_total{service="Kinds",method="below",code="ok"}"#, "1"),
        (r#"rpc_calls_total{service="Kinds",method="hang",code="deadline_exceeded"}"#, "1"),
        (r#"rpc_messages_total{service="Kinds",method="below",direction="sent"}"#, "3"),
        (r#"rpc_message_bytes_total{service="Kinds",method="below",direction="sent"}"#, "24"),
        (r#"rpc_message_bytes_total{service="Kinds",method="below",direction="received"}"#, "4"),
        (r#"rpc_messages_total{service="Kinds",method="sum",direction="received"}"#, "4"),
        (r#"rpc_message_bytes_total{service="Kinds",method="sum",direction="received"}"#, "16"),
        (r#"rpc_messages_total{service="Kinds",method="sum",direction="sent"}"#, "1"),
        (r#"rpc_call_duration_seconds_count{service="Kinds",method="fail"}"#, "2"),
        ("rpc_calls_in_flight", "0"),
    ] {
        assert_eq!(value(name).as_deref(), Some(expected), "{name}\n{text}");
    }
    // The call to nobody was made once: nobody else would know the method either.
    let refusals: u64 = value(r#"rpc_refusals_total{reason="unimplemented"}"#).unwrap().parse().unwrap();
    let others = value(r#"rpc_calls_total{service="other",method="other",code="unimplemented"}"#).unwrap();
    assert_eq!((refusals.to_string(), refusals), (others, 1));
    // Whoever leaves first says so.
    let goaway = |direction| value(&format!("rpc_frames_total{{kind=\"goaway\",direction=\"{direction}\"}}"));
    assert!(goaway("sent").or(goaway("received")).is_some(), "{text}");

    let log = fs::read_to_string(&path).unwrap();
    let parts: Vec<Vec<&str>> = log.lines().map(|line| line.split(' ').collect()).collect();
    let of: Vec<_> =
        parts.iter().map(|line| (line[0], line[2], line[3], line[5], line[6], line[7], line[8])).collect();
    assert_eq!(
        of[..5],
        [
            ("127.0.0.1", "Kinds.fail", "ok", "2", "0", "0", "-"),
            ("127.0.0.1", "Kinds.fail", "not_found", "2", "0", "0", "-"),
            ("127.0.0.1", "Kinds.below", "ok", "4", "24", "0", "-"),
            ("127.0.0.1", "Kinds.sum", "ok", "16", "8", "0", "-"),
            ("127.0.0.1", "Kinds.hang", "deadline_exceeded", "0", "0", "0", "-"),
        ]
    );
    assert_eq!(of[5], ("127.0.0.1", "-", "unimplemented", "0", "0", "0", "-"));
    assert_eq!(of.len(), 6, "{log}");
    assert!(parts.iter().all(|line| line[4].ends_with("ms") && line[1].starts_with("[20")), "{log}");
    let hung: f64 = parts[4][4].trim_end_matches("ms").parse().unwrap();
    assert!((1_000.0..20_000.0).contains(&hung), "{hung}");
}

#[tokio::test]
async fn json_has_the_trace_too_and_who_has_gone_is_counted() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("calls.json");
    let metrics = RpcMetrics::new();
    let (running, channel) = serve(&metrics, &path, Format::Json, Duration::from_secs(60));
    let trace = Some(Box::new(Trace { trace: [0xab; 16], span: [1; 8] }));
    let call = Call {
        service: kinds::hang::service(),
        method: kinds::hang::DESCRIPTION.number,
        trace,
        ..Call::default()
    };
    let begun = tokio::time::Instant::now();
    let deadline = begun + Duration::from_secs(20);
    let request =
        Request { call, message: Message::default(), method: None, idempotent: false, begun, deadline };
    let pending = tokio::spawn(async move { channel.call(&request).await });
    let in_flight = || metrics.metrics().encode().contains("wireworks_rpc_calls_in_flight 1\n");
    until(in_flight).await;
    pending.abort();
    until(|| !in_flight()).await;
    tokio::task::spawn_blocking(|| running.stop()).await.unwrap().unwrap();
    let log = fs::read_to_string(&path).unwrap();
    let line: serde_json::Value = serde_json::from_str(&log).unwrap();
    for (name, expected) in [
        ("service", "Kinds"),
        ("method", "hang"),
        ("code", "cancelled"),
        ("trace_id", &"ab".repeat(16)),
        ("peer", "127.0.0.1"),
    ] {
        assert_eq!(line[name], expected, "{line}");
    }
}
