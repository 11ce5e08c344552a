//! The built command, as a user starts it.

use std::net::SocketAddr;
use std::process::Command;

use rustix::process::Signal;

use super::process::{Ended, Process};
use super::wire::Wire;

/// Starts `wireworks` with `args`, and with the environment of a user who has set nothing.
#[track_caller]
pub(crate) fn wireworks(args: &[&str]) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wireworks"));
    command.args(args).env_remove("RUST_LOG").env_remove("LISTEN_FDS").env_remove("LISTEN_PID");
    command.env("XDG_DATA_HOME", env!("CARGO_TARGET_TMPDIR"));
    Process::start(&mut command, Vec::new())
}

/// An HTTP server on a port of its own, with further arguments.
#[track_caller]
pub(crate) fn server(args: &[&str]) -> Process {
    wireworks(&[&["http", "--listen", "127.0.0.1:0"], args].concat())
}

/// Ends a server, which must end well.
#[track_caller]
pub(crate) fn stop(server: Process) -> Ended {
    server.signal(Signal::TERM);
    server.wait().success()
}

/// What the page of metrics at `addr` says of `name`, labels included; 0 when it says nothing.
#[track_caller]
pub(crate) fn metric(addr: SocketAddr, name: &str) -> u64 {
    let mut wire = Wire::connect(addr);
    wire.send("GET /metrics HTTP/1.1\r\nHost: test\r\n\r\n");
    let text = wire.read_response().text().to_owned();
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.map_or(0, |value| value.parse().unwrap())
}

impl Process {
    /// Waits for the next line `listening NAME ADDR`, where ADDR is an address and a port.
    #[track_caller]
    pub(crate) fn address(&mut self, name: &str) -> SocketAddr {
        let addr = self.listening(name);
        addr.parse().unwrap_or_else(|_| panic!("{addr:?} is not an address and a port"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_is_built_and_helps() {
        wireworks(&["--help"]).wait().success();
    }

    #[test]
    fn an_address_is_read_from_its_line() {
        let mut command = Command::new("echo");
        let mut child = Process::start(command.arg("listening http 127.0.0.1:80"), Vec::new());
        assert_eq!(child.address("http"), SocketAddr::from(([127, 0, 0, 1], 80)));
    }
}
