//! Backends that are found: by a name server of these tests, which changes its mind, fails and returns, and in files.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Instant;

use hickory_resolver::proto::op::{Message, OpCode, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, SRV};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};

use wireworks::server::balance::balancer;
use wireworks::server::balance::config::Config;

use super::Balancer;
use super::raw::Backend;
use crate::support::PATIENCE;

/// What is said of a name.
#[derive(Clone)]
enum Said {
    Records(Vec<RData>, u32),
    Code(ResponseCode),
    Nothing,
}

/// What is said of each name, and how many questions came.
#[derive(Default)]
struct Zone {
    said: Mutex<HashMap<(String, RecordType), Said>>,
    asked: Mutex<usize>,
    changed: Condvar,
}

/// A name server.
struct Server {
    addr: SocketAddr,
    zone: Arc<Zone>,
}

impl Server {
    fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let addr = socket.local_addr().unwrap();
        let zone = Arc::new(Zone::default());
        let kept = Arc::clone(&zone);
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            // It ends with the process: nobody asks any longer then.
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                let Ok(question) = Message::from_vec(&buffer[..length]) else { continue };
                if let Some(reply) = kept.reply(&question) {
                    drop(socket.send_to(&reply.to_vec().unwrap(), from));
                }
            }
        });
        Self { addr, zone }
    }

    fn say(&self, name: &str, kind: RecordType, said: Said) {
        self.zone.said.lock().unwrap().insert((name.to_owned(), kind), said);
    }

    /// The servers of `_http._tcp.web.test`: port, priority and weight of each.
    fn servers(&self, servers: &[(u16, u16, u16)], ttl: u32) {
        let target = Name::from_ascii("host.test.").unwrap();
        let record = |(port, priority, weight): &(u16, u16, u16)| {
            RData::SRV(SRV::new(*priority, *weight, *port, target.clone()))
        };
        self.say("host.test.", RecordType::A, Said::Records(vec![RData::A(A(Ipv4Addr::LOCALHOST))], ttl));
        self.say(SERVICE, RecordType::SRV, Said::Records(servers.iter().map(record).collect(), ttl));
    }

    /// Waits until so many further questions have come.
    #[track_caller]
    fn wait_for_questions(&self, count: usize) {
        let asked = self.zone.asked.lock().unwrap();
        let goal = *asked + count;
        let (asked, waited) =
            self.zone.changed.wait_timeout_while(asked, PATIENCE, |asked| *asked < goal).unwrap();
        assert!(!waited.timed_out(), "only {asked} of {goal} questions");
    }
}

const SERVICE: &str = "_http._tcp.web.test.";

impl Zone {
    fn reply(&self, question: &Message) -> Option<Message> {
        let query = question.queries.first()?;
        let key = (query.name().to_ascii().to_ascii_lowercase(), query.query_type());
        let said = self.said.lock().unwrap().get(&key).cloned().unwrap_or(Said::Code(ResponseCode::NXDomain));
        *self.asked.lock().unwrap() += 1;
        self.changed.notify_all();
        let mut reply = Message::response(question.metadata.id, OpCode::Query);
        reply.add_query(query.clone());
        match said {
            Said::Nothing => return None,
            Said::Code(code) => reply.metadata.response_code = code,
            Said::Records(records, ttl) => {
                let records =
                    records.into_iter().map(|data| Record::from_rdata(query.name().clone(), ttl, data));
                reply.add_answers(records);
            }
        }
        Some(reply)
    }
}

/// A backend that says its name.
fn named(name: &'static str) -> Backend {
    Backend::start(move |_, peer| peer.serve(name))
}

fn balancer(keys: &str) -> Balancer {
    let text = format!(
        "[process]\nthreads = 1\n[[listener]]\nlisten = \"127.0.0.1:0\"\nto = \"web\"\n[upstream.web]\nalgorithm = \"round-robin\"\n{keys}\n"
    );
    Balancer::parse(&text, |_| {})
}

/// The keys of an upstream that asks this server for the service.
fn srv(server: &Server, more: &str) -> String {
    let Server { addr, .. } = server;
    format!(
        "discover = {{ dns = \"{SERVICE}\", type = \"srv\", resolver = \"{addr}\", min-ttl = \"50ms\", {more} }}"
    )
}

/// Waits until a row of requests is answered with exactly these texts, in whatever order; 503 is `none`.
#[track_caller]
fn wait_for(balancer: &Balancer, expected: &[&str]) {
    let begun = Instant::now();
    let mut seen: Vec<String> = Vec::new();
    while begun.elapsed() < PATIENCE {
        seen = (0..expected.len() * 4)
            .map(|_| {
                let response = balancer.get("/", &[]);
                if response.status == 200 { response.text().to_owned() } else { "none".to_owned() }
            })
            .collect();
        seen.sort();
        seen.dedup();
        if seen == expected {
            return;
        }
    }
    panic!("{seen:?} in place of {expected:?}");
}

#[test]
fn servers_of_a_service_come_and_go_and_the_last_good_answer_stays() {
    let (one, two, backup) = (named("one"), named("two"), named("three"));
    let server = Server::start();
    let port = |backend: &Backend| backend.addr.port();
    server.servers(&[(port(&one), 10, 1), (port(&two), 10, 1), (port(&backup), 20, 0)], 0);
    let balancer = balancer(&srv(&server, "hold = \"1h\""));
    wait_for(&balancer, &["one", "two"]);
    // Another answer counts at once; the one behind it only when the first is gone.
    server.servers(&[(port(&two), 10, 1), (port(&backup), 20, 1)], 0);
    wait_for(&balancer, &["two"]);
    server.servers(&[(port(&backup), 20, 1)], 0);
    wait_for(&balancer, &["three"]);
    server.servers(&[(port(&one), 5, 0)], 0);
    wait_for(&balancer, &["one"]);
    // What is no answer changes nothing, nor does a name that is gone for a moment.
    for said in [
        Said::Code(ResponseCode::ServFail),
        Said::Code(ResponseCode::Refused),
        Said::Code(ResponseCode::NXDomain),
        Said::Records(Vec::new(), 0),
        Said::Nothing,
    ] {
        server.say(SERVICE, RecordType::SRV, said);
        server.wait_for_questions(2);
        wait_for(&balancer, &["one"]);
    }
    server.servers(&[(port(&two), 0, 0)], 0);
    wait_for(&balancer, &["two"]);
}

#[test]
fn a_name_that_is_gone_for_long_enough_is_gone() {
    let one = named("one");
    let server = Server::start();
    server.servers(&[(one.addr.port(), 0, 1)], 0);
    let balancer = balancer(&srv(&server, "hold = \"100ms\""));
    wait_for(&balancer, &["one"]);
    server.say(SERVICE, RecordType::SRV, Said::Code(ResponseCode::NXDomain));
    wait_for(&balancer, &["none"]);
    server.servers(&[(one.addr.port(), 0, 1)], 0);
    wait_for(&balancer, &["one"]);
}

#[test]
fn addresses_of_a_name_stand_beside_those_of_the_file() {
    let (one, two) = (named("one"), named("two"));
    let server = Server::start();
    let here = || vec![RData::A(A(Ipv4Addr::LOCALHOST))];
    server.say("web.test.", RecordType::A, Said::Records(here(), 0));
    let keys = format!(
        "backends = [\"{}\"]\ndiscover = {{ dns = \"web.test\", port = {}, resolver = \"{}\", min-ttl = \"50ms\" }}",
        one.addr,
        two.addr.port(),
        server.addr
    );
    let balancer = balancer(&keys);
    wait_for(&balancer, &["one", "two"]);
}

#[test]
fn when_no_backend_can_be_reached_the_name_is_looked_up_at_once() {
    let one = named("one");
    let server = Server::start();
    let nobody = crate::support::port::free();
    server.servers(&[(nobody, 0, 1)], 3600);
    let balancer = balancer(&srv(&server, "max-ttl = \"1h\""));
    let begun = Instant::now();
    while balancer.get("/", &[]).status != 502 {
        assert!(begun.elapsed() < PATIENCE, "it was never found");
    }
    server.servers(&[(one.addr.port(), 0, 1)], 3600);
    // An hour would pass until the next question otherwise.
    wait_for(&balancer, &["one"]);
}

#[test]
fn backends_of_another_name_do_not_outlive_it() {
    let (one, two) = (named("one"), named("two"));
    let server = Server::start();
    server.servers(&[(one.addr.port(), 0, 1)], 0);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lb.toml");
    let write = |keys: &str| {
        let text = format!(
            "[process]\nthreads = 1\nwatch = false\n[[listener]]\nlisten = \"127.0.0.1:0\"\nto = \"web\"\n[upstream.web]\n{keys}\n"
        );
        std::fs::write(&path, text).unwrap();
    };
    let file = folder.path().join("b.toml");
    std::fs::write(&file, format!("backends = [\"{}\"]", two.addr)).unwrap();
    let (of_file, of_service) =
        (format!("discover = {{ file = {file:?} }}"), srv(&server, "hold = \"100ms\""));
    let of_nobody = of_service.replace(SERVICE, "nobody.test.");
    write(&of_service);
    let config = Config::read(&path).unwrap();
    let balancer = Balancer { running: balancer::start_file(path.clone(), &config).unwrap() };
    wait_for(&balancer, &["one"]);
    for (keys, found) in [
        (&of_nobody, "none"),
        (&of_file, "two"),
        (&of_nobody, "none"),
        (&of_service, "one"),
        (&of_file, "two"),
    ] {
        write(keys);
        balancer.running.reload();
        wait_for(&balancer, &[found]);
    }
}

#[test]
fn a_file_is_read_again_and_a_bad_one_is_not_used() {
    let (one, two) = (named("one"), named("two"));
    let folder = tempfile::tempdir().unwrap();
    for (name, file) in [
        ("b.toml", (|backend| format!("backends = [\"{backend}\"]")) as fn(SocketAddr) -> String),
        ("b.json", |backend| format!("{{\"backends\": [{{\"address\": \"{backend}\", \"weight\": 2}}]}}")),
    ] {
        let path = folder.path().join(name);
        // In one step, as those who write for others should.
        let write = |text: &str| {
            let beside = path.with_extension("new");
            std::fs::write(&beside, text).unwrap();
            std::fs::rename(beside, &path).unwrap();
        };
        let balancer = balancer(&format!("discover = {{ file = {:?} }}", path.display().to_string()));
        wait_for(&balancer, &["none"]);
        write(&file(one.addr));
        wait_for(&balancer, &["one"]);
        write(&file(two.addr));
        wait_for(&balancer, &["two"]);
        write("backends = [");
        write(&file(one.addr));
        wait_for(&balancer, &["one"]);
        std::fs::remove_file(&path).unwrap();
        wait_for(&balancer, &["one"]);
    }
}
