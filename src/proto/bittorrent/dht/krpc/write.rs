//! Writing: keys in their order, straight into the datagram.
//!
//! The order of keys is that of the lines below (BEP 3: sorted as raw strings); a test holds each kind of message
//! against the bencode of the other module.

use std::io::Write as _;

use super::{Answer, Body, Message, Method, Query};
use crate::proto::bittorrent::dht::contact::{Contact, write_address};

impl Message {
    /// The datagram.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        out.push(b'd');
        match &self.body {
            Body::Query(query) => query.write_arguments(&mut out),
            Body::Error { code, text } => {
                let _ = write!(out, "1:eli{code}e");
                string(&mut out, text.as_bytes());
                out.push(b'e');
            }
            Body::Answer(_) => {}
        }
        if let Some(ip) = self.ip {
            let mut address = Vec::with_capacity(18);
            write_address(ip, &mut address);
            entry(&mut out, "ip", &address);
        }
        let kind = match &self.body {
            Body::Query(query) => {
                entry(&mut out, "q", query.method.name().as_bytes());
                flag(&mut out, "ro", query.read_only);
                b"q"
            }
            Body::Answer(answer) => {
                answer.write(&mut out);
                b"r"
            }
            Body::Error { .. } => b"e",
        };
        entry(&mut out, "t", &self.transaction);
        if let Some(version) = self.version {
            entry(&mut out, "v", &version);
        }
        entry(&mut out, "y", kind);
        out.push(b'e');
        out
    }
}

impl Method {
    /// Its name in a message.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Ping => "ping",
            Self::FindNode { .. } => "find_node",
            Self::GetPeers { .. } => "get_peers",
            Self::AnnouncePeer { .. } => "announce_peer",
            Self::SampleInfohashes { .. } => "sample_infohashes",
        }
    }
}

impl Query {
    fn write_arguments(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"1:ad");
        entry(out, "id", &self.id.0);
        match self.method {
            Method::Ping => {}
            Method::FindNode { target } | Method::SampleInfohashes { target } => {
                entry(out, "target", &target.0);
            }
            Method::GetPeers { info_hash, scrape, noseed } => {
                entry(out, "info_hash", &info_hash.0);
                flag(out, "noseed", noseed);
                flag(out, "scrape", scrape);
            }
            Method::AnnouncePeer { info_hash, port, implied_port, seed } => {
                flag(out, "implied_port", implied_port);
                entry(out, "info_hash", &info_hash.0);
                number(out, "port", port.into());
                flag(out, "seed", seed);
            }
        }
        if !self.token.is_empty() {
            entry(out, "token", &self.token);
        }
        if let Some(want) = self.want {
            out.extend_from_slice(b"4:wantl");
            out.extend_from_slice(if want.v4 { b"2:n4" } else { b"" });
            out.extend_from_slice(if want.v6 { b"2:n6" } else { b"" });
            out.push(b'e');
        }
        out.push(b'e');
    }
}

impl Answer {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"1:rd");
        if let Some(scrape) = &self.scrape {
            entry(out, "BFpe", scrape.peers.as_bytes());
            entry(out, "BFsd", scrape.seeds.as_bytes());
        }
        entry(out, "id", &self.id.0);
        if let Some(samples) = &self.samples {
            number(out, "interval", samples.interval.into());
        }
        nodes(out, "nodes", self.nodes.as_deref());
        nodes(out, "nodes6", self.nodes6.as_deref());
        if let Some(samples) = &self.samples {
            number(out, "num", samples.num);
            let hashes: Vec<u8> = samples.hashes.iter().flat_map(|hash| hash.0).collect();
            entry(out, "samples", &hashes);
        }
        if !self.token.is_empty() {
            entry(out, "token", &self.token);
        }
        if !self.values.is_empty() {
            out.extend_from_slice(b"6:valuesl");
            let mut address = Vec::with_capacity(18);
            for peer in &self.values {
                address.clear();
                write_address(*peer, &mut address);
                string(out, &address);
            }
            out.push(b'e');
        }
        out.push(b'e');
    }
}

fn nodes(out: &mut Vec<u8>, key: &str, nodes: Option<&[Contact]>) {
    if let Some(nodes) = nodes {
        let mut bytes = Vec::with_capacity(nodes.len() * 38);
        nodes.iter().for_each(|node| node.write(&mut bytes));
        entry(out, key, &bytes);
    }
}

/// A string. A vector takes what is written to it.
fn string(out: &mut Vec<u8>, bytes: &[u8]) {
    let _ = write!(out, "{}:", bytes.len());
    out.extend_from_slice(bytes);
}

fn entry(out: &mut Vec<u8>, key: &str, value: &[u8]) {
    string(out, key.as_bytes());
    string(out, value);
}

fn number(out: &mut Vec<u8>, key: &str, value: u64) {
    string(out, key.as_bytes());
    let _ = write!(out, "i{value}e");
}

fn flag(out: &mut Vec<u8>, key: &str, value: bool) {
    if value {
        number(out, key, 1);
    }
}
