//! `permessage-deflate` (RFC 7692): what two ends agree on, and the compressors of one connection.
//!
//! Compressors are big: a connection has none until a message needs one. With context takeover it keeps the one that it made, as
//! the next message leans on the last; without, it borrows from a stock of its thread for the time of a message, so ten
//! thousand connections share a handful.

mod deflater;
mod inflater;
mod params;
mod pool;

pub use self::deflater::Deflater;
pub use self::inflater::Inflater;
pub use self::params::{
    Agreed, MAX_WINDOW_BITS, MIN_WINDOW_BITS, Memory, Offer, Params, Terms, accept, answer, offer, parse,
};
use super::codec::Role;

/// One way of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Lane {
    /// The base-two logarithm of the window, in bytes.
    window_bits: u8,
    /// Whether a message may lean on those before it.
    takeover: bool,
}

/// The compression of one connection.
#[derive(Debug)]
pub(super) struct Deflate {
    agreed: Agreed,
    outgoing: Lane,
    incoming: Lane,
    deflater: Option<Deflater>,
    inflater: Option<Inflater>,
}

impl Deflate {
    pub(super) fn new(role: Role, agreed: Agreed) -> Self {
        let Params { server_window_bits, client_window_bits, .. } = agreed.params;
        let server =
            Lane { window_bits: server_window_bits, takeover: !agreed.params.server_no_context_takeover };
        let client =
            Lane { window_bits: client_window_bits, takeover: !agreed.params.client_no_context_takeover };
        let (outgoing, incoming) = match role {
            Role::Server => (server, client),
            Role::Client => (client, server),
        };
        Self { agreed, outgoing, incoming, deflater: None, inflater: None }
    }

    pub(super) fn agreed(&self) -> &Agreed {
        &self.agreed
    }

    /// What compresses a message of `length` bytes; `None` when it is too short to gain by it.
    pub(super) fn deflater(&mut self, length: usize) -> Option<Deflater> {
        if length < self.agreed.threshold.max(1) {
            return None;
        }
        let Lane { window_bits, takeover } = self.outgoing;
        if takeover {
            let new = || Deflater::new(window_bits, self.agreed.level, true);
            return Some(self.deflater.take().unwrap_or_else(new));
        }
        Some(pool::deflater(window_bits, self.agreed.level))
    }

    pub(super) fn put_deflater(&mut self, deflater: Deflater) {
        if self.outgoing.takeover {
            self.deflater = Some(deflater);
        } else {
            pool::put_deflater(deflater);
        }
    }

    /// What decompresses the next message.
    pub(super) fn inflater(&mut self) -> Inflater {
        if self.incoming.takeover {
            let bits = self.incoming.window_bits;
            self.inflater.take().unwrap_or_else(|| Inflater::new(bits, true))
        } else {
            pool::inflater()
        }
    }

    pub(super) fn put_inflater(&mut self, inflater: Inflater) {
        if self.incoming.takeover {
            self.inflater = Some(inflater);
        } else {
            pool::put_inflater(inflater);
        }
    }
}

#[cfg(test)]
mod tests;
