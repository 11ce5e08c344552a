//! What outlives a restart: our ids, and nodes that were good. With them there is no need of a node that everybody
//! begins at.

use std::collections::BTreeMap;

use super::contact::{Contact, Family};
use crate::proto::bittorrent::bencode::{Document, Fault, Limits, Tree, Value};
use crate::proto::bittorrent::hash::Sha1;

/// Nodes of a family at most.
pub(super) const NODES: usize = 200;

/// The state of a node, to be kept in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Saved {
    /// By family: our id, and nodes.
    pub(super) families: BTreeMap<Family, (Sha1, Vec<Contact>)>,
}

/// Why bytes are no such state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoState {
    /// They are no bencode.
    #[error("no bencode")]
    Bencode(#[from] Fault),
    /// A key is missing, or has a value that is none.
    #[error("key {0} is missing, or has a value that is none")]
    Key(&'static str),
}

fn name(family: Family) -> &'static str {
    match family {
        Family::V4 => "v4",
        Family::V6 => "v6",
    }
}

impl Saved {
    /// Reads what [`to_bytes`](Self::to_bytes) has written.
    ///
    /// # Errors
    /// It is something else.
    pub fn read(bytes: &[u8]) -> Result<Self, NoState> {
        let document = Document::read(bytes, Limits::MESSAGE)?;
        let root = document.root();
        let mut families = BTreeMap::new();
        for family in Family::ALL {
            let Some(saved) = root.get(name(family)) else { continue };
            let id = saved.get("id").and_then(Value::bytes).and_then(|id| id.try_into().ok());
            let nodes = saved.get("nodes").and_then(Value::bytes);
            let nodes = nodes.and_then(|nodes| Contact::read(nodes, family)).ok_or(NoState::Key("nodes"))?;
            families.insert(family, (Sha1(id.ok_or(NoState::Key("id"))?), nodes));
        }
        match (families.is_empty(), root.entries()) {
            (true, None) => Err(NoState::Key(name(Family::V4))),
            _ => Ok(Self { families }),
        }
    }

    /// The state as bencode.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let family = |(family, (id, nodes)): (&Family, &(Sha1, Vec<Contact>))| {
            let mut bytes = Vec::new();
            nodes.iter().for_each(|node| node.write(&mut bytes));
            (name(*family), Tree::dictionary([("id", Tree::from(&id.0)), ("nodes", Tree::from(bytes))]))
        };
        Tree::dictionary(self.families.iter().map(family)).to_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_is_read() {
        let id = Sha1(*b"abcdefghij0123456789");
        let v4 = Contact { id, addr: "1.2.3.4:258".parse().unwrap() };
        let v6 = Contact { id, addr: "[2a00::1]:258".parse().unwrap() };
        let one = Saved { families: [(Family::V4, (id, vec![v4]))].into() };
        let bytes =
            b"d2:v4d2:id20:abcdefghij01234567895:nodes26:abcdefghij0123456789\x01\x02\x03\x04\x01\x02ee";
        assert_eq!(one.to_bytes(), bytes);
        let both = Saved {
            families: [(Family::V4, (id, vec![v4; NODES])), (Family::V6, (id, vec![v6; NODES]))].into(),
        };
        for saved in [one, both, Saved::default()] {
            let bytes = saved.to_bytes();
            assert_eq!(Saved::read(&bytes), Ok(saved));
            for cut in 0..bytes.len() {
                assert!(Saved::read(&bytes[..cut]).is_err(), "{cut}");
            }
        }
    }

    #[test]
    fn what_is_no_state() {
        for (text, reason) in [
            ("i1e", NoState::Key("v4")),
            ("le", NoState::Key("v4")),
            ("d2:v4dee", NoState::Key("nodes")),
            ("d2:v4d5:nodes0:ee", NoState::Key("id")),
            ("d2:v4d2:id1:x5:nodes0:ee", NoState::Key("id")),
            ("d2:v6d2:id20:abcdefghij01234567895:nodes3:abcee", NoState::Key("nodes")),
            ("x", NoState::Bencode(Fault::NoValue { at: 0 })),
        ] {
            assert_eq!(Saved::read(text.as_bytes()), Err(reason), "{text}");
        }
    }
}
