//! A media playlist that is checked, with its segments, in one version or several.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use super::super::decrypt::{decrypt, iv_of};
use super::super::kinds::MAX_SEGMENT;
use super::super::location::Location;
use super::fetch::{FetchError, Fetcher};
use super::report::Report;
use super::{PLAYLIST, Settings, is_playlist_type};
use crate::proto::hls::check::segment::Checker;
use crate::proto::hls::check::{self, Held, Rendition};
use crate::proto::hls::playlist::media::{ByteRange, Define, Key, Map, MediaPlaylist, Method, Segment};
use crate::proto::hls::playlist::read::Playlist;
use crate::proto::hls::playlist::variables::Variables;

/// What all of them need.
pub(super) struct Context {
    pub(super) fetcher: Fetcher,
    pub(super) settings: Settings,
}

impl Context {
    /// The bytes of a playlist, and where they were.
    pub(super) async fn playlist(
        &self,
        place: &Location,
        name: &str,
        report: &mut Report,
    ) -> Option<(Bytes, Location)> {
        match self.fetcher.get(place, None, PLAYLIST).await {
            Ok(fetched) => {
                report.playlists += 1;
                report.bytes += fetched.bytes.len() as u64;
                let by_path = place.path().ends_with(".m3u8") || place.path().ends_with(".m3u");
                let by_type = fetched.content_type.as_deref().is_some_and(is_playlist_type);
                if !by_path && !by_type {
                    let detail = fetched.content_type.unwrap_or_else(|| "it has no type".into());
                    report.broken("playlist-type", name, detail);
                }
                Some((fetched.bytes, fetched.place))
            }
            Err(error) => {
                report.broken("available", name, words(&error));
                None
            }
        }
    }
}

/// An error in one line, with its causes.
fn words(error: &FetchError) -> String {
    crate::server::one_line(error)
}

/// A media playlist.
pub(super) struct Watched {
    place: Location,
    /// Where it was in the end, which is what its references are relative to.
    base: Location,
    name: String,
    imports: Vec<Define>,
    independent: bool,
    playlist: Option<MediaPlaylist>,
    checker: Option<Checker>,
    /// The number of the segment to be read next.
    next: u64,
    /// What each segment has, by its number; bytes as they are sent.
    sizes: HashMap<u64, u64>,
    map: Option<Arc<Map>>,
    keys: HashMap<String, Option<[u8; 16]>>,
}

impl Watched {
    pub(super) fn new(place: Location, name: String, imports: Vec<Define>, independent: bool) -> Self {
        Self {
            base: place.clone(),
            place,
            name,
            imports,
            independent,
            playlist: None,
            checker: None,
            next: 0,
            sizes: HashMap::new(),
            map: None,
            keys: HashMap::new(),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn place(&self) -> &Location {
        &self.place
    }

    pub(super) fn playlist(&self) -> Option<&MediaPlaylist> {
        self.playlist.as_ref()
    }

    /// For the rules about renditions.
    pub(super) fn rendition<'a>(&'a self, sizes: Option<&'a [u64]>) -> Option<Rendition<'a>> {
        let playlist = self.playlist.as_ref()?;
        Some(Rendition { uri: &self.name, playlist, sizes })
    }

    /// The bytes of each segment, if all are known.
    pub(super) fn sizes(&self) -> Option<Vec<u64>> {
        let playlist = self.playlist.as_ref()?;
        let numbers = (playlist.media_sequence..).take(playlist.segments.len());
        let known = numbers.zip(&playlist.segments).map(|(number, segment)| match segment.gap {
            true => Some(0),
            false => self.sizes.get(&number).copied(),
        });
        known.collect()
    }

    /// For the rules about streams.
    pub(super) fn held(&self) -> Option<Held<'_>> {
        let tracks = self.checker.as_ref()?.tracks();
        Some(Held { uri: &self.name, tracks })
    }

    /// The same, which was found at `base`.
    pub(super) fn found(self, base: Location) -> Self {
        Self { base, ..self }
    }

    /// What is written at this place now, read.
    pub(super) fn read(&self, bytes: &[u8]) -> check::Report {
        check::playlist(bytes, Variables::new(&self.imports, self.base.query()))
    }

    /// Gets the playlist, and its segments. Whether it could be read.
    pub(super) async fn load(&mut self, context: &Context, report: &mut Report) -> bool {
        let found = context.playlist(&self.place, &self.name, report).await;
        let Some((bytes, base)) = found else { return false };
        self.base = base;
        let read = self.read(&bytes);
        report.add(&self.name, read.findings);
        match read.playlist {
            Some(Playlist::Media(playlist)) => {
                self.take(playlist, context, report).await;
                true
            }
            Some(Playlist::Multivariant(_)) => {
                report.broken("syntax", &self.name, "it is a multivariant playlist in another one".into());
                false
            }
            None => false,
        }
    }

    /// A version of the playlist: what is new in it is read.
    pub(super) async fn take(&mut self, playlist: MediaPlaylist, context: &Context, report: &mut Report) {
        if let Some(old) = &self.playlist {
            report.add(&self.name, check::reload(old, &playlist));
        }
        let first_time = self.checker.is_none();
        let independent = self.independent;
        let mut checker = self.checker.take().unwrap_or_else(|| Checker::new(&playlist, independent));
        let most = context.settings.segments.unwrap_or(usize::MAX);
        let (from, to) = match (first_time, playlist.ended) {
            (true, true) => (0, playlist.segments.len().min(most)),
            (true, false) => (playlist.segments.len().saturating_sub(most), playlist.segments.len()),
            (false, _) => (0, playlist.segments.len()),
        };
        for (index, segment) in playlist.segments.iter().enumerate().take(to).skip(from) {
            let number = playlist.media_sequence + index as u64;
            if number < self.next && !first_time {
                continue;
            }
            if number > self.next {
                checker.skip();
            }
            self.next = number + 1;
            if segment.gap {
                checker.skip();
                continue;
            }
            self.segment(number, segment, &mut checker, context, report).await;
        }
        self.checker = Some(checker);
        self.playlist = Some(playlist);
    }

    async fn segment(
        &mut self,
        number: u64,
        segment: &Segment,
        checker: &mut Checker,
        context: &Context,
        report: &mut Report,
    ) {
        if let Some(map) = &segment.map
            && self.map.as_ref() != Some(map)
        {
            self.map = Some(map.clone());
            let place = self.named(&map.uri);
            if let Some(bytes) = self.fetch(&map.uri, map.byte_range, &place, context, report).await
                && let Some(clear) = self.clear(bytes, &map.keys, None, &place, context, report).await
            {
                report.add(&place, checker.map(&clear));
            }
        }
        let place = self.named(&segment.uri);
        let bytes = self.fetch(&segment.uri, segment.byte_range, &place, context, report).await;
        let Some(bytes) = bytes else { return checker.skip() };
        report.segments += 1;
        self.sizes.insert(number, bytes.len() as u64);
        match self.clear(bytes, &segment.keys, Some(number), &place, context, report).await {
            Some(clear) => report.add(&place, checker.segment(segment, &clear)),
            None => checker.skip(),
        }
    }

    /// How a resource is called in reports: with its playlist in front, as many have the same name.
    fn named(&self, uri: &str) -> String {
        format!("{} {uri}", self.name)
    }

    pub(super) async fn fetch(
        &self,
        uri: &str,
        range: Option<ByteRange>,
        place: &str,
        context: &Context,
        report: &mut Report,
    ) -> Option<Bytes> {
        let got = match self.base.join(uri) {
            Ok(location) => context.fetcher.get(&location, range, MAX_SEGMENT).await,
            Err(error) => Err(error.into()),
        };
        match got {
            Ok(fetched) => {
                report.bytes += fetched.bytes.len() as u64;
                Some(fetched.bytes)
            }
            Err(error) => {
                let rule = if matches!(error, FetchError::Range(_)) { "byte-range" } else { "available" };
                report.broken(rule, place, words(&error));
                None
            }
        }
    }

    /// The bytes in clear; `None` when they cannot be had, or are in a manner that is not known here.
    async fn clear(
        &mut self,
        bytes: Bytes,
        keys: &[Arc<Key>],
        number: Option<u64>,
        place: &str,
        context: &Context,
        report: &mut Report,
    ) -> Option<Bytes> {
        let key = keys.iter().find(|key| key.method != Method::None);
        let Some(key) = key else { return Some(bytes) };
        if key.method != Method::Aes128 {
            // Samples are encrypted in the segment: what is around them cannot be judged by their contents.
            return None;
        }
        let secret = self.key(key, place, context, report).await?;
        let iv = key.iv.or(number.map(iv_of))?;
        let clear = decrypt(&bytes, secret, iv);
        if clear.is_none() {
            report.broken(
                "encryption",
                place,
                "its padding is wrong, or its length is no multiple of 16".into(),
            );
        }
        clear
    }

    async fn key(
        &mut self,
        key: &Key,
        place: &str,
        context: &Context,
        report: &mut Report,
    ) -> Option<[u8; 16]> {
        let uri = key.uri.as_deref()?;
        if let Some(known) = self.keys.get(uri) {
            return *known;
        }
        let bytes = self.fetch(uri, None, place, context, report).await;
        let secret = bytes.and_then(|bytes| {
            let secret = bytes.as_ref().try_into().ok();
            if secret.is_none() {
                report.broken("key-length", place, format!("{uri} has {} bytes", bytes.len()));
            }
            secret
        });
        self.keys.insert(uri.to_owned(), secret);
        secret
    }
}
