//! How large a datagram may be: a size that is safe at first, then larger ones, each tried with a packet of data (RFC 8899, section 5.3, and libtorrent).
//!
//! A packet that is tried must not be fragmented on its way. If it is lost, it is sent again and may be, since a packet of uTP cannot be cut in two.
//!
//! Nothing larger than an Ethernet's packet is tried, wherever the peer is: libtorrent and others read into buffers of that size, and would take what is cut off for whole.
//! Between two of us larger ones would be possible, and were measured on a loopback: up to 32 KiB a datagram saved a quarter of the sender's time and
//! little of the receiver's, since the system takes and gives many small ones at once.

use std::net::SocketAddr;

/// Sizes over IPv4, whose header has 20 bytes and that of UDP 8: what nearly every tunnel carries, then PPPoE (1492), an Ethernet (1500).
const V4: &[u16] = &[1400, 1464, 1472];

/// Sizes over IPv6, whose header has 40 bytes: the least that every link has to carry (1280; RFC 8200, section 5), and likewise.
const V6: &[u16] = &[1232, 1444, 1452];

/// How often a size is tried (`MAX_PROBES` of RFC 8899): a loss may have another cause.
const TRIES: u32 = 3;

/// How often in a row the larger size may time out until it is not trusted any more.
const BLACK_HOLE: u32 = 2;

/// The size of datagrams to one peer.
#[derive(Clone, Copy, Debug)]
pub(super) struct PacketSize {
    sizes: &'static [u16],
    /// Which of them is known to arrive.
    good: usize,
    failures: u32,
    /// The number of the packet that tries the next size.
    probe: Option<u64>,
}

impl PacketSize {
    pub(super) fn new(peer: SocketAddr) -> Self {
        let sizes = if peer.is_ipv4() { V4 } else { V6 };
        Self { sizes, good: 0, failures: 0, probe: None }
    }

    /// Bytes of a datagram.
    pub(super) fn size(&self) -> u16 {
        self.sizes.get(self.good).copied().unwrap_or(self.sizes[0])
    }

    /// The size to be tried next, if one is.
    pub(super) fn candidate(&self) -> Option<u16> {
        let next = self.sizes.get(self.good + 1).copied()?;
        (self.probe.is_none() && self.failures < TRIES).then_some(next)
    }

    /// It is tried by this packet.
    pub(super) fn tried(&mut self, number: u64) {
        self.probe = Some(number);
    }

    /// Whether this packet tries a size.
    pub(super) fn is_probe(&self, number: u64) -> bool {
        self.probe == Some(number)
    }

    /// A packet has arrived; whether the size has grown by that.
    pub(super) fn arrived(&mut self, number: u64) -> bool {
        let tried = self.is_probe(number);
        if tried {
            (self.probe, self.failures) = (None, 0);
            self.good += 1;
        }
        tried
    }

    /// A packet was lost.
    pub(super) fn lost(&mut self, number: u64) {
        if self.is_probe(number) {
            self.probe = None;
            self.failures += 1;
        }
    }

    /// Nothing has arrived for so many timeouts in a row: if the path has changed, it may carry only what every path does.
    pub(super) fn timed_out(&mut self, in_vain: u32) {
        if in_vain >= BLACK_HOLE && self.good > 0 {
            (self.good, self.failures) = (0, TRIES);
        }
    }
}
