//! The balancer over real sockets: between clients that send any bytes, and backends that answer with any.

mod clients;
mod differential;
mod drain;
mod faults;
mod load;
mod programs;
mod raw;
mod reload;
mod routes;
mod upgrade;

use std::net::SocketAddr;

use wireworks::server::balance::balancer;
use wireworks::server::balance::config::Config;
use wireworks::server::process::Running;

use crate::support::wire::Wire;

/// A balancer in this process. Dropping it ends it.
struct Balancer {
    running: Running,
}

impl Balancer {
    /// One for requests over these backends, with what `change` makes of its configuration.
    #[track_caller]
    fn over(backends: &[SocketAddr], change: impl FnOnce(&mut Config)) -> Self {
        let backends: Vec<_> = backends.iter().map(|addr| format!("{:?}", addr.to_string())).collect();
        let text = format!(
            "[process]\nthreads = 1\n[[listener]]\nlisten = \"127.0.0.1:0\"\nto = \"web\"\n[upstream.web]\nbackends = [{}]\n",
            backends.join(", ")
        );
        Self::parse(&text, change)
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
}
