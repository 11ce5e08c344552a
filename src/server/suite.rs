//! The whole suite in one process, on loopback: what `wireworks` does when it is asked for nothing.
//!
//! `ROWS` has a row for each server: where it listens, how it is made, and a line to try it with. A port that is taken
//! is no reason to fail here: the server takes a free one and says so. The balancer has a second address, for its status page.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::Path;

use super::RunError;
use super::balance::admin::ADMIN;
use super::balance::{balancer, command::DEFAULT_LISTEN as DEFAULT_BALANCE, config as balance};
use super::chat::command::DEFAULT_LISTEN as DEFAULT_CHAT;
use super::chat::store::sqlite::OpenError;
use super::chat::{self, Chat, ChatError};
use super::command::ServerConfig;
use super::hls::command::live::{self, LiveError};
use super::process::{Address, Outcome, Process, announce};
use super::rpc::command::{ServeError, serve as rpc};
use super::site::command::{self as http, CommandError, Config, DEFAULT_LISTEN, DEFAULT_SOCKETS, Site};
use crate::net::addr::ListenAddr;
use crate::net::listen::{ListenError, bind_shards};

/// A server of the suite.
struct Row {
    /// Its name, as in its lines `listening NAME ADDR`.
    name: &'static str,
    /// Where it listens, if it can.
    address: ListenAddr,
    /// Puts it into the process. What lasts it keeps below a folder.
    prepare: fn(ListenAddr, &Path, &mut Process) -> Result<(), CommandError>,
    /// Where it is, as a URL, and a line to try it with.
    show: Show,
}

/// The URL at an address, and a line to try it with.
type Show = fn(&ListenAddr) -> (String, String);

/// Every server that there is.
static ROWS: [Row; 6] = [
    Row {
        name: http::NAME,
        address: DEFAULT_LISTEN,
        prepare: prepare_http,
        show: |address| (format!("http://{address}/"), format!("curl -i http://{address}/")),
    },
    Row {
        name: "ws",
        address: DEFAULT_SOCKETS,
        prepare: prepare_ws,
        show: |address| (format!("ws://{address}/echo"), format!("wireworks ws connect ws://{address}/echo")),
    },
    Row {
        name: rpc::NAME,
        address: rpc::DEFAULT_LISTEN,
        prepare: prepare_rpc,
        show: |address| (address.to_string(), format!("wireworks rpc ls {address}")),
    },
    Row {
        name: chat::NAME,
        address: DEFAULT_CHAT,
        prepare: prepare_chat,
        show: |address| (format!("http://{address}/"), format!("curl http://{address}/")),
    },
    Row {
        name: live::NAME,
        address: live::DEFAULT_LISTEN,
        prepare: prepare_live,
        show: |address| {
            (format!("http://{address}/"), format!("ffplay http://{address}/live/demo/index.m3u8"))
        },
    },
    Row {
        name: balancer::NAME,
        address: DEFAULT_BALANCE,
        prepare: prepare_balance,
        show: |address| (format!("http://{address}/"), format!("wireworks ws connect ws://{address}/echo")),
    },
];

fn prepare_http(address: ListenAddr, _: &Path, process: &mut Process) -> Result<(), CommandError> {
    prepare_site(Site::Http, address, process)
}

fn prepare_ws(address: ListenAddr, _: &Path, process: &mut Process) -> Result<(), CommandError> {
    prepare_site(Site::Sockets, address, process)
}

fn prepare_site(site: Site, address: ListenAddr, process: &mut Process) -> Result<(), CommandError> {
    let config = Config { server: ServerConfig::listening(address), ..Config::of(site) };
    http::prepare(&config, process)
}

fn prepare_rpc(address: ListenAddr, _: &Path, process: &mut Process) -> Result<(), CommandError> {
    rpc::prepare(address, process).map_err(|error| match error {
        ServeError::Run(error) => error.into(),
        error => RunError::System(io::Error::other(error)).into(),
    })
}

/// With a room for guests. Another suite may have the folder: then this one takes the next.
fn prepare_chat(address: ListenAddr, data: &Path, process: &mut Process) -> Result<(), CommandError> {
    let failed = |error: ChatError| match error {
        ChatError::Run(error) => CommandError::from(error),
        error => RunError::System(io::Error::other(error)).into(),
    };
    let names =
        std::iter::once("chat".to_owned()).chain((2..=MAX_SUITES).map(|number| format!("chat-{number}")));
    let mut last = None;
    for name in names {
        let config = chat::command::Config {
            server: ServerConfig::listening(address.clone()),
            data: data.join(name),
            rooms: "#lobby".parse().into_iter().collect(),
            ..chat::command::Config::default()
        };
        match Chat::open(&config) {
            Err(error @ ChatError::Open(OpenError::InUse(_))) => last = Some(error),
            chat => return chat.and_then(|chat| chat.prepare(&config, process)).map_err(failed),
        }
    }
    last.map_or(Ok(()), |error| Err(failed(error)))
}

/// With a stream to watch.
fn prepare_live(address: ListenAddr, _: &Path, process: &mut Process) -> Result<(), CommandError> {
    let config =
        live::Config { server: ServerConfig::listening(address), demo: true, ..live::Config::default() };
    live::prepare(&config, process).map_err(|error| match error {
        LiveError::Run(error) => error.into(),
        error => RunError::System(io::Error::other(error)).into(),
    })
}

/// Where the status page of the balancer is, if it can: where `balance ctl` looks for it.
const STATUS: ListenAddr = ListenAddr::Tcp(SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9000)));

/// In front of those that speak HTTP and are in the process already: the chat and the streams have hosts of their own, WebSockets go to theirs, and all else to the pages.
fn prepare_balance(address: ListenAddr, _: &Path, process: &mut Process) -> Result<(), CommandError> {
    // The status page comes first into the process, and would stay there without the listener.
    drop(bind_shards(&address, 1).map_err(RunError::from)?);
    let status = if bind_shards(&STATUS, 1).is_ok() { STATUS } else { any_port(STATUS) };
    let at = |name: &str| process.addresses.iter().find(|found| found.server == name);
    let backends = [("pages", http::NAME), ("sockets", "ws"), ("chat", chat::NAME), ("hls", live::NAME)];
    let mut text = format!(
        "[admin]\nlisten = \"{status}\"\n[[listener]]\nlisten = \"{address}\"\nto = \"pages\"\n\
         [[listener.route]]\nhost = \"chat.localhost\"\nto = \"chat\"\n\
         [[listener.route]]\nhost = \"hls.localhost\"\nto = \"hls\"\n\
         [[listener.route]]\nheader = {{ upgrade = \"*\" }}\nto = \"sockets\"\n"
    );
    for (upstream, server) in backends {
        let Some(found) = at(server) else { return Ok(()) };
        let _ = write!(text, "[upstream.{upstream}]\nbackends = [\"{}\"]\n", found.address);
    }
    // The text is ours, and good.
    let config = balance::Config::parse(&text).unwrap_or_default();
    Ok(balancer::prepare(&config, process)?)
}

/// Suites of one user at the same time.
const MAX_SUITES: usize = 20;

/// Runs all servers until a signal, with what lasts below the folder `data`. When they are ready it prints a table of them, and their lines `listening NAME ADDR`.
///
/// # Errors
/// A server cannot be made, for another reason than that its port is taken.
pub fn run(data: &Path) -> Result<Outcome, CommandError> {
    let defaults = Config::default().server;
    let mut process = Process::new(defaults.threading, defaults.threads, defaults.drain_timeout);
    let mut moved = Vec::new();
    for row in &ROWS {
        if prepare(row, row.address.clone(), data, &mut process)? == Port::Other {
            moved.push((row.name, row.address.clone()));
        }
    }
    if process.addresses.iter().any(|found| found.server == ADMIN && found.address != STATUS) {
        moved.push((ADMIN, STATUS));
    }
    let show = move |addresses: &[Address]| {
        announce(addresses);
        // Who closed our stdout does not want to know.
        let _ = io::stdout().write_all(table(addresses, &moved).as_bytes());
        let _ = io::stdout().flush();
    };
    process.run(show).map_err(|error| RunError::System(error).into())
}

/// Which port a server got.
#[derive(Debug, PartialEq, Eq)]
enum Port {
    Wanted,
    Other,
}

/// Makes a server at its address, or at a free port when that is taken.
fn prepare(row: &Row, wanted: ListenAddr, data: &Path, process: &mut Process) -> Result<Port, CommandError> {
    match (row.prepare)(wanted.clone(), data, process) {
        Err(CommandError::Run(RunError::Listen(ListenError::System { error, .. })))
            if error.kind() == io::ErrorKind::AddrInUse =>
        {
            (row.prepare)(any_port(wanted), data, process).map(|()| Port::Other)
        }
        outcome => outcome.map(|()| Port::Wanted),
    }
}

/// The same address at a port that the kernel chooses.
fn any_port(address: ListenAddr) -> ListenAddr {
    match address {
        ListenAddr::Tcp(mut address) => {
            address.set_port(0);
            ListenAddr::Tcp(address)
        }
        ListenAddr::Any(_) => ListenAddr::Any(0),
        other => other,
    }
}

/// The status page of the balancer, and how to ask for the same.
fn show_status(address: &ListenAddr) -> (String, String) {
    let elsewhere = if *address == STATUS { String::new() } else { format!(" --admin {address}") };
    (format!("http://{address}/"), format!("wireworks balance ctl list{elsewhere}"))
}

/// The table of what runs where.
fn table(addresses: &[Address], moved: &[(&str, ListenAddr)]) -> String {
    let mut lines = vec![("server".to_owned(), "address".to_owned(), "try".to_owned())];
    let shown = ROWS.iter().map(|row| (row.name, row.show)).chain([(ADMIN, show_status as Show)]);
    for (name, show) in shown {
        for found in addresses.iter().filter(|address| address.server == name) {
            let (url, hint) = show(&found.address);
            lines.push((name.to_owned(), url, hint));
        }
    }
    let width = |column: fn(&(String, String, String)) -> usize| lines.iter().map(column).max().unwrap_or(0);
    let (first, second) = (width(|line| line.0.len()), width(|line| line.1.len()));
    let mut text = String::from("\n");
    for (server, url, hint) in &lines {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {server:first$}   {url:second$}   {hint}");
    }
    text.push('\n');
    for (name, address) in moved {
        let _ = writeln!(text, "{address} is in use, so {name} took a free port.");
    }
    text.push_str("Ctrl-C stops it. `wireworks --help` shows more.\n");
    text
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::time::Duration;

    use super::*;
    use crate::net::shards::Threading;

    fn address(port: u16) -> ListenAddr {
        ListenAddr::Tcp(([127, 0, 0, 1], port).into())
    }

    #[test]
    fn the_table_says_what_runs_where() {
        let at = |port| Address { server: "http", address: address(port) };
        let expected = "\n  server   address                  try\
                        \n  http     http://127.0.0.1:8080/   curl -i http://127.0.0.1:8080/\
                        \n\nCtrl-C stops it. `wireworks --help` shows more.\n";
        assert_eq!(table(&[at(8080)], &[]), expected);
        let moved = table(&[at(40_000)], &[("http", address(8080))]);
        assert!(moved.contains("127.0.0.1:8080 is in use, so http took a free port."), "{moved}");
        assert!(moved.contains("curl -i http://127.0.0.1:40000/"), "{moved}");
        let status = |address| table(&[Address { server: ADMIN, address }], &[]);
        assert!(status(STATUS).contains("http://127.0.0.1:9000/   wireworks balance ctl list\n"));
        assert!(
            status(address(4))
                .contains("http://127.0.0.1:4/   wireworks balance ctl list --admin 127.0.0.1:4\n")
        );
        assert_eq!(STATUS.to_string(), crate::server::balance::ctl::DEFAULT_ADMIN);
    }

    #[test]
    fn a_taken_port_moves_the_server() {
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let taken = address(other.local_addr().unwrap().port());
        let mut process = Process::new(Threading::PerCore, 1, Duration::ZERO);
        let data = tempfile::tempdir().unwrap();
        for row in &ROWS {
            assert_eq!(prepare(row, taken.clone(), data.path(), &mut process).unwrap(), Port::Other);
        }
        assert_eq!(process.addresses.len(), ROWS.len() + 1, "and the status page");
        assert!(process.addresses.iter().all(|found| found.address != taken));
    }

    #[test]
    fn each_server_has_one_row_and_a_loopback_address() {
        for row in &ROWS {
            assert_eq!(ROWS.iter().filter(|other| other.name == row.name).count(), 1);
            let ListenAddr::Tcp(address) = row.address else { panic!("{}", row.address) };
            assert!(address.ip().is_loopback());
            assert!((row.show)(&row.address).1.contains(&address.to_string()));
        }
    }
}
