//! Two nodes of one chat that look like one server: the first client is on one of them, the second on the other, and so on.
//!
//! What is done on one node is known on the other a moment later. Checks that were written for one server ask at once, so a client waits before it asks until its node has
//! heard all that was done on the other: somebody there says something and types, to somebody here. What nodes tell each other has an order, so all the rest has come before.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::json;
use tempfile::TempDir;

use super::client::Client;
use crate::support::command::wireworks;
use crate::support::nats::Nats;
use crate::support::postgres::{self, Server as Postgres};
use crate::support::process::Process;

/// The room of those who tell that nodes know the same: nobody sees it.
const ROOM: &str = "#in-step";

/// A store and a bus, for one pair after the other.
pub(crate) struct Ground {
    store: Postgres,
    nats: Nats,
    databases: AtomicUsize,
}

impl Ground {
    #[track_caller]
    pub(crate) fn start() -> Self {
        Self { store: Postgres::start(), nats: Nats::start(), databases: AtomicUsize::new(0) }
    }

    /// Two nodes of a new chat.
    #[track_caller]
    pub(crate) fn pair(&self, args: &[&str]) -> Pair {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        self.store.sql(&format!("CREATE DATABASE chat{number}"));
        let url = self.store.url();
        let store = format!("{}/chat{number}", url.rsplit_once('/').unwrap().0);
        let nodes = [(); 2].map(|()| Node::start(&store, &self.nats.url(), args));
        let steps = Arc::new(Mutex::new(Steps::begin(&nodes)));
        Pair { nodes, steps, store, clients: AtomicUsize::new(0) }
    }
}

/// Two nodes.
pub(crate) struct Pair {
    nodes: [Node; 2],
    steps: Arc<Mutex<Steps>>,
    store: String,
    clients: AtomicUsize,
}

/// A node.
struct Node {
    process: Process,
    addr: SocketAddr,
    _folder: TempDir,
}

impl Node {
    #[track_caller]
    fn start(store: &str, bus: &str, args: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data").display().to_string();
        let common = ["chat", "serve", "--listen", "127.0.0.1:0", "--data", &data];
        let mut process = wireworks(&[&common[..], &["--store", store, "--bus", bus], args].concat());
        let addr = process.address("chat");
        Self { process, addr, _folder: folder }
    }
}

impl Pair {
    /// A client that has been greeted, of one node or the other in turn.
    #[track_caller]
    pub(crate) fn client(&self) -> Client {
        let node = self.clients.fetch_add(1, Ordering::Relaxed) % 2;
        Client::connect(self.nodes[node].addr).in_step(self.step(node))
    }

    /// Where the IRC doors of the nodes are.
    #[track_caller]
    pub(crate) fn irc(&mut self) -> [SocketAddr; 2] {
        self.nodes.each_mut().map(|node| node.process.address("irc"))
    }

    /// Makes an account operate the server.
    #[track_caller]
    pub(crate) fn operates(&self, name: &str) {
        let changed = postgres::sql(
            &self.store,
            &format!("UPDATE accounts SET operator = true WHERE name = '{name}' RETURNING name"),
        );
        assert_eq!(changed, name);
    }

    /// The place of a client of a node.
    pub(crate) fn step(&self, node: usize) -> InStep {
        InStep { node, steps: Arc::clone(&self.steps) }
    }
}

/// A client's place in a pair.
pub(crate) struct InStep {
    node: usize,
    steps: Arc<Mutex<Steps>>,
}

impl InStep {
    /// The client is about to ask something.
    #[track_caller]
    pub(crate) fn asks(&self) {
        let mut steps = self.steps.lock().unwrap();
        steps.catch_up(self.node);
        steps.ahead[self.node] = true;
    }
}

/// How far nodes are.
struct Steps {
    /// One on each node, who tell each other.
    markers: [Client; 2],
    /// Whether something was done on a node that the other one may not know.
    ahead: [bool; 2],
    said: usize,
}

impl Steps {
    #[track_caller]
    fn begin(nodes: &[Node; 2]) -> Self {
        let mut markers = [0, 1].map(|node: usize| {
            let mut marker = Client::connect(nodes[node].addr);
            marker.asks(json!({"t": "guest", "name": format!("marker{node}")}));
            marker
        });
        markers[0].asks(json!({"t": "create", "room": ROOM, "kind": "private"}));
        // The node may not have heard of the other one yet.
        let invite = json!({"t": "invite", "room": ROOM, "name": "marker1"});
        while markers[0].tries(invite.clone())["t"] != "ok" {}
        markers[1].hears_a("invited");
        markers[1].asks(json!({"t": "join", "room": ROOM}));
        Self { markers, ahead: [true; 2], said: 0 }
    }

    /// Waits until a node knows all that was done on the other one.
    #[track_caller]
    fn catch_up(&mut self, node: usize) {
        if !std::mem::take(&mut self.ahead[1 - node]) {
            return;
        }
        self.said += 1;
        let text = format!("step {}", self.said);
        let there = &mut self.markers[1 - node];
        // What lasts and what does not go different ways.
        there.asks(json!({"t": "send", "room": ROOM, "text": text}));
        there.asks(json!({"t": "typing", "room": ROOM, "on": true}));
        let here = &mut self.markers[node];
        let (mut heard, mut typing) = (false, false);
        while !(heard && typing) {
            let event = here.hears();
            heard |= event["text"] == text.as_str();
            typing |= event["t"] == "typing";
        }
    }
}
