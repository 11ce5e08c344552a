//! `to` of a route: an upstream, or several with weights.

use std::fmt;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use toml::Spanned;

use super::checker::Checker;
use super::{To, hash_by};
use crate::proto::balance::split::Split;

/// The most upstreams of a split.
const MAX_BRANCHES: usize = 100;

/// The upstreams of a route.
#[derive(Debug)]
pub(super) enum ToEntry {
    One(Spanned<String>),
    Split(Spanned<Vec<Spanned<BranchTable>>>),
}

/// One upstream of several.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct BranchTable {
    pub(super) upstream: Spanned<String>,
    pub(super) weight: u32,
}

/// Implemented by hand, as an untagged enum loses the positions of its parts.
impl<'de> Deserialize<'de> for ToEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let entry = Spanned::<ToValue>::deserialize(deserializer)?;
        let span = entry.span();
        Ok(match entry.into_inner() {
            ToValue::One(name) => Self::One(Spanned::new(span, name)),
            ToValue::Split(branches) => Self::Split(Spanned::new(span, branches)),
        })
    }
}

enum ToValue {
    One(String),
    Split(Vec<Spanned<BranchTable>>),
}

impl<'de> Deserialize<'de> for ToValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ToVisitor)
    }
}

struct ToVisitor;

impl<'de> Visitor<'de> for ToVisitor {
    type Value = ToValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of an upstream, or a list of { upstream = \"name\", weight = number }")
    }

    fn visit_str<E>(self, name: &str) -> Result<ToValue, E> {
        Ok(ToValue::One(name.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<ToValue, A::Error> {
        let mut branches = Vec::new();
        while let Some(branch) = list.next_element()? {
            branches.push(branch);
        }
        Ok(ToValue::Split(branches))
    }
}

impl Checker<'_> {
    /// The upstreams of a route.
    pub(super) fn to(&mut self, to: &ToEntry, split_by: Option<&Spanned<String>>) -> To {
        let by = split_by.and_then(|text| {
            let by = hash_by(text.get_ref());
            if by.is_none() {
                self.fault(&text.span(), "split-by is source, path, header:NAME or cookie:NAME");
            }
            by
        });
        let branches = match to {
            ToEntry::One(name) => {
                if let Some(text) = split_by {
                    self.fault(&text.span(), "split-by needs several upstreams");
                }
                return To::one(self.named(name));
            }
            ToEntry::Split(branches) => branches,
        };
        let (at, branches) = (branches.span(), branches.get_ref());
        if branches.is_empty() || branches.len() > MAX_BRANCHES {
            self.fault(&at, format!("a route has 1 to {MAX_BRANCHES} upstreams"));
        } else if let Err(error) = Split::new(branches.iter().map(|branch| branch.get_ref().weight)) {
            self.fault(&at, error.to_string());
        }
        let branches = branches.iter().map(|branch| {
            let BranchTable { upstream, weight } = branch.get_ref();
            (self.named(upstream), *weight)
        });
        To { branches: branches.collect(), by }
    }
}
