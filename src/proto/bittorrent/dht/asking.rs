//! Queries of ours, and what comes back.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::contact::{Contact, Family};
use super::krpc::{Answer, Body, Message, Method, Query, VERSION, Want};
use super::lookup::Ask;
use super::table::K;
use super::transactions::{Open, Overdue, Purpose};
use super::{Dht, Event, Transmit, id};

impl Dht {
    /// A datagram has come from there. Nothing is read of addresses that are out of place in our networks.
    pub fn receive(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) {
        // A socket of both families has addresses of IPv4 in a form of IPv6.
        let from = SocketAddr::new(from.ip().to_canonical(), from.port());
        let is_ours = self.networks.contains_key(&Family::of(from.ip())) && self.scope.takes(from);
        if !is_ours || self.sources.is_blocked(now, from.ip()) && !self.transactions.awaits(from) {
            return;
        }
        match Message::read(datagram) {
            Ok(Message { transaction, body: Body::Query(query), .. }) => {
                self.query(now, from, transaction, &query, datagram.len());
            }
            Ok(message) => match self.transactions.end(from, &message.transaction) {
                Some(open) => {
                    self.answered(now, open, message);
                    self.begin_waiting(now);
                }
                None => drop(self.sources.admits(now, from.ip())),
            },
            Err(unread) => self.unread(now, from, unread, datagram.len()),
        }
    }

    /// Sends a query. The caller has looked whether there is room for a transaction.
    pub(super) fn ask(&mut self, now: Instant, ask: Ask, purpose: Purpose, method: Method) {
        let Some(network) = self.networks.get(&Family::of(ask.addr.ip())) else { return };
        let key = self.secrets.number();
        self.transactions.begin(now, key, ask.addr, purpose, &network.rtt);
        let has_nodes = !matches!(method, Method::Ping | Method::AnnouncePeer { .. });
        let want = (self.networks.len() > 1 && has_nodes).then_some(Want { v4: true, v6: true });
        let read_only = self.settings.read_only;
        let query = Query { id: network.table.own(), read_only, want, token: ask.token, method };
        let transaction = key.to_be_bytes().to_vec();
        let message = Message { transaction, version: Some(VERSION), ip: None, body: Body::Query(query) };
        self.out.push_back(Transmit { to: ask.addr, bytes: message.to_bytes() });
    }

    /// Asks a node whether it is there, unless it is asked something already.
    pub(super) fn ping(&mut self, now: Instant, addr: SocketAddr) {
        if self.transactions.has_room() && !self.transactions.awaits(addr) {
            self.ask(now, Ask { addr, token: Vec::new() }, Purpose::Ping, Method::Ping);
        }
    }

    /// A query of ours is answered.
    fn answered(&mut self, now: Instant, open: Open, message: Message) {
        let from = open.to;
        self.proven.prove(now, from.ip());
        let Some(network) = self.networks.get_mut(&Family::of(from.ip())) else { return };
        network.rtt.measured(now.saturating_duration_since(open.sent));
        let moved =
            message.ip.and_then(|seen| network.votes.vote(self.scope, from.ip(), seen.ip().to_canonical()));
        match message.body {
            Body::Answer(answer) => {
                let is_first = network.table.len(now) == 0;
                network.table.answered(now, Contact { id: answer.id, addr: from });
                if is_first && !self.is_bootstrapping() {
                    self.bootstrap = Some(now);
                    self.upkeep = now;
                }
                match open.purpose {
                    Purpose::Ping => {}
                    Purpose::Step(key) => self.step(now, key, from, *answer),
                    Purpose::Announce(key) => self.announce_ended(now, key, true),
                }
            }
            // It is there, but will not help.
            Body::Error { .. } | Body::Query(_) => self.unhelpful(now, open),
        }
        if let Some(ip) = moved {
            self.moved(now, ip);
        }
    }

    /// A node has answered in a search.
    fn step(&mut self, now: Instant, key: u32, from: SocketAddr, answer: Answer) {
        let Some(search) = self.searches.get_mut(&key) else { return };
        let family = Family::of(from.ip());
        let mut told = 0;
        for (of, nodes) in [(Family::V4, answer.nodes), (Family::V6, answer.nodes6)] {
            let nodes = nodes.unwrap_or_default();
            told = if of == family { nodes.len() } else { told };
            if let Some(lookup) = search.lookups.get_mut(&of) {
                nodes.into_iter().take(K).for_each(|contact| lookup.add(contact));
            }
        }
        if let Some(lookup) = search.lookups.get_mut(&family) {
            lookup.answered(from, answer.id, answer.token, told);
        }
        if let super::Aim::Peers(info_hash, ..) = search.aim {
            answer.scrape.iter().for_each(|filters| search.count(filters));
            self.events.extend(search.find(self.scope, info_hash, answer.values));
        }
        if let (super::Aim::Samples(_), Some(samples)) = (search.aim, answer.samples) {
            let interval = Duration::from_secs(samples.interval.into());
            let event = Event::Samples { from, interval, total: samples.num, info_hashes: samples.hashes };
            self.events.push_back(event);
        }
        self.drive(now, key);
    }

    /// Queries that were not answered in time.
    pub(super) fn time_out(&mut self, now: Instant) {
        for overdue in self.transactions.overdue(now) {
            match overdue {
                Overdue::Late(Open { purpose: Purpose::Step(key), to, .. }) => {
                    if let Some(lookup) = self.lookup_of(key, to) {
                        lookup.late(to);
                    }
                    self.drive(now, key);
                }
                Overdue::Late(_) => {}
                Overdue::Lost(open) => {
                    if let Some(network) = self.networks.get_mut(&Family::of(open.to.ip())) {
                        network.table.failed(now, open.to);
                    }
                    self.unhelpful(now, open);
                }
            }
        }
    }

    /// A query has come to nothing.
    fn unhelpful(&mut self, now: Instant, open: Open) {
        match open.purpose {
            Purpose::Ping => {}
            Purpose::Step(key) => {
                if let Some(lookup) = self.lookup_of(key, open.to) {
                    lookup.failed(open.to);
                }
                self.drive(now, key);
            }
            Purpose::Announce(key) => self.announce_ended(now, key, false),
        }
    }

    fn lookup_of(&mut self, key: u32, addr: SocketAddr) -> Option<&mut super::lookup::Lookup> {
        self.searches.get_mut(&key)?.lookups.get_mut(&Family::of(addr.ip()))
    }

    /// Our address is known, from a router or a tracker, say: our id is made of it (BEP 42).
    pub fn learn_external(&mut self, now: Instant, ip: IpAddr) {
        let ip = ip.to_canonical();
        let is_news = |network: &mut super::Network| network.votes.decide(ip);
        if self.scope.takes((ip, 1).into()) && self.networks.get_mut(&Family::of(ip)).is_some_and(is_news) {
            self.moved(now, ip);
        }
    }

    /// Our address is another one. If our id is not of it, we have another one, too, and other neighbours.
    fn moved(&mut self, now: Instant, ip: IpAddr) {
        self.events.push_back(Event::External(ip));
        let Some(network) = self.networks.get_mut(&Family::of(ip)) else { return };
        if !id::fits(network.table.own(), ip) {
            network.table.rename(now, id::of_address(ip, self.secrets.id()));
            self.bootstrap =
                (network.can_begin() || network.table.len(now) > 0).then_some(now).or(self.bootstrap);
            self.upkeep = now;
        }
    }
}
