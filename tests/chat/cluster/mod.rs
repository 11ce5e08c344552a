//! One chat on two nodes, with a real PostgreSQL and a real NATS.

mod bench;
mod checks;
mod faults;
mod secured;
mod together;

use std::net::SocketAddr;

use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::client::Client;
use crate::support::command::wireworks;
use crate::support::nats::Nats;
use crate::support::postgres::Server as Postgres;
use crate::support::process::Process;

/// A store, a bus, and two nodes that share them.
struct Cluster {
    nodes: Vec<Node>,
    nats: Nats,
    store: Postgres,
}

/// A node.
struct Node {
    process: Process,
    addr: SocketAddr,
    metrics: SocketAddr,
    folder: TempDir,
}

impl Cluster {
    #[track_caller]
    fn start() -> Self {
        let (store, nats) = (Postgres::start(), Nats::start());
        let node = |_| Node::start("127.0.0.1:0", &store, &nats, tempfile::tempdir().unwrap());
        let nodes = (0..2).map(node).collect();
        Self { nodes, nats, store }
    }

    /// A client of a node.
    #[track_caller]
    fn client(&self, node: usize) -> Client {
        Client::connect(self.nodes[node].addr)
    }

    /// A client of a node, with a new account of this name.
    #[track_caller]
    fn account(&self, node: usize, name: &str) -> Client {
        let mut client = self.client(node);
        client.registers(name);
        client
    }

    /// A client of a node that goes on with an account.
    #[track_caller]
    fn again(&self, node: usize, token: &str) -> Client {
        let mut client = self.client(node);
        comes_in(&mut client, &json!({"t": "token", "token": token}));
        client
    }

    /// Kills a node as the system does when there is no memory left, and starts it again where it was.
    #[track_caller]
    fn kill(&mut self, node: usize) {
        let Node { process, addr, folder, .. } = self.nodes.remove(node);
        process.signal(Signal::KILL);
        drop(process.wait());
        self.nodes.insert(node, Node::start(&addr.to_string(), &self.store, &self.nats, folder));
    }
}

impl Node {
    #[track_caller]
    fn start(listen: &str, store: &Postgres, nats: &Nats, folder: TempDir) -> Self {
        let data = folder.path().join("data").display().to_string();
        let (store, bus) = (store.url(), nats.url());
        let args = ["chat", "serve", "--listen", listen, "--no-limits", "--data", &data];
        let shared = ["--store", &store, "--bus", &bus, "--metrics", "127.0.0.1:0"];
        let mut process = wireworks(&[&args[..], &shared].concat());
        let (addr, metrics) = (process.address("chat"), process.address("metrics"));
        Self { process, addr, metrics, folder }
    }
}

/// Somebody who reads a room, and says nothing there: each event has to be the one after that before.
struct Ear {
    client: Client,
    last: u64,
}

impl Ear {
    /// Comes into the room.
    #[track_caller]
    fn new(mut client: Client) -> Self {
        client.asks(json!({"t": "join", "room": "#a"}));
        let heard = client.has_heard();
        // Its own coming is among it.
        let last = heard.iter().filter_map(seq_of).max().unwrap();
        Self { client, last }
    }

    /// Comes back with what it has heard.
    #[track_caller]
    fn again(&mut self, addr: SocketAddr) {
        let token = self.client.token.clone();
        let mut client = Client::connect(addr);
        comes_in(&mut client, &json!({"t": "token", "token": token, "resume": {"#a": self.last}}));
        client.token = token;
        self.client = client;
    }

    /// Hears everything up to this event.
    #[track_caller]
    fn hears_up_to(&mut self, head: u64) {
        while self.last < head {
            let event = self.client.hears();
            if let Some(seq) = seq_of(&event) {
                assert_eq!(seq, self.last + 1, "{event}");
                self.last = seq;
            }
        }
    }
}

/// Logs in, as soon as the node has found its store again.
#[track_caller]
fn comes_in(client: &mut Client, request: &Value) {
    loop {
        let reply = client.tries(request.clone());
        if reply["t"] == "ok" {
            return;
        }
        assert_eq!(reply["code"], "store_away", "{reply}");
    }
}

/// The number of an event of the room.
fn seq_of(event: &Value) -> Option<u64> {
    let is_event = event["room"] == "#a" && event["id"].is_string();
    event["seq"].as_u64().filter(|_| is_event)
}
