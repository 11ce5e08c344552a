//! Who has proved its address, and who asks too often: both without a table that strangers could fill.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use sha2::Digest as _;

/// How long a connection id is of one kind. It counts until the second kind after its own has begun, so for two
/// minutes at least (BEP 15, "trackers should accept the connection ID until two minutes after it has been sent").
const WINDOW: Duration = Duration::from_secs(60);

/// Windows before the present one whose ids count.
const OLD: u64 = 2;

/// Counters of a row of a [`Meter`].
const COUNTERS: usize = 1 << 15;

/// Makes connection ids, which nobody else can: they are a hash of the address, the time, and a secret.
#[derive(Debug)]
pub(super) struct Guard {
    secret: [u8; 32],
    begun: Instant,
}

impl Guard {
    pub(super) fn new(secret: [u8; 32], now: Instant) -> Self {
        Self { secret, begun: now }
    }

    /// A number that only who has the secret can know. Each purpose has messages of one length.
    pub(super) fn keyed(&self, purpose: &[u8; 6], message: &[u8]) -> u64 {
        let hash = sha2::Sha256::new().chain_update(self.secret).chain_update(purpose).chain_update(message);
        let hash: [u8; 32] = hash.finalize().into();
        let (head, _) = hash.as_chunks::<8>();
        head.first().copied().map_or(0, u64::from_be_bytes)
    }

    /// A connection id for this address. Its port may change on the way, so it is not part of it.
    pub(super) fn connection(&self, now: Instant, ip: IpAddr) -> u64 {
        self.in_window(self.window(now), ip)
    }

    /// Whether it is one that this address has got, not long ago.
    pub(super) fn is_connection(&self, now: Instant, ip: IpAddr, id: u64) -> bool {
        let window = self.window(now);
        (window.saturating_sub(OLD)..=window).any(|window| self.in_window(window, ip) == id)
    }

    fn window(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.begun).as_secs() / WINDOW.as_secs()
    }

    fn in_window(&self, window: u64, ip: IpAddr) -> u64 {
        let mut message = [0; 24];
        message[..8].copy_from_slice(&window.to_be_bytes());
        message[8..].copy_from_slice(&octets(ip));
        self.keyed(b"window", &message)
    }
}

/// 16 bytes of any address, those of IPv4 as mapped ones.
fn octets(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    }
}

/// Counts requests of a minute by address, or network of 64 bits. Each has a counter in each of two rows, which it may
/// share with others (a count-min sketch); the lower one counts. So a flood from many addresses grows nothing, and
/// others suffer from it only if they share both.
#[derive(Debug)]
pub(super) struct Meter {
    limit: u16,
    rows: [Box<[u16]>; 2],
    until: Instant,
}

impl Meter {
    pub(super) fn new(limit: u16, now: Instant) -> Self {
        let row = || vec![0; COUNTERS].into_boxed_slice();
        Self { limit, rows: [row(), row()], until: now + Duration::from_secs(60) }
    }

    /// Whether one more is allowed.
    pub(super) fn take(&mut self, now: Instant, guard: &Guard, ip: IpAddr) -> bool {
        if now >= self.until {
            self.rows.iter_mut().for_each(|row| row.fill(0));
            self.until = now + Duration::from_secs(60);
        }
        let mut network = octets(ip.to_canonical());
        if !matches!(ip.to_canonical(), IpAddr::V4(_)) {
            network[8..].fill(0);
        }
        let hash = guard.keyed(b"meters", &network);
        let places = [hash as usize % COUNTERS, (hash >> 32) as usize % COUNTERS];
        let mut least = u16::MAX;
        for (row, place) in self.rows.iter_mut().zip(places) {
            row[place] = row[place].saturating_add(1);
            least = least.min(row[place]);
        }
        least <= self.limit
    }
}
