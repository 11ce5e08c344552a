//! Entity tags with the suffix of a coding, in requests and back in replies.

use http::HeaderValue;
use http::header::ETAG;

use crate::proto::http::draft::Draft;
use crate::proto::http::etag::{EntityTag, Listed, tags};
use crate::proto::http::fields::Fields;
use crate::proto::http::head::Head;
use crate::proto::http::list::FieldLines;
use crate::proto::http::negotiate::Coding;

/// Tags of one field that are looked at; a browser sends one. Those behind stay as they are.
const MAX_TAGS: usize = 64;

/// The tags with a suffix that a request has in its preconditions, without their suffix.
#[derive(Debug)]
pub(super) struct Suffixed {
    /// Of `If-None-Match`, with the suffix of the coding that the reply would have: no other is about that reply.
    none_match: Vec<EntityTag>,
    /// Of `If-Match`, with the suffix of any coding: the state of the resource is the same in each.
    must_match: Vec<EntityTag>,
    suffix: &'static str,
}

impl Suffixed {
    /// `None` when there are none.
    pub(super) fn find(head: &Head, coding: Coding, codings: &[Coding]) -> Option<Box<Self>> {
        if head.field("if-none-match").is_none() && head.field("if-match").is_none() {
            return None;
        }
        let none_match = suffixed(head, "if-none-match", &[coding]);
        let must_match = suffixed(head, "if-match", codings);
        (!none_match.is_empty() || !must_match.is_empty())
            .then(|| Box::new(Self { none_match, must_match, suffix: coding.etag_suffix() }))
    }

    /// The head with the tags without suffix in lines of their own; `None` when there is no room for them.
    pub(super) fn added_to(&self, head: &Head) -> Option<Head> {
        let mut draft = Draft::of(head);
        let lines = [("If-None-Match", &self.none_match), ("If-Match", &self.must_match)];
        for (name, tags) in lines.into_iter().filter(|(_, tags)| !tags.is_empty()) {
            let tags: Vec<Vec<u8>> = tags.iter().map(EntityTag::to_bytes).collect();
            draft.field(name, &tags.join(&b", "[..]));
        }
        draft.finish().ok()
    }

    /// Gives the tag of a 304 its suffix back, when that is the tag that the client has.
    pub(super) fn restore(&self, fields: &mut Fields) {
        let Some(tag) = fields.find("etag").cloned() else {
            return;
        };
        let Ok(parsed) = EntityTag::parse(tag.as_bytes()) else {
            return;
        };
        if self.none_match.iter().any(|known| known.weak_eq(&parsed))
            && let Some(tag) = append(parsed, self.suffix)
        {
            fields.set(ETAG, tag);
        }
    }
}

/// The tags of a field that end with the suffix of one of `codings`, without it.
fn suffixed(head: &Head, name: &str, codings: &[Coding]) -> Vec<EntityTag> {
    let listed = tags(head.lines(name)).take(MAX_TAGS).filter_map(Result::ok);
    let plain = listed.filter_map(|listed| match listed {
        Listed::Any => None,
        Listed::Tag(tag) => codings.iter().find_map(|coding| strip(tag, *coding)),
    });
    plain.collect()
}

fn strip(tag: EntityTag<&[u8]>, coding: Coding) -> Option<EntityTag> {
    if coding == Coding::Identity {
        return None;
    }
    let opaque = tag.opaque().strip_suffix(coding.etag_suffix().as_bytes())?.to_vec();
    if tag.is_weak() { EntityTag::weak(opaque).ok() } else { EntityTag::strong(opaque).ok() }
}

/// The tag of the same state in `coding`; `None` when `tag` is no entity tag.
pub(super) fn with_suffix(tag: &[u8], coding: Coding) -> Option<HeaderValue> {
    append(EntityTag::parse(tag).ok()?, coding.etag_suffix())
}

fn append(tag: EntityTag<&[u8]>, suffix: &str) -> Option<HeaderValue> {
    let tag = tag.into_owned().with_suffix(suffix).ok()?;
    HeaderValue::from_bytes(&tag.to_bytes()).ok()
}
