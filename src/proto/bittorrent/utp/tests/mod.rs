//! uTP by its bytes, its parts, and in networks of virtual time.

mod bytes_of_packets;
mod congestion;
mod hostile;
mod measures;
mod net;
mod streams;
