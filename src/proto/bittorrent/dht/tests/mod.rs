//! A node among others: what it says, what it keeps, what it refuses; and networks of hundreds, in virtual time.

mod answers;
mod hostile;
mod many;
mod network;
mod owner;

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::contact::{Contact, Family};
use super::krpc::{Answer, Body, Message, Method, Query};
use super::*;

const HASH: Sha1 = Sha1(*b"mnopqrstuvwxyz123456");

fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn seed(number: u32) -> [u8; 32] {
    super::super::hash::Sha256::of(&number.to_be_bytes()).0
}

/// A node of both public networks that knows nobody.
fn node(now: Instant) -> Dht {
    Dht::new(Settings::default(), Saved::default(), now, seed(1))
}

/// A query, as somebody else sends it.
fn query(id: Sha1, token: &[u8], method: Method) -> Vec<u8> {
    let query = Query { id, read_only: false, want: None, token: token.to_vec(), method };
    message(Body::Query(query), b"aa")
}

fn message(body: Body, transaction: &[u8]) -> Vec<u8> {
    Message { transaction: transaction.to_vec(), version: None, ip: None, body }.to_bytes()
}

/// All that a node sends.
fn sent(dht: &mut Dht) -> Vec<(SocketAddr, Message)> {
    std::iter::from_fn(|| dht.transmit()).map(|sent| (sent.to, Message::read(&sent.bytes).unwrap())).collect()
}

/// What a node answers to a datagram, whatever else it sends.
fn reply(dht: &mut Dht, now: Instant, from: SocketAddr, datagram: &[u8]) -> Option<Message> {
    dht.receive(now, from, datagram);
    let is_reply = |message: &Message| !matches!(message.body, Body::Query(_));
    sent(dht).into_iter().find(|(to, message)| *to == from && is_reply(message)).map(|(_, message)| message)
}

/// The answer in a message.
fn answer(message: Option<Message>) -> Answer {
    match message.map(|message| message.body) {
        Some(Body::Answer(answer)) => *answer,
        other => panic!("no answer: {other:?}"),
    }
}

/// The error in a message.
fn error(message: Option<Message>) -> i64 {
    match message.map(|message| message.body) {
        Some(Body::Error { code, .. }) => code,
        other => panic!("no error: {other:?}"),
    }
}

/// Lets a node ask all that it asks somebody, and has it answered by `answers`.
fn converse(dht: &mut Dht, now: Instant, mut answers: impl FnMut(SocketAddr, &Query) -> Option<Answer>) {
    loop {
        let asked = sent(dht);
        if asked.is_empty() {
            return;
        }
        for (to, message) in asked {
            let Body::Query(query) = &message.body else { continue };
            if let Some(answer) = answers(to, query) {
                let bytes = self::message(Body::Answer(Box::new(answer)), &message.transaction);
                dht.receive(now, to, &bytes);
            }
        }
    }
}

fn events(dht: &mut Dht) -> Vec<Event> {
    std::iter::from_fn(|| dht.event()).collect()
}

/// A node of a public network, in a network of its own.
fn contact(number: u32) -> Contact {
    let [_, a, b, c] = number.to_be_bytes();
    Contact { id: Sha1::of(&number.to_be_bytes()), addr: SocketAddr::from(([11 + a, b, c, 1], 6881)) }
}

/// Puts nodes into the table, as if they had answered.
fn acquaint(dht: &mut Dht, now: Instant, contacts: impl IntoIterator<Item = Contact>) {
    for contact in contacts {
        let family = Family::of(contact.addr.ip());
        dht.networks.get_mut(&family).unwrap().table.answered(now, contact);
    }
}
