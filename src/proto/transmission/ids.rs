//! Which torrents a request means (section 3.1).

use std::collections::HashSet;

use serde_json::Value;

use super::Refusal;
use super::arguments::{Argument as _, Arguments};
use crate::proto::bittorrent::hash::{Sha1, Sha256};

/// What names a torrent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Id {
    /// Its number, which holds until the daemon ends.
    Number(u32),
    /// Its info hash: that of version 1, or the first 20 bytes of that of version 2.
    Hash(Sha1),
}

/// Which torrents are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ids {
    /// All.
    All,
    /// Those that have changed in the last [`RECENT_SECONDS`](super::RECENT_SECONDS).
    RecentlyActive,
    /// These, each once, as far as they are there. It may be none: `transmission-remote` without `-t` asks for torrent
    /// -1.
    Only(Vec<Id>),
}

impl Ids {
    /// Reads `ids`, or `id`, which Transmission takes as well. All are meant if there is neither; but not by `null`,
    /// with which a client that has lost its selection would remove everything.
    pub(super) fn read(arguments: &Arguments<'_>) -> Result<Self, Refusal> {
        let Some(value) = arguments.value("ids").or_else(|| arguments.value("id")) else {
            return Ok(Self::All);
        };
        match value {
            Value::String(text) if text == "recently-active" => Ok(Self::RecentlyActive),
            Value::Array(values) => {
                let ids = values.iter().map(id).collect::<Result<Vec<_>, _>>()?;
                let mut seen = HashSet::new();
                Ok(Self::Only(ids.into_iter().flatten().filter(|id| seen.insert(*id)).collect()))
            }
            one => Ok(Self::Only(id(one)?.into_iter().collect())),
        }
    }

    /// The only one that is meant, if it is named.
    #[must_use]
    pub fn single(&self) -> Option<Id> {
        match self {
            Self::Only(ids) => ids.first().copied().filter(|_| ids.len() == 1),
            Self::All | Self::RecentlyActive => None,
        }
    }
}

/// Reads one. `None` if no torrent can be called so.
fn id(value: &Value) -> Result<Option<Id>, Refusal> {
    match value {
        Value::String(text) => {
            let v2 = || text.parse::<Sha256>().ok().map(Sha256::truncated);
            Ok(text.parse::<Sha1>().ok().or_else(v2).map(Id::Hash))
        }
        Value::Number(number) if number.as_f64().is_some_and(|number| number.fract() == 0.0) => {
            Ok(i64::read(value, "ids").ok().and_then(|number| u32::try_from(number).ok()).map(Id::Number))
        }
        _ => Err(Refusal::Argument("ids")),
    }
}
