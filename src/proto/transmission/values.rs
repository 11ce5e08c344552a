//! The types of arguments, and of the fields of a session, that are more than a number or a text.

use serde::{Serialize, Serializer};
use serde_json::Value;

use super::Refusal;
use super::arguments::Argument;

/// How much a torrent or a file matters, beside others (`tr_priority_t`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// -1.
    Low,
    /// 0.
    #[default]
    Normal,
    /// 1.
    High,
}

impl Argument for Priority {
    fn read(value: &Value, name: &'static str) -> Result<Self, Refusal> {
        match i64::read(value, name)? {
            -1 => Ok(Self::Low),
            0 => Ok(Self::Normal),
            1 => Ok(Self::High),
            _ => Err(Refusal::Argument(name)),
        }
    }
}

impl Serialize for Priority {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i8(*self as i8 - Self::Normal as i8)
    }
}

/// Which limit of seeding a torrent has (`tr_ratiolimit`, `tr_idlelimit`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SeedMode {
    /// 0: that of the session.
    #[default]
    Session,
    /// 1: its own.
    Own,
    /// 2: none.
    Unlimited,
}

impl Argument for SeedMode {
    fn read(value: &Value, name: &'static str) -> Result<Self, Refusal> {
        match i64::read(value, name)? {
            0 => Ok(Self::Session),
            1 => Ok(Self::Own),
            2 => Ok(Self::Unlimited),
            _ => Err(Refusal::Argument(name)),
        }
    }
}

impl Serialize for SeedMode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(*self as u8)
    }
}

/// Whether peers are spoken to in cipher.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Encryption {
    /// Only so.
    Required,
    /// If they can.
    #[default]
    Preferred,
    /// If they want to.
    Tolerated,
}

impl Argument for Encryption {
    fn read(value: &Value, name: &'static str) -> Result<Self, Refusal> {
        match value.as_str() {
            Some("required") => Ok(Self::Required),
            Some("preferred") => Ok(Self::Preferred),
            Some("tolerated") => Ok(Self::Tolerated),
            _ => Err(Refusal::Argument(name)),
        }
    }
}

/// A time of day: minutes after midnight, below 1440.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct MinuteOfDay(pub u16);

impl Argument for MinuteOfDay {
    fn read(value: &Value, name: &'static str) -> Result<Self, Refusal> {
        let minute = u16::read(value, name)?;
        (minute < 24 * 60).then_some(Self(minute)).ok_or(Refusal::Argument(name))
    }
}

/// Days of the week: Sunday is the lowest bit, Saturday bit 6 (`tr_sched_day`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Days(pub u8);

impl Argument for Days {
    fn read(value: &Value, name: &'static str) -> Result<Self, Refusal> {
        let days = u8::read(value, name)?;
        (days < 0x80).then_some(Self(days)).ok_or(Refusal::Argument(name))
    }
}

/// A path that begins at the root. That is all that is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AbsolutePath(pub String);

impl Argument for AbsolutePath {
    /// Forms send an empty text for a field that was not filled in.
    fn is_left_out(value: &Value) -> bool {
        value.is_null() || value == ""
    }

    fn read(value: &Value, name: &'static str) -> Result<Self, Refusal> {
        let path = String::read(value, name)?;
        path.starts_with('/').then_some(Self(path)).ok_or(Refusal::NotAbsolute(name))
    }
}

/// Which files of a torrent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileIndexes {
    /// All: what an empty list means in `torrent-set`.
    All,
    /// These, counted from 0. It is not known whether they are there
    /// ([`Failure::FileIndex`](super::Failure::FileIndex)).
    Only(Vec<u32>),
}

impl Argument for FileIndexes {
    fn read(value: &Value, name: &'static str) -> Result<Self, Refusal> {
        let indexes = Vec::read(value, name)?;
        Ok(if indexes.is_empty() { Self::All } else { Self::Only(indexes) })
    }
}

/// What a torrent is marked with: none is empty, none has a comma.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels(pub Vec<String>);

impl Argument for Labels {
    fn read(value: &Value, name: &'static str) -> Result<Self, Refusal> {
        let labels = Vec::<String>::read(value, name)?;
        let label = |label: &String| match label.trim() {
            "" => Err(Refusal::EmptyLabel),
            label if label.contains(',') => Err(Refusal::CommaInLabel),
            label => Ok(label.to_owned()),
        };
        labels.iter().map(label).collect::<Result<_, _>>().map(Self)
    }
}

/// Announce URLs, as they were typed, in tiers (BEP 12): one a line, an empty line between tiers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrackerTiers(pub Vec<Vec<String>>);

impl Argument for TrackerTiers {
    fn read(value: &Value, name: &'static str) -> Result<Self, Refusal> {
        let text = String::read(value, name)?;
        let lines = text.lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>();
        let tiers = lines.split(String::is_empty).filter(|tier| !tier.is_empty());
        Ok(Self(tiers.map(<[String]>::to_vec).collect()))
    }
}

/// Trackers to replace: their ids, each with a new announce URL.
impl Argument for Vec<(u32, String)> {
    fn read(value: &Value, name: &'static str) -> Result<Self, Refusal> {
        let (pairs, []) = value.as_array().ok_or(Refusal::Argument(name))?.as_chunks() else {
            return Err(Refusal::Argument(name));
        };
        pairs.iter().map(|[id, url]| Ok((u32::read(id, name)?, String::read(url, name)?))).collect()
    }
}
