//! The balancer over real sockets: between clients that send any bytes, and backends that answer with any.

mod access_log;
mod acme;
mod admin;
mod auth;
mod bulk;
mod bypass;
mod cache;
mod capacity;
mod clients;
mod differential;
mod discovery;
mod drain;
mod faults;
mod guards;
mod jobs;
mod kept;
mod limits;
mod load;
mod manual;
mod nodes;
mod page;
mod passthrough;
mod programs;
mod raw;
mod redis;
mod reload;
mod routes;
mod tcp;
mod tls;
mod upgrade;

use std::net::SocketAddr;

use wireworks::server::balance::balancer;
use wireworks::server::balance::config::Config;
use wireworks::server::process::Running;

use crate::support::response::Response;
use crate::support::wire::Wire;

/// A balancer in this process. Dropping it ends it.
struct Balancer {
    running: Running,
}

impl Balancer {
    /// One for requests over these backends, whose clients may end their side when they have said all, with what `change` makes of its configuration.
    #[track_caller]
    fn over(backends: &[SocketAddr], change: impl FnOnce(&mut Config)) -> Self {
        let backends: Vec<_> = backends.iter().map(|addr| format!("{:?}", addr.to_string())).collect();
        let text = format!(
            "[process]\nthreads = 1\n[[listener]]\nlisten = \"127.0.0.1:0\"\nto = \"web\"\nabort-on-close = false\n[upstream.web]\nbackends = [{}]\n",
            backends.join(", ")
        );
        Self::parse(&text, change)
    }

    /// One for requests over this backend, with these keys of its listener.
    #[track_caller]
    fn with(backend: SocketAddr, keys: &str) -> Self {
        let text = format!(
            "[process]\nthreads = 1\n[[listener]]\nlisten = \"127.0.0.1:0\"\nto = \"web\"\n{keys}\n[upstream.web]\nbackends = [\"{backend}\"]\n"
        );
        Self::parse(&text, |_| {})
    }

    /// One by the text of a file.
    #[track_caller]
    fn parse(text: &str, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::parse(text).unwrap_or_else(|faults| panic!("{faults:?}\n{text}"));
        change(&mut config);
        Self { running: balancer::start(&config).unwrap() }
    }

    fn addr(&self) -> SocketAddr {
        self.running.tcp().unwrap()
    }

    #[track_caller]
    fn connect(&self) -> Wire {
        Wire::connect(self.addr())
    }

    /// The response to one request, over a connection of its own.
    #[track_caller]
    fn ask(&self, request: &str) -> Response {
        let mut wire = self.connect();
        wire.send(request);
        wire.read_response_to(request.split(' ').next().unwrap())
    }

    /// The response to `GET path` with these lines of fields.
    #[track_caller]
    fn get(&self, path: &str, fields: &[&str]) -> Response {
        let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n"))
    }
}
