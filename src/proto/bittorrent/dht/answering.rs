//! Queries of others, and what they are answered.
//!
//! Until an address is proven, its answers are no longer than its questions ([`fit`](super::krpc)), and carry a
//! token: with that, the same question is answered in full. In all there are limits on the queries of an address,
//! and on the bytes of all answers. A node that asks, and would find a place in the table, is pinged before it gets
//! it; those pings are few, as their addresses may be anybody's.

use std::net::SocketAddr;
use std::time::Instant;

use super::contact::{Contact, Family};
use super::krpc::{Answer, Body, Message, Method, Query, Unread, VERSION, Want, fit};
use super::table::Standing;
use super::{Dht, Transmit};
use crate::proto::bittorrent::hash::Sha1;

/// Bytes of an answer at most, so that it comes in one piece: Ethernet and PPPoE carry 1,444 at least.
const ANSWER: usize = 1400;

/// Seconds for which what is not used of a budget is saved up.
pub(super) const BURST: u32 = 3;

/// Pings a second of nodes that have asked.
pub(super) const PINGS: u32 = 4;

/// Datagrams that wait to be sent at most, before answers are dropped: their owner takes them after each call.
const WAITING: usize = 1024;

/// What a query is refused with: a number and a text of BEP 5.
type Refusal = (i64, &'static str);

impl Dht {
    /// Somebody asks, in a datagram of so many bytes.
    pub(super) fn query(
        &mut self,
        now: Instant,
        from: SocketAddr,
        transaction: Vec<u8>,
        query: &Query,
        length: usize,
    ) {
        if !self.sources.admits(now, from.ip()) || self.settings.read_only {
            return;
        }
        let has_token = self.tokens.accepts(from.ip(), &query.token);
        if has_token {
            self.proven.prove(now, from.ip());
        }
        let is_proven = has_token || self.proven.is_proven(now, from.ip());
        let body = match self.answer(now, from, query, (has_token, is_proven)) {
            Some(Ok(answer)) => Body::Answer(Box::new(answer)),
            Some(Err((code, text))) => Body::Error { code, text: text.to_owned() },
            None => return,
        };
        self.reply(now, from, transaction, body, if is_proven { ANSWER } else { length.min(ANSWER) });
        self.look_at(now, from, query);
    }

    /// A datagram that is no message. A query gets to know that.
    pub(super) fn unread(&mut self, now: Instant, from: SocketAddr, unread: Unread, length: usize) {
        let is_admitted = self.sources.admits(now, from.ip());
        if let Some(transaction) = unread.query.filter(|_| is_admitted && !self.settings.read_only) {
            let body = Body::Error { code: unread.reject.code(), text: unread.reject.to_string() };
            self.reply(now, from, transaction, body, length.min(ANSWER));
        }
    }

    fn reply(&mut self, now: Instant, from: SocketAddr, transaction: Vec<u8>, body: Body, room: usize) {
        let message = Message { transaction, version: Some(VERSION), ip: Some(from), body };
        let Some(bytes) = fit(message, room, Family::of(from.ip())) else { return };
        if self.out.len() < WAITING && self.answers.takes(now, bytes.len()) {
            self.out.push_back(Transmit { to: from, bytes });
        }
    }

    /// What a query is answered, by who has given a token or is proven otherwise.
    fn answer(
        &mut self,
        now: Instant,
        from: SocketAddr,
        query: &Query,
        (has_token, is_proven): (bool, bool),
    ) -> Option<Result<Answer, Refusal>> {
        let family = Family::of(from.ip());
        let mut answer = Answer::new(self.id(family)?);
        match query.method {
            Method::Ping => return Some(Ok(answer)),
            Method::AnnouncePeer { info_hash, port, implied_port, seed } => {
                let addr = SocketAddr::new(from.ip(), if implied_port { from.port() } else { port });
                return Some(match () {
                    () if !has_token => Err((203, "bad token")),
                    () if !self.store.announce(now, info_hash, addr, seed) => Err((202, "full")),
                    () => Ok(answer),
                });
            }
            Method::FindNode { target } => self.add_nodes(now, &mut answer, family, query, target),
            Method::SampleInfohashes { target } => {
                self.add_nodes(now, &mut answer, family, query, target);
                answer.samples = Some(self.store.samples(now, &mut self.random));
            }
            Method::GetPeers { info_hash, scrape, noseed } => {
                self.add_nodes(now, &mut answer, family, query, info_hash);
                // What fits into an answer, beside all nodes that can be in it.
                let count = match (family, scrape) {
                    (Family::V4, false) => 64,
                    (Family::V4, true) | (Family::V6, false) => 24,
                    (Family::V6, true) => 8,
                };
                answer.values = self.store.peers(info_hash, family, noseed, count, &mut self.random);
                answer.scrape = scrape.then(|| self.store.filters(info_hash)).flatten();
            }
        }
        if !is_proven || matches!(query.method, Method::GetPeers { .. }) {
            answer.token = self.tokens.of(from.ip(), is_proven).to_vec();
        }
        Some(Ok(answer))
    }

    /// Nodes that are close to a target, of the families that are wanted (BEP 32).
    fn add_nodes(&self, now: Instant, answer: &mut Answer, family: Family, query: &Query, target: Sha1) {
        let own = Want { v4: family == Family::V4, v6: family == Family::V6 };
        let want = query.want.filter(|want| want.v4 || want.v6).unwrap_or(own);
        let nodes = |family| -> Option<Vec<Contact>> {
            let mut nodes = self.networks.get(&family)?.table.closest(now, target, Standing::Good);
            nodes.retain(|contact| contact.id != query.id);
            Some(nodes)
        };
        answer.nodes = want.v4.then(|| nodes(Family::V4)).flatten();
        answer.nodes6 = want.v6.then(|| nodes(Family::V6)).flatten();
    }

    /// Whoever asks is a node, too, unless it says that it is none (BEP 43).
    fn look_at(&mut self, now: Instant, from: SocketAddr, query: &Query) {
        if query.read_only {
            return;
        }
        let contact = Contact { id: query.id, addr: from };
        let Some(network) = self.networks.get_mut(&Family::of(from.ip())) else { return };
        let is_wanted = network.table.queried(now, contact) && !self.transactions.awaits(from);
        if is_wanted && self.pings.takes(now, 1) {
            self.ping(now, from);
        }
    }
}
