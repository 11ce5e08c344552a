//! What is said of segments, gathered until their URI comes.

use std::sync::Arc;
use std::time::Duration;

use super::super::attributes::{integer, seconds};
use super::super::media::{ByteRange, Key, MAX_KEYS, Map, Method, Segment};
use super::super::variables::Variables;
use super::{Why, tags};

/// The segments so far, and what holds for the next one.
#[derive(Debug, Default)]
pub(super) struct Segments {
    pub(super) done: Vec<Segment>,
    next: Segment,
    /// Whether anything is said of the next one.
    begun: bool,
    duration: Option<Duration>,
    range: Option<tags::WrittenRange>,
    keys: Arc<[Arc<Key>]>,
    map: Option<Arc<Map>>,
    bitrate: Option<u64>,
    /// Where the last byte range of a segment ended, and of a part.
    last: Option<(String, u64)>,
    last_part: Option<(String, u64)>,
}

impl Segments {
    /// Those behind a segment: what held for it holds on.
    pub(super) fn behind(before: Option<&Segment>) -> Self {
        let Some(before) = before else { return Self::default() };
        Self {
            keys: before.keys.clone(),
            map: before.map.clone(),
            bitrate: before.bitrate,
            last: before.byte_range.map(|range| (before.uri.clone(), range.end())),
            ..Self::default()
        }
    }

    /// Takes a tag. `false`: it is none of a segment that is read here.
    pub(super) fn tag(&mut self, variables: &mut Variables, name: &str, value: &str) -> Result<bool, Why> {
        let form = || Why::Value(name.to_owned());
        match name {
            "#EXTINF" => {
                let (duration, title) = value.split_once(',').unwrap_or((value, ""));
                self.duration = Some(seconds(duration.trim_end()).ok_or_else(form)?);
                self.next.title = Some(title.trim().to_owned()).filter(|title| !title.is_empty());
            }
            "#EXT-X-BYTERANGE" => self.range = Some(tags::byte_range(value).ok_or_else(form)?),
            "#EXT-X-GAP" => self.next.gap = true,
            "#EXT-X-BITRATE" => self.bitrate = Some(integer(value).ok_or_else(form)?),
            "#EXT-X-KEY" => self.key(tags::key(&variables.attributes(value)?)?)?,
            "#EXT-X-MAP" => self.map = Some(Arc::new(tags::map(&variables.attributes(value)?, &self.keys)?)),
            "#EXT-X-PROGRAM-DATE-TIME" => {
                self.next.program_date_time = Some(tags::date(value).ok_or_else(form)?);
            }
            "#EXT-X-DATERANGE" => {
                self.next.date_ranges.push(tags::date_range(&variables.attributes(value)?)?);
            }
            "#EXT-X-DISCONTINUITY" => self.next.discontinuity = true,
            "#EXT-X-PART" => {
                let (mut part, range) = tags::part(&variables.attributes(value)?)?;
                part.byte_range = resolve(range, &part.uri, &mut self.last_part)?;
                self.next.parts.push(part);
            }
            _ => return Ok(false),
        }
        self.begun = true;
        Ok(true)
    }

    /// A key takes the place of the one of its format; `NONE` that of all.
    fn key(&mut self, key: Key) -> Result<(), Why> {
        if key.method == Method::None {
            self.keys = Arc::default();
            return Ok(());
        }
        let mut keys = self.keys.to_vec();
        match keys.iter().position(|other| other.format == key.format) {
            Some(at) => keys[at] = Arc::new(key),
            None if keys.len() == MAX_KEYS => return Err(Why::TooManyKeys),
            None => keys.push(Arc::new(key)),
        }
        self.keys = keys.into();
        Ok(())
    }

    /// The URI of a segment.
    pub(super) fn uri(&mut self, uri: &str) -> Result<(), Why> {
        let mut segment = self.take();
        segment.duration = self.duration.take().ok_or(Why::NoDuration)?;
        segment.byte_range = resolve(self.range.take(), uri, &mut self.last)?;
        // A rate holds until another one is said, but not for byte ranges (section 4.4.4.8).
        segment.bitrate = self.bitrate.filter(|_| segment.byte_range.is_none());
        uri.clone_into(&mut segment.uri);
        self.done.push(segment);
        Ok(())
    }

    fn take(&mut self) -> Segment {
        self.begun = false;
        let mut segment = std::mem::take(&mut self.next);
        (segment.keys, segment.map) = (self.keys.clone(), self.map.clone());
        segment
    }

    /// What is said of a segment whose URI has not come.
    pub(super) fn unfinished(&mut self) -> Result<Option<Box<Segment>>, Why> {
        for (there, name) in
            [(self.duration.is_some(), "#EXTINF"), (self.range.is_some(), "#EXT-X-BYTERANGE")]
        {
            if there {
                return Err(Why::NoUri(name.to_owned()));
            }
        }
        Ok(self.begun.then(|| Box::new(self.take())))
    }
}

/// A byte range with its offset: without one, it goes on where the last one of the same resource ended.
fn resolve(
    range: Option<tags::WrittenRange>,
    uri: &str,
    last: &mut Option<(String, u64)>,
) -> Result<Option<ByteRange>, Why> {
    let Some((length, offset)) = range else {
        *last = None;
        return Ok(None);
    };
    let follows = last.as_ref().filter(|(other, _)| other == uri).map(|(_, end)| *end);
    let range = ByteRange { length, offset: offset.or(follows).ok_or(Why::NoOffset)? };
    *last = Some((uri.to_owned(), range.end()));
    Ok(Some(range))
}
