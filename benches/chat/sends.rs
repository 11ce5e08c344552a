//! Durable sends: how fast our server keeps what many clients send, where nobody else has to be told of it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::crowd::Crowd;
use crate::door::Door;
use crate::fanout::{Load, Talk};
use crate::servers::Running;
use crate::support::rounds::{Sample, Units};
use crate::support::{Result, procfs};

/// Clients that send.
const CLIENTS: usize = 200;
/// Messages of each under way.
const WINDOW: usize = 16;

/// What the numbers are.
pub(crate) const UNITS: Units = Units {
    cost: "CPU µs/send",
    sides: &[("sends/s", 0), ("sends/commit", 0), ("commits/s", 0), ("p99 ms", 1)],
    digits: 2,
};

/// The CPU time for each message that is kept, from its arrival to the acknowledgement. Over IRC, which acknowledges nothing, each room has a second member who hears of it.
pub(crate) fn measure(server: &Running, time: Duration) -> Result<Sample> {
    let members = if server.door == Door::Irc { 2 } else { 1 };
    let (mut crowd, _) = Crowd::gather(server.addr, server.door, CLIENTS, members)?;
    let talk = Talk { size: 64, senders: 1, window: WINDOW };
    Load::new(&mut crowd, members, talk)?.run(Duration::from_secs(1))?;
    let load = Load::new(&mut crowd, members, talk)?;
    let before = commits(server)?;
    let (done, spent) = procfs::account(server.pid(), || load.run(time))?;
    let commits = commits(server)? - before;
    let (sends, seconds) = (done.messages as f64, time.as_secs_f64());
    let p99 = done.latency.value_at_quantile(0.99) as f64 / 1000.0;
    let sides = vec![sends / seconds, sends / commits, commits / seconds, p99];
    Ok(Sample { cost: spent.as_secs_f64() * 1e6 / sends, sides, errors: 0 })
}

/// Transactions so far, as the server's metrics say.
fn commits(server: &Running) -> Result<f64> {
    let mut stream = TcpStream::connect(server.metrics.ok_or("the server shows no metrics")?)?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let value = text.lines().find_map(|line| line.strip_prefix("wireworks_chat_commits_total "));
    Ok(value.ok_or("no count of commits")?.trim().parse()?)
}
