use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use futures_util::future::join_all;

use super::attempt::{Request, deadline_in};
use super::endpoint::now;
use super::halves::halves;
use super::servers::Servers;
use super::*;
use crate::net::addr::PeerAddr;
use crate::net::client::Connector;
use crate::net::io::Io;
use crate::net::resilience::{backoff, breaker, budget, hedge};
use crate::proto::rpc::frame::Call;
use crate::proto::rpc::status::{Code, Status};
use crate::server::process::Running;
use crate::server::rpc::Settings;
use crate::server::rpc::caller::{Failure, Reach};
use crate::server::rpc::detached::Detached;
use crate::server::rpc::server::Server;
use crate::server::rpc::testing::{Bench, ECHO, FAIL, HANG, LATE, SUM, TALK, message};

mod calls;
mod connections;
mod streams;

/// A server on a port of its own, or on `port`, and that port.
fn serve(bench: &Bench, port: u16) -> (Running, u16) {
    let address = format!("127.0.0.1:{port}");
    let server = Server::of(Arc::new(bench.clone())).threads(1).drain_timeout(Duration::from_secs(5));
    let running = server.listen(&*address).start().unwrap();
    let port = running.tcp().unwrap().port();
    (running, port)
}

fn channel(ports: &[u16]) -> Servers {
    let targets = ports.iter().map(|port| format!("127.0.0.1:{port}"));
    let reconnect = backoff::Policy {
        growth: backoff::Growth::Fixed { wait: Duration::from_millis(20), jitter: backoff::Jitter::None },
        cap: Duration::from_secs(1),
    };
    let policies = Policies { reconnect, ..Policies::default() };
    Channel::to(targets).unwrap().policies(policies).serving(Arc::new(Bench::default()))
}

fn request(method: u16, text: &str) -> Request {
    Request {
        call: Call { method, ..Call::default() },
        message: message(text.to_owned()),
        method: None,
        idempotent: false,
        begun: tokio::time::Instant::now(),
        deadline: deadline_in(Duration::from_secs(10)),
    }
}

fn idempotent(method: u16, text: &str) -> Request {
    Request { idempotent: true, ..request(method, text) }
}

async fn ask(channel: &Servers, request: Request) -> Result<String, Failure> {
    let (message, _) = channel.call(&request).await?;
    Ok(String::from_utf8(message.bytes.to_vec()).unwrap())
}

/// Waits until so many handlers were begun.
async fn begun(bench: &Bench, handlers: usize) {
    while bench.begun.load(Ordering::SeqCst) < handlers {
        tokio::task::yield_now().await;
    }
}

/// Servers in the same process: a new one for each connection. And how many there were.
fn inside(targets: &[&str], policies: Policies) -> (Servers, Arc<Mutex<Vec<Detached>>>) {
    let servers: Arc<Mutex<Vec<Detached>>> = Arc::default();
    let dialed = Arc::clone(&servers);
    let builder = Channel::to(targets).unwrap().policies(policies).dial(move |_| {
        let (near, far) = tokio::io::duplex(1 << 16);
        let server = Detached::of(Arc::new(Bench::default()), Settings::default());
        dialed.lock().unwrap().push(server.clone());
        tokio::spawn(async move { server.serve(far, PeerAddr::Unix).await });
        async { Ok(near) }
    });
    (builder.serving(Arc::new(Bench::default())), servers)
}
