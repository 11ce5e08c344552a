//! Ports that somebody has to know before anybody listens there.
//!
//! They are none of those that the system gives to whoever asks for any (`ip_local_port_range` begins with 32768), so no other test gets one by chance in the meantime.
//! The unit tests include this file, too.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

const FIRST: u16 = 10_000;
const COUNT: u16 = 20_000;

/// How many have been looked at.
static NEXT: AtomicU16 = AtomicU16::new(0);

/// One on which nobody listens.
pub(crate) fn free() -> u16 {
    // Another run of the tests, beside this one, begins elsewhere.
    let begin = (std::process::id() % 61) as u16 * 300;
    let mut ports = (0..COUNT).map(|_| FIRST + (begin + NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT);
    let found = ports.find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok());
    found.unwrap_or_else(|| panic!("no port from {FIRST} on is free"))
}
