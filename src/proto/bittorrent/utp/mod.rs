//! uTP: a stream of bytes over UDP that steps back as soon as others need the link (BEP 29).
//!
//! [`Utp`] is all connections of one UDP socket, without the socket: it is given datagrams and the time, and gives datagrams to send, bytes that have come, and events.
//! Below it each idea has its file: the bytes of a packet (`header`), what a connection is and does (`connection`, `receiving`, `timing`, `sending`), bytes to send and packets that
//! are under way (`queue`, `flight`), bytes that have come (`incoming`), and what is measured: round trips (`rtt`), queues (`delay`), how much may be under way
//! (`ledbat`, RFC 6817) and how large a packet may be (`mtu`).
//!
//! Where the text of BEP 29 and the programs that are out there differ, the programs are followed: a `ST_STATE` carries the number of the packet that will be sent next and
//! uses none up, so the first data behind a handshake has the number that its answer had.

mod connection;
mod delay;
mod flight;
mod header;
mod incoming;
mod ledbat;
mod limits;
mod mtu;
mod multiplex;
mod queue;
mod receiving;
mod routing;
mod rtt;
mod sending;
mod table;
mod timing;

pub use self::connection::{Reason, Statistics};
pub use self::header::Fault;
pub use self::limits::Limits;
pub use self::multiplex::{Event, Refused, Transmit, Utp};
pub use self::table::Handle;

#[cfg(test)]
mod tests;
