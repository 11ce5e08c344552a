//! Limits on rates that balancers share over a real Redis.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Instant;

use rustix::process::Signal;

use super::Balancer;
use super::raw::Backend;
use crate::support::PATIENCE;
use crate::support::certificate::certificate;
use crate::support::process::Process;
use crate::support::tool::Tool;
use crate::support::wire::Wire;

/// A Redis at a Unix socket that keeps nothing on its disk.
fn redis(folder: &Path, more: &[&str]) -> Process {
    let socket = folder.join("redis.sock");
    let mut redis = Tool::new("redis-server")
        .args(["--save", "", "--appendonly", "no", "--daemonize", "no", "--dir"])
        .args([folder])
        .args(["--unixsocket".as_ref(), socket.as_os_str()]);
    redis = if more.is_empty() { redis.args(["--port", "0"]) } else { redis.args(more) };
    let mut redis = redis.start();
    redis.wait_for_stdout("eady to accept connections");
    redis
}

/// What Redis answers to a command.
#[track_caller]
fn asks(folder: &Path, command: &[&str]) -> String {
    let socket = folder.join("redis.sock");
    let cli = Tool::new("redis-cli").args(["-s".as_ref(), socket.as_os_str()]).args(command);
    cli.run().success().text().trim().to_owned()
}

/// A balancer with a limit of 80 requests for each value of `X-Key`, one of which comes back in an hour.
struct Node {
    balancer: Balancer,
    metrics: SocketAddr,
}

impl Node {
    #[track_caller]
    fn over(backend: &Backend, redis: &str) -> Self {
        let text = format!(
            "[process]\nthreads = 1\n[admin]\nmetrics = \"127.0.0.1:0\"\n[redis]\n{redis}\n\
             [[listener]]\nlisten = \"127.0.0.1:0\"\nto = \"web\"\n\
             limits = {{ requests = {{ rate = \"1/h\", burst = 80, by = \"header:x-key\", shared = true }} }}\n\
             [upstream.web]\nbackends = [\"{}\"]\n",
            backend.addr
        );
        let balancer = Balancer::parse(&text, |_| {});
        let found = balancer.running.addresses().iter().find(|address| address.server == "metrics").unwrap();
        let metrics = found.address.to_string().parse().unwrap();
        Self { balancer, metrics }
    }

    #[track_caller]
    fn metric(&self, name: &str) -> f64 {
        let mut wire = Wire::connect(self.metrics);
        wire.send("GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let response = wire.read_response();
        let line = format!("wireworks_balance_redis_{name} ");
        let value = response.text().lines().find_map(|found| found.strip_prefix(&line).map(str::to_owned));
        value.unwrap_or_else(|| panic!("{line}\n{}", response.text())).parse().unwrap()
    }

    /// Waits until Redis is there, or away.
    #[track_caller]
    fn wait_until(&self, there: bool) {
        let deadline = Instant::now() + PATIENCE;
        while self.metric("up") != f64::from(u8::from(there)) {
            assert!(Instant::now() < deadline, "is it there: {there}");
            std::thread::yield_now();
        }
    }

    #[track_caller]
    fn status(&self, key: &str) -> u16 {
        let response = self.balancer.get("/", &[&format!("X-Key: {key}")]);
        if response.status == 429 {
            let seconds: u64 = response.header("retry-after").unwrap().parse().unwrap();
            assert!((1..=3600).contains(&seconds), "{seconds}");
        }
        response.status
    }

    /// How many of so many requests are let through.
    #[track_caller]
    fn passed(&self, key: &str, requests: usize) -> usize {
        (0..requests).filter(|_| self.status(key) == 200).count()
    }
}

fn serving() -> Backend {
    Backend::start(|_, peer| peer.serve("ok"))
}

/// The lines of `[redis]` for a server in this folder. Its answers may take long on a machine that does much else.
fn at(folder: &Path) -> String {
    format!("url = \"unix://{}\"\ntimeout = \"1s\"", folder.join("redis.sock").display())
}

#[test]
fn two_balancers_share_one_limit() {
    let folder = tempfile::tempdir().unwrap();
    let _redis = redis(folder.path(), &[]);
    let backend = serving();
    let nodes = [(); 2].map(|()| Node::over(&backend, &at(folder.path())));
    nodes.iter().for_each(|node| node.wait_until(true));
    // In turns, and one after the other: what one holds in a lease is all that the other may lack.
    let turns: usize = (0..100).map(|_| nodes.iter().filter(|node| node.status("a") == 200).count()).sum();
    assert_eq!(turns, 80);
    let first = nodes[0].passed("b", 45);
    let second = nodes[1].passed("b", 100);
    assert_eq!(first, 45);
    assert!((25..=35).contains(&second), "{second}: a lease is an eighth of the burst");
    assert_eq!(nodes[0].passed("b", 100) + second, 35);
    // Most requests are counted without Redis, those that are refused too.
    let calls = nodes[0].metric("calls_total{outcome=\"granted\"}")
        + nodes[0].metric("calls_total{outcome=\"refused\"}");
    assert!(calls < 40.0, "{calls}");
    assert_eq!(nodes[0].metric("counted_alone_total"), 0.0);
    // The buckets are known by a digest of the field, and go away by themselves.
    let names = asks(folder.path(), &["keys", "*"]);
    let bucket = "wireworks:1.0.0:1/h+80:header:x-key:ca978112ca1bbdcafac231b39a23dc4d";
    assert!(names.lines().any(|name| name == bucket), "{names}");
    let left: u64 = asks(folder.path(), &["ttl", bucket]).parse().unwrap();
    assert!(left > 79 * 3600 && left <= 80 * 3600, "{left}");
}

#[test]
fn a_redis_that_dies_costs_no_request() {
    let folder = tempfile::tempdir().unwrap();
    let first = redis(folder.path(), &[]);
    let backend = serving();
    let nodes = [(); 2].map(|()| Node::over(&backend, &at(folder.path())));
    nodes.iter().for_each(|node| node.wait_until(true));
    assert_eq!(nodes[0].passed("a", 81), 80);
    assert_eq!(nodes[1].passed("a", 1), 0);
    drop(first);
    // Each counts for itself, at once.
    for node in &nodes {
        assert_eq!(node.passed("c", 81), 80);
        node.wait_until(false);
        assert_eq!(node.metric("counted_alone_total"), 81.0);
    }
    let _second = redis(folder.path(), &[]);
    nodes.iter().for_each(|node| node.wait_until(true));
    let passed: usize = (0..100).map(|_| nodes.iter().filter(|node| node.status("b") == 200).count()).sum();
    assert_eq!(passed, 80, "they share again");
    assert_eq!(nodes[0].metric("counted_alone_total"), 81.0);
}

#[test]
fn a_redis_that_is_silent_is_soon_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let redis = redis(folder.path(), &[]);
    let backend = serving();
    let node = Node::over(&backend, &at(folder.path()).replace("1s", "20ms"));
    node.wait_until(true);
    redis.signal(Signal::STOP);
    assert_eq!(node.passed("a", 50), 50);
    assert_eq!(node.metric("calls_total{outcome=\"timeout\"}"), 3.0, "the others have not asked");
    assert_eq!(node.metric("counted_alone_total"), 50.0);
    redis.signal(Signal::CONT);
    node.wait_until(true);
    assert_eq!(node.passed("b", 1), 1);
}

#[test]
fn over_tls_with_a_password() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| -> PathBuf { folder.path().join(name) };
    certificate(&file("cert.pem"), &file("key.pem"), "redis");
    let [cert, key] = ["cert.pem", "key.pem"].map(|name| file(name).display().to_string());
    // Redis takes a port by its number.
    let port = crate::support::port::free();
    let (number, secret) = (port.to_string(), "correct-horse");
    let tls = ["--port", "0", "--tls-port", &number, "--bind", "127.0.0.1", "--requirepass", secret];
    let files = ["--tls-cert-file", &cert, "--tls-key-file", &key, "--tls-ca-cert-file", &cert];
    let no_client = ["--tls-auth-clients", "no"];
    let _redis = redis(folder.path(), &[&tls[..], &files, &no_client].concat());
    let backend = serving();
    let url = |secret: &str| {
        format!(
            "url = \"rediss://:{secret}@localhost:{port}/1\"\nca = {cert:?}\ntimeout = \"1s\"\nprefix = \"mine\""
        )
    };
    let node = Node::over(&backend, &url(secret));
    node.wait_until(true);
    assert_eq!(node.passed("a", 81), 80);
    let names = asks(folder.path(), &["-a", secret, "--no-auth-warning", "-n", "1", "keys", "mine:1.0.0:*"]);
    assert_eq!(names.lines().count(), 1, "{names}");
    // With a wrong password it counts for itself.
    let other = Node::over(&backend, &url("wrong"));
    assert_eq!(other.passed("a", 81), 80);
    assert_eq!(other.metric("up"), 0.0);
}

#[test]
fn the_script_takes_what_there_is() {
    let folder = tempfile::tempdir().unwrap();
    let _redis = redis(folder.path(), &[]);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/server/balance/redis/lease.lua");
    let takes = |bucket: &str, step: &str, depth: &str, wanted: &str| -> (i64, i64) {
        let said =
            asks(folder.path(), &["--eval", script.to_str().unwrap(), bucket, ",", step, depth, wanted]);
        let numbers: Vec<_> = said.lines().map(|line| line.parse().unwrap()).collect();
        (numbers[0], numbers[1])
    };
    // A token an hour: nothing comes back while the test runs.
    let hour = "3600000000";
    for (wanted, taken) in [("3", 3), ("3", 2), ("3", 0)] {
        let (tokens, wait) = takes("slow", hour, "5", wanted);
        assert_eq!(tokens, taken);
        assert!(if taken > 0 { wait == 0 } else { wait > 3_500_000_000 && wait <= 3_600_000_000 }, "{wait}");
    }
    // A third of a microsecond each: all are back at once, and never more.
    for _ in 0..20 {
        assert_eq!(takes("fast", "0.333333333", "7", "100"), (7, 0));
    }
    // A bucket whose number lies far ahead, as after a clock was set back.
    asks(folder.path(), &["set", "ahead", "9000000000000000"]);
    let (tokens, wait) = takes("ahead", hour, "5", "1");
    assert!(tokens == 0 && wait <= 3_600_000_000, "{wait}");
}
