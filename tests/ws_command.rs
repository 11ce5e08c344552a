//! The commands `wireworks ws connect` and `wireworks ws bench`, as a user types them: against `wireworks ws serve`, and against servers
//! that do what no good server does.

mod bench;
mod connect;
mod endings;
mod far_end;
mod metrics;
mod others;

use std::process::Command;

use crate::support::command::wireworks;
use crate::support::process::{Ended, Process};

/// A server for sockets on a port of its own, with further arguments, and its URL.
#[track_caller]
fn serve(args: &[&str]) -> (Process, String) {
    let mut server = wireworks(&[&["ws", "serve", "--listen", "127.0.0.1:0"], args].concat());
    let scheme = if args.iter().any(|arg| arg.starts_with("--tls")) { "wss" } else { "ws" };
    let url = format!("{scheme}://{}", server.address("ws"));
    (server, url)
}

/// A client that is given `input`.
#[track_caller]
fn client(command: &str, args: &[&str], input: &[u8]) -> Process {
    let mut process = Command::new(env!("CARGO_BIN_EXE_wireworks"));
    process.args(["ws", command]).args(args).env_remove("WIREWORKS_LOG");
    Process::start(&mut process, input.to_vec())
}

/// A conversation to its end: what is given to it, and what it says.
#[track_caller]
fn talk(args: &[&str], input: &[u8]) -> Ended {
    client("connect", args, input).wait()
}

/// The one line on stderr of a command that ends with this status.
#[track_caller]
fn failure(ended: &Ended, status: i32) -> String {
    assert_eq!(ended.status.code(), Some(status), "{}", ended.stderr);
    let mut errors = ended.stderr.lines().filter_map(|line| line.strip_prefix("error: "));
    let error = errors.next().unwrap_or_else(|| panic!("no error in {:?}", ended.stderr));
    assert_eq!(errors.next(), None, "{}", ended.stderr);
    error.to_owned()
}
