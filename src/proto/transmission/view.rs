//! A torrent as a daemon shows it to `torrent-get`.
//!
//! Its numbers and texts are at hand. What costs more (files, peers, trackers, pieces) is behind methods of its own,
//! which are called only for a request that has fields of it, at most once a row: a list of 10,000 torrents gathers no
//! peers. A daemon that has to ask somebody for it asks [`Fields::needs`](super::Fields::needs) first, and shows what
//! it was told.

use serde_json::Value;

use super::row::Row;
use super::{Field, File, Peer, Torrent, Tracker};

/// What a daemon shows of a torrent.
pub trait View {
    /// Its numbers and texts.
    fn torrent(&self) -> Torrent<'_>;

    /// Its files, in their order; none while its metadata is not there.
    fn files(&self) -> Vec<File<'_>>;

    /// The peers that it is connected to.
    fn peers(&self) -> Vec<Peer<'_>>;

    /// Its trackers, by tiers.
    fn trackers(&self) -> Vec<Tracker<'_>>;

    /// Which pieces we have: a bit for each, as BEP 3 has them; empty while its metadata is not there.
    fn pieces(&self) -> Vec<u8>;

    /// How many peers have each piece; `None` for one that we have.
    fn availability(&self) -> Vec<Option<u32>>;

    /// Its magnet link.
    fn magnet(&self) -> String;

    /// A field, if there is one of this name.
    fn field(&self, name: &str) -> Option<Value>
    where
        Self: Sized,
    {
        let field = Field::named(name)?;
        serde_json::to_value(Row::of(self).cell(field)).ok()
    }
}

impl<V: View + ?Sized> View for &V {
    fn torrent(&self) -> Torrent<'_> {
        (**self).torrent()
    }

    fn files(&self) -> Vec<File<'_>> {
        (**self).files()
    }

    fn peers(&self) -> Vec<Peer<'_>> {
        (**self).peers()
    }

    fn trackers(&self) -> Vec<Tracker<'_>> {
        (**self).trackers()
    }

    fn pieces(&self) -> Vec<u8> {
        (**self).pieces()
    }

    fn availability(&self) -> Vec<Option<u32>> {
        (**self).availability()
    }

    fn magnet(&self) -> String {
        (**self).magnet()
    }
}
