//! A connection after `101 Switching Protocols`: it speaks HTTP no more.

use std::sync::Arc;

use crate::codec::{Codec, Raw};
use crate::net::conn::Conn;
use crate::net::drain::Drain;
use crate::net::io::Io;
use crate::net::serve::Place;
use crate::server::peer::Peer;

/// The connection that an upgraded request came on. The 101 has been sent; bytes that the client sent behind its request
/// are still there to be read.
#[derive(Debug)]
pub struct Upgraded {
    /// The connection. Its deadline is not set.
    pub conn: Conn<Io, Raw>,
    /// Who is at the other end.
    pub peer: Arc<Peer>,
    /// The shutdown of the server: whoever holds a connection for long watches it.
    pub drain: Drain,
    /// Its place among the connections that are limited, counted, and waited for in a shutdown: for as long as it is held.
    pub place: Place,
}

impl Upgraded {
    /// The connection, speaking another protocol.
    pub fn speak<C: Codec>(self, codec: C) -> Conn<Io, C> {
        self.conn.switch(codec)
    }
}
