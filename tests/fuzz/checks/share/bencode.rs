//! Bencode: what is read of it is what a plain reader reads, and can be written again.

use std::collections::BTreeSet;
use std::ops::Range;

use wireworks::proto::bittorrent::bencode::{Document, Fault, Limits, Value};

use super::super::find;

/// Few of everything, so that limits are reached.
const SMALL: Limits = Limits { bytes: 200, depth: 3, values: 12 };

/// Says whether `wire` is one value, and nothing else.
pub(crate) fn check(wire: &[u8]) -> bool {
    for limits in [SMALL, Limits::MESSAGE, Limits::default()] {
        by_limits(wire, limits);
    }
    Document::read(wire, Limits::default()).is_ok()
}

fn by_limits(wire: &[u8], limits: Limits) {
    let mut plain = Plain { wire, at: 0, values: 0, limits };
    let expected = plain.value(0).filter(|_| wire.len() <= limits.bytes);
    let end = plain.at;
    match (Document::prefix(wire, limits), &expected) {
        (Ok((document, rest)), Some(node)) => {
            assert_eq!(rest, &wire[end..]);
            same(document.root(), node, wire);
            assert_eq!(Document::read(wire, limits).is_ok(), rest.is_empty());
            written(document.root());
            cut(&wire[..end], limits);
        }
        (Err(fault), None) => {
            assert_eq!(Document::read(wire, limits).unwrap_err(), fault, "a fault of the value itself");
            if let Some(at) = place(fault) {
                assert!(at <= wire.len());
            }
        }
        (read, expected) => panic!("{:?}, where {expected:?} is plain", read.err()),
    }
}

/// Where a fault is.
fn place(fault: Fault) -> Option<usize> {
    match fault {
        Fault::NoValue { at }
        | Fault::Number { at }
        | Fault::Large { at }
        | Fault::Key { at }
        | Fault::Lonely { at }
        | Fault::Repeated { at }
        | Fault::Deep { at, .. }
        | Fault::Trailing { at } => Some(at),
        Fault::Cut | Fault::Many { .. } | Fault::Long { .. } => None,
    }
}

/// In the order of its keys it is the same, and the same bytes if it was canonical.
fn written(root: Value<'_>) {
    let bytes = super::tree(root).to_bytes();
    assert_eq!(bytes.len(), root.span().len());
    assert_eq!(bytes == root.span(), root.is_canonical());
    let document = Document::read(&bytes, Limits::default()).unwrap();
    assert!(document.root().is_canonical());
    assert_eq!(super::tree(document.root()), super::tree(root));
}

/// A value that is cut off anywhere is told to be just that.
fn cut(value: &[u8], limits: Limits) {
    let all = if value.len() < 32 { 0..value.len() } else { 0..0 };
    for at in all.chain([super::place(value), value.len() - 1]) {
        assert_eq!(Document::read(&value[..at], limits).unwrap_err(), Fault::Cut, "at {at}");
    }
}

/// A value as the plain reader has it.
#[derive(Debug)]
struct Node {
    span: Range<usize>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Integer(i64),
    Bytes(Range<usize>),
    List(Vec<Node>),
    Dictionary(Vec<(Range<usize>, Node)>),
}

/// A reader that calls itself for what is within.
struct Plain<'a> {
    wire: &'a [u8],
    at: usize,
    values: usize,
    limits: Limits,
}

impl Plain<'_> {
    fn next(&mut self) -> Option<u8> {
        let byte = *self.wire.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn value(&mut self, depth: usize) -> Option<Node> {
        let begin = self.at;
        self.values += 1;
        if self.values > self.limits.values {
            return None;
        }
        let kind = match self.next()? {
            b'i' => Kind::Integer(self.number(b'e')?),
            b'0'..=b'9' => {
                self.at = begin;
                Kind::Bytes(self.string()?)
            }
            b'l' if depth < self.limits.depth => {
                let mut items = Vec::new();
                while *self.wire.get(self.at)? != b'e' {
                    items.push(self.value(depth + 1)?);
                }
                self.at += 1;
                Kind::List(items)
            }
            b'd' if depth < self.limits.depth => {
                let mut entries = Vec::new();
                while *self.wire.get(self.at)? != b'e' {
                    self.values += 1;
                    let key = self.string().filter(|_| self.values <= self.limits.values)?;
                    entries.push((key, self.value(depth + 1)?));
                }
                self.at += 1;
                let keys: BTreeSet<&[u8]> = entries.iter().map(|(key, _)| &self.wire[key.clone()]).collect();
                if keys.len() < entries.len() {
                    return None;
                }
                Kind::Dictionary(entries)
            }
            _ => return None,
        };
        Some(Node { span: begin..self.at, kind })
    }

    fn string(&mut self) -> Option<Range<usize>> {
        let length = usize::try_from(self.number(b':')?).ok()?;
        let end = self.at.checked_add(length).filter(|end| *end <= self.wire.len())?;
        Some(std::mem::replace(&mut self.at, end)..end)
    }

    /// A number that is written as everybody would write it.
    fn number(&mut self, end: u8) -> Option<i64> {
        let rest = &self.wire[self.at..];
        let text = std::str::from_utf8(&rest[..find(rest, &[end])?]).ok()?;
        let number: i64 = text.parse().ok().filter(|number: &i64| number.to_string() == text)?;
        self.at += text.len() + 1;
        Some(number)
    }
}

fn same(value: Value<'_>, node: &Node, wire: &[u8]) {
    assert_eq!(value.span(), &wire[node.span.clone()]);
    let kinds = [
        value.integer().is_some(),
        value.bytes().is_some(),
        value.items().is_some(),
        value.entries().is_some(),
    ];
    assert_eq!(kinds.into_iter().filter(|is| *is).count(), 1, "a value is of one kind");
    match &node.kind {
        Kind::Integer(number) => {
            assert_eq!(value.integer(), Some(*number));
            assert_eq!(value.size(), u64::try_from(*number).ok());
        }
        Kind::Bytes(range) => {
            let bytes = &wire[range.clone()];
            assert_eq!((value.bytes(), value.text()), (Some(bytes), std::str::from_utf8(bytes).ok()));
        }
        Kind::List(nodes) => {
            let items: Vec<_> = value.items().unwrap().collect();
            assert_eq!(items.len(), nodes.len());
            items.into_iter().zip(nodes).for_each(|(item, node)| same(item, node, wire));
        }
        Kind::Dictionary(nodes) => {
            let entries: Vec<_> = value.entries().unwrap().collect();
            assert_eq!(entries.len(), nodes.len());
            for ((key, item), (range, node)) in entries.into_iter().zip(nodes) {
                assert_eq!(key, &wire[range.clone()]);
                assert_eq!(value.get(key).unwrap().span(), item.span());
                same(item, node, wire);
            }
        }
    }
}
