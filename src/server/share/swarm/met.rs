//! Who there is a connection with: one with each peer.
//!
//! Two peers that hear of each other at the same time call each other at the same time. Of two connections both keep the one that was made by the one with the larger id:
//! so they keep the same.

use std::collections::HashMap;
use std::sync::Arc;

use super::extensions::Peer;
use super::link::{Leave, Link};
use crate::proto::bittorrent::wire::PeerId;

/// The connections of a torrent.
#[derive(Debug, Default)]
pub(super) struct Met(HashMap<PeerId, (bool, Arc<Link>)>);

impl Met {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// What the tasks of all connections are told by.
    pub(super) fn links(&self) -> impl Iterator<Item = &Link> {
        self.0.values().map(|(_, link)| link.as_ref())
    }

    /// There is a connection more; whether it is to be kept. `own` is our id, and `most` how many there may be.
    pub(super) fn meet(&mut self, own: PeerId, peer: Peer, link: &Arc<Link>, most: usize) -> bool {
        let id = peer.hello.peer;
        match self.0.get(&id) {
            None if self.0.len() >= most => return false,
            None => {}
            Some((incoming, _)) if *incoming == peer.incoming => return false,
            // The larger one has called.
            Some(_) if peer.incoming == (own > id) => return false,
            Some((_, other)) => other.leave(Leave::Twin),
        }
        self.0.insert(id, (peer.incoming, Arc::clone(link)));
        true
    }

    /// A connection has ended.
    pub(super) fn part(&mut self, peer: Peer, link: &Arc<Link>) {
        let id = peer.hello.peer;
        if self.0.get(&id).is_some_and(|(_, known)| Arc::ptr_eq(known, link)) {
            self.0.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::bittorrent::hash::Sha1;
    use crate::proto::bittorrent::wire::{Handshake, Reserved};
    use crate::server::share::swarm::link::{Carrier, Way};

    fn link() -> Arc<Link> {
        let addr = "10.0.0.1:1".parse().unwrap();
        Arc::new(Link::new(Way { addr, incoming: true, encrypted: false, carrier: Carrier::Tcp }))
    }

    fn peer(id: u8, incoming: bool) -> Peer {
        let hello = Handshake {
            reserved: Reserved::ours(false, false),
            swarm: Sha1([0; 20]),
            peer: PeerId([id; 20]),
        };
        Peer { addr: "10.0.0.1:1".parse().unwrap(), incoming, hello, carrier: Carrier::Tcp }
    }

    #[test]
    fn both_keep_the_same_of_two_connections() {
        for (first, second) in [(true, false), (false, true)] {
            let mut kept = Vec::new();
            for (own, other) in [(1, 2), (2, 1)] {
                let (mut met, links) = (Met::default(), [(); 2].map(|()| link()));
                // What comes in for one goes out from the other.
                let incoming = [first, second].map(|incoming| incoming == (own == 1));
                let stays: Vec<bool> = incoming
                    .iter()
                    .zip(&links)
                    .map(|(incoming, link)| met.meet(PeerId([own; 20]), peer(other, *incoming), link, 9))
                    .collect();
                assert!(stays[0], "nobody else was there");
                assert_eq!(links[0].leaving(), stays[1].then_some(Leave::Twin));
                kept.push(stays[1]);
            }
            assert_eq!(kept[0], kept[1]);
        }
    }

    #[test]
    fn nobody_is_met_twice_and_not_too_many() {
        let (mut met, link) = (Met::default(), link());
        let own = PeerId([9; 20]);
        assert!(met.meet(own, peer(1, true), &link, 2));
        assert!(!met.meet(own, peer(1, true), &self::link(), 2), "it calls again");
        assert!(met.meet(own, peer(2, true), &link, 2));
        assert!(!met.meet(own, peer(3, true), &link, 2), "they are too many");
        met.part(peer(1, true), &self::link());
        assert_eq!(met.len(), 2, "it was another connection");
        met.part(peer(1, true), &link);
        assert!(met.meet(own, peer(3, true), &link, 2));
    }
}
