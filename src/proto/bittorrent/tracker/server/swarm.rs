//! The peers of one torrent, in as few bytes as they have: 12 each by IPv4, and 24 by IPv6.
//!
//! They are in the order of their addresses, so that one is found by halves, and those of one address are neighbours.
//! To put one in between moves those behind it; at 100,000 peers that is half a megabyte, which takes as long as a
//! few system calls. Peers are chosen by chance, one from each of as many equal parts, so nobody is hidden: neither
//! seeds from who says that nothing is left, as aria2 does while it has only a magnet link, nor anybody else.

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

use crate::proto::bittorrent::random::Random;
use crate::proto::bittorrent::tracker::Counts;

/// What a peer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It misses something.
    Leecher,
    /// It misses something, and does not want it (BEP 21).
    Partial,
    /// It has all.
    Seed,
}

/// A peer.
#[derive(Clone, Copy, Debug)]
struct Entry<A> {
    ip: A,
    /// The second in which it came last.
    seen: u32,
    port: u16,
    kind: Kind,
}

/// Peers of one family.
#[derive(Debug)]
struct Family<A>(Vec<Entry<A>>);

impl<A> Default for Family<A> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<A: AsRef<[u8]> + Ord + Copy> Family<A> {
    fn place(&self, ip: A, port: u16) -> Result<usize, usize> {
        self.0.binary_search_by(|entry| (entry.ip, entry.port).cmp(&(ip, port)))
    }

    /// Those of the same address, or network of 64 bits.
    fn neighbours(&self, ip: A) -> Range<usize> {
        let head = |ip: &A| {
            let mut head = [0; 8];
            head.iter_mut().zip(ip.as_ref()).for_each(|(to, from)| *to = *from);
            head
        };
        let wanted = head(&ip);
        let begin = self.0.partition_point(|entry| head(&entry.ip) < wanted);
        let length = self.0[begin..].partition_point(|entry| head(&entry.ip) == wanted);
        begin..begin + length
    }

    /// Puts a peer in, in place of what was known of it; what that was, and whom it has driven out.
    fn put(&mut self, entry: Entry<A>, per_address: usize) -> [Option<Kind>; 2] {
        match self.place(entry.ip, entry.port) {
            Ok(place) => [Some(std::mem::replace(&mut self.0[place], entry).kind), None],
            Err(place) => {
                let neighbours = self.neighbours(entry.ip);
                let oldest = neighbours.clone().min_by_key(|place| self.0[*place].seen);
                let Some(oldest) = oldest.filter(|_| neighbours.len() >= per_address) else {
                    self.0.insert(place, entry);
                    return [None, None];
                };
                let driven = self.0.remove(oldest).kind;
                self.0.insert(if oldest < place { place - 1 } else { place }, entry);
                [None, Some(driven)]
            }
        }
    }

    fn remove(&mut self, ip: A, port: u16) -> Option<Kind> {
        self.place(ip, port).ok().map(|place| self.0.remove(place).kind)
    }

    /// Forgets those who came last before a second, and says so.
    fn expire(&mut self, before: u32, mut gone: impl FnMut(Kind)) {
        self.0.retain(|entry| {
            let stays = entry.seen >= before;
            if !stays {
                gone(entry.kind);
            }
            stays
        });
        if self.0.capacity() > 2 * self.0.len() {
            self.0.shrink_to_fit();
        }
    }

    /// So many of them, all if there are fewer, but not the one at a place.
    fn choose(
        &self,
        wanted: usize,
        without: Option<usize>,
        random: &mut Random,
        mut take: impl FnMut(&Entry<A>),
    ) {
        let others = self.0.len() - usize::from(without.is_some());
        let wanted = wanted.min(others);
        for part in 0..wanted {
            let (begin, end) = (part * others / wanted, (part + 1) * others / wanted);
            // Torrents have fewer peers than 32 bits can count.
            let place = begin + random.below((end - begin) as u32) as usize;
            take(&self.0[place + usize::from(without.is_some_and(|without| place >= without))]);
        }
    }
}

/// The peers of a torrent.
#[derive(Debug, Default)]
pub(super) struct Swarm {
    v4: Family<[u8; 4]>,
    v6: Family<[u8; 16]>,
    seeds: u32,
    partial: u32,
    /// How often it was got.
    pub(super) completed: u32,
}

impl Swarm {
    pub(super) fn len(&self) -> usize {
        self.v4.0.len() + self.v6.0.len()
    }

    pub(super) fn seeds(&self) -> usize {
        self.seeds as usize
    }

    pub(super) fn counts(&self) -> Counts {
        let incomplete = (self.len() as u32).saturating_sub(self.seeds);
        Counts {
            complete: self.seeds,
            downloaded: self.completed,
            incomplete,
            downloaders: Some(incomplete.saturating_sub(self.partial)),
        }
    }

    /// What is known of a peer.
    pub(super) fn kind(&self, peer: SocketAddr) -> Option<Kind> {
        match peer.ip() {
            IpAddr::V4(ip) => {
                let place = self.v4.place(ip.octets(), peer.port()).ok()?;
                Some(self.v4.0[place].kind)
            }
            IpAddr::V6(ip) => {
                let place = self.v6.place(ip.octets(), peer.port()).ok()?;
                Some(self.v6.0[place].kind)
            }
        }
    }

    pub(super) fn put(&mut self, peer: SocketAddr, kind: Kind, seen: u32, per_address: usize) {
        let port = peer.port();
        let gone = match peer.ip() {
            IpAddr::V4(ip) => self.v4.put(Entry { ip: ip.octets(), seen, port, kind }, per_address),
            IpAddr::V6(ip) => self.v6.put(Entry { ip: ip.octets(), seen, port, kind }, per_address),
        };
        gone.into_iter().flatten().for_each(|kind| self.uncount(kind));
        match kind {
            Kind::Leecher => {}
            Kind::Partial => self.partial += 1,
            Kind::Seed => self.seeds += 1,
        }
    }

    pub(super) fn remove(&mut self, peer: SocketAddr) {
        let gone = match peer.ip() {
            IpAddr::V4(ip) => self.v4.remove(ip.octets(), peer.port()),
            IpAddr::V6(ip) => self.v6.remove(ip.octets(), peer.port()),
        };
        gone.into_iter().for_each(|kind| self.uncount(kind));
    }

    /// Forgets those who came last before a second.
    pub(super) fn expire(&mut self, before: u32) {
        let mut gone = Vec::new();
        self.v4.expire(before, |kind| gone.push(kind));
        self.v6.expire(before, |kind| gone.push(kind));
        gone.into_iter().for_each(|kind| self.uncount(kind));
    }

    /// Adds peers by chance to those who were found, up to so many: of one family, and not the one who asks.
    pub(super) fn choose(
        &self,
        v4: bool,
        wanted: usize,
        asks: SocketAddr,
        random: &mut Random,
        found: &mut Vec<SocketAddr>,
    ) {
        let wanted = wanted.saturating_sub(found.len());
        if v4 {
            let without = match asks.ip() {
                IpAddr::V4(ip) => self.v4.place(ip.octets(), asks.port()).ok(),
                IpAddr::V6(_) => None,
            };
            let take = |entry: &Entry<[u8; 4]>| found.push(SocketAddr::from((entry.ip, entry.port)));
            self.v4.choose(wanted, without, random, take);
        } else {
            let without = match asks.ip() {
                IpAddr::V6(ip) => self.v6.place(ip.octets(), asks.port()).ok(),
                IpAddr::V4(_) => None,
            };
            let take = |entry: &Entry<[u8; 16]>| found.push(SocketAddr::from((entry.ip, entry.port)));
            self.v6.choose(wanted, without, random, take);
        }
    }

    fn uncount(&mut self, kind: Kind) {
        match kind {
            Kind::Leecher => {}
            Kind::Partial => self.partial = self.partial.saturating_sub(1),
            Kind::Seed => self.seeds = self.seeds.saturating_sub(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_takes_few_bytes() {
        assert_eq!((size_of::<Entry<[u8; 4]>>(), size_of::<Entry<[u8; 16]>>()), (12, 24));
        assert!(size_of::<Swarm>() <= 64);
    }
}
