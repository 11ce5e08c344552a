//! Answers that have no more bytes than there is room for.
//!
//! Who has not proven its address gets no more bytes than it has sent, so that nobody can have us flood somebody
//! else. What is cut, and in which order, is decided here: first what helps least. Readers take what there is (BEP
//! 5 has "up to eight").

use super::{Answer, Body, Message};
use crate::proto::bittorrent::dht::contact::Family;

/// The datagram of an answer or an error, cut to `room` bytes. Nodes of the family that it is sent in are worth
/// more than others. `None` if nothing can be cut any more, and it is still too long.
pub(in crate::proto::bittorrent::dht) fn fit(
    mut message: Message,
    room: usize,
    family: Family,
) -> Option<Vec<u8>> {
    loop {
        let bytes = message.to_bytes();
        let over = bytes.len().saturating_sub(room);
        if over == 0 {
            return Some(bytes);
        }
        if !message.shrink(over, family) {
            return None;
        }
    }
}

impl Message {
    /// Takes away what helps least, but no more of it than makes so many bytes; whether there was anything.
    fn shrink(&mut self, over: usize, family: Family) -> bool {
        if self.version.take().is_some() || self.ip.take().is_some() {
            return true;
        }
        match &mut self.body {
            Body::Answer(answer) => answer.shrink(over, family),
            Body::Error { text, .. } => !std::mem::take(text).is_empty(),
            Body::Query(_) => false,
        }
    }
}

impl Answer {
    fn shrink(&mut self, over: usize, family: Family) -> bool {
        if self.scrape.take().is_some() {
            return true;
        }
        if self.samples.as_mut().is_some_and(|samples| cut(&mut samples.hashes, over, 20)) {
            return true;
        }
        let (own, other, length) = match family {
            Family::V4 => (&mut self.nodes, &mut self.nodes6, 8),
            Family::V6 => (&mut self.nodes6, &mut self.nodes, 21),
        };
        if let Some(nodes) = other {
            if !cut(nodes, over, Family::V6.compact()) {
                *other = None;
            }
            return true;
        }
        if let Some(nodes) = own {
            if cut(nodes, over, family.compact()) {
                return true;
            }
            // To say that there is no node is of no use to who gets peers.
            if !self.values.is_empty() {
                *own = None;
                return true;
            }
        }
        cut(&mut self.values, over, length) || !std::mem::take(&mut self.token).is_empty()
    }
}

/// Takes items of so many bytes from the end; whether there were any.
fn cut<T>(items: &mut Vec<T>, over: usize, each: usize) -> bool {
    let left = items.len().saturating_sub(over.div_ceil(each));
    let was = items.len();
    items.truncate(left);
    items.len() < was
}
