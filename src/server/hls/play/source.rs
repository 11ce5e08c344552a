//! What a player asks for, asked of servers: playlists, and media with what is needed to make sense of them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, stream};
use http::{HeaderName, HeaderValue, StatusCode, Uri};

use super::super::decrypt::{decrypt, iv_of};
use super::super::kinds::MAX_SEGMENT;
use super::link::{SLICE, Throttle};
use super::requests::{Media, News};
use crate::proto::hls::abr::Ms;
use crate::proto::hls::play::piece::Piece;
use crate::proto::hls::play::player::{Failure, Kind};
use crate::proto::hls::playlist::MAX_PLAYLIST;
use crate::proto::hls::playlist::media::{ByteRange, Key, Method};
use crate::proto::http::reference::join;
use crate::server::http::body::BodyError;
use crate::server::http::client::fetch::{Ask, FetchError, Fetched, Fetcher, Part};

/// Bytes of an initialization section at most.
const MAX_MAP: u64 = 1 << 20;

/// Bytes of an answer to a request for a key: more than any has, so that what is wrong with it can be told.
const MAX_KEY: u64 = 4 << 10;

/// Keys and initialization sections that are kept.
const KEPT: usize = 32;

/// Fields that every request has.
pub(super) type Fields = Arc<[(HeaderName, HeaderValue)]>;

/// Where things come from.
#[derive(Clone, Debug)]
pub(super) struct Source {
    fetcher: Fetcher,
    fields: Fields,
    throttle: Option<Throttle>,
    /// Whether media are wanted, or only that they come.
    wanted: bool,
    kept: Arc<Mutex<VecDeque<Kept>>>,
}

/// A key or an initialization section.
#[derive(Debug)]
struct Kept {
    uri: Uri,
    range: Option<ByteRange>,
    bytes: Bytes,
}

impl Source {
    pub(super) fn new(fetcher: Fetcher, fields: Fields, throttle: Option<Throttle>, wanted: bool) -> Self {
        Self { fetcher, fields, throttle, wanted, kept: Arc::default() }
    }

    fn ask(&self, uri: Uri, range: Option<ByteRange>, patience: Ms) -> Ask {
        let patience = Duration::try_from_secs_f64(patience / 1000.0).unwrap_or(Duration::MAX);
        let ask = Ask::of(uri).fields(Arc::clone(&self.fields)).within(patience);
        match range {
            Some(range) => ask.range(range.offset..range.end()),
            None => ask,
        }
    }

    /// Forgets what was kept: the same address may have something else now.
    pub(super) fn forget(&self) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// A playlist, and where it was in the end.
    pub(super) async fn playlist(&self, uri: Uri, patience: Ms) -> Result<(Bytes, Uri), Failure> {
        self.small(uri, None, MAX_PLAYLIST as u64, patience).await
    }

    /// The news of a playlist.
    pub(super) fn list(&self, uri: Uri, patience: Ms) -> impl Stream<Item = News> + Send + 'static {
        let source = self.clone();
        stream::once(async move {
            match source.playlist(uri, patience).await {
                Ok((bytes, uri)) => News::List(bytes, uri),
                Err(failure) => News::Failed(failure),
            }
        })
    }

    /// Something that is asked for as a whole.
    async fn small(
        &self,
        uri: Uri,
        range: Option<ByteRange>,
        limit: u64,
        patience: Ms,
    ) -> Result<(Bytes, Uri), Failure> {
        if let Some(throttle) = &self.throttle {
            throttle.request().await;
        }
        let whole = self.fetcher.whole(&self.ask(uri, range, patience), limit).await;
        let (bytes, fetched) = whole.map_err(|error| failure(&error))?;
        if let Some(throttle) = &self.throttle {
            throttle.carry(bytes.len()).await;
        }
        Ok((bytes, fetched.uri))
    }

    /// The same, kept for the next time.
    async fn kept(
        &self,
        uri: Uri,
        range: Option<ByteRange>,
        limit: u64,
        patience: Ms,
    ) -> Result<Bytes, Failure> {
        let known = |kept: &&Kept| kept.uri == uri && kept.range == range;
        let kept = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kept().iter().find(known) {
            return Ok(known.bytes.clone());
        }
        let (bytes, _) = self.small(uri.clone(), range, limit, patience).await?;
        let mut kept = kept();
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(Kept { uri, range, bytes: bytes.clone() });
        Ok(bytes)
    }

    /// The news of a segment or a part.
    pub(super) fn media(&self, piece: Box<Piece>, patience: Ms) -> impl Stream<Item = News> + Send + 'static {
        let begin = Step::Prepare(self.clone(), piece, patience);
        stream::unfold(begin, |step| async move {
            match step.go().await {
                Ok(next) => next,
                Err(failure) => Some((News::Failed(failure), Step::Over)),
            }
        })
    }

    /// What is needed for a piece, apart from itself: its initialization section, and its key with its vector.
    async fn prepare(&self, piece: &Piece, patience: Ms) -> Result<(Option<Bytes>, Option<Secret>), Failure> {
        let map = match &piece.map {
            Some(map) => {
                let bytes = self.kept(place(piece, &map.uri)?, map.byte_range, MAX_MAP, patience).await?;
                Some(match self.secret(piece, &map.keys, None, patience).await? {
                    Some(secret) => secret.open(&bytes)?,
                    None => bytes,
                })
            }
            None => None,
        };
        Ok((map, self.secret(piece, &piece.keys, Some(piece.place.msn), patience).await?))
    }

    /// How something is decrypted; nothing if it is in the clear.
    async fn secret(
        &self,
        piece: &Piece,
        keys: &[Arc<Key>],
        number: Option<u64>,
        patience: Ms,
    ) -> Result<Option<Secret>, Failure> {
        let Some(first) = keys.iter().find(|key| key.method != Method::None) else { return Ok(None) };
        let Some(key) = keys.iter().find(|key| is_ours(key)).cloned() else {
            let method = first.method.word();
            return Err(lasting(format!("it is encrypted by {method}, for which there is no key here")));
        };
        let uri = key.uri.as_deref().ok_or_else(|| lasting("EXT-X-KEY has no URI".to_owned()))?;
        let bytes = self.kept(place(piece, uri)?, None, MAX_KEY, patience).await;
        let bytes =
            bytes.map_err(|failure| Failure { why: format!("its key: {}", failure.why), ..failure })?;
        let key_bytes: [u8; 16] = bytes
            .as_ref()
            .try_into()
            .map_err(|_| lasting(format!("its key has {} bytes, where 16 are needed", bytes.len())))?;
        let iv = key.iv.or(number.map(iv_of));
        let iv = iv.ok_or_else(|| lasting("its EXT-X-MAP is encrypted and has no IV".to_owned()))?;
        Ok(Some(Secret { key: key_bytes, iv }))
    }
}

/// How bytes are decrypted.
#[derive(Debug)]
struct Secret {
    key: [u8; 16],
    iv: [u8; 16],
}

impl Secret {
    fn open(&self, bytes: &[u8]) -> Result<Bytes, Failure> {
        decrypt(bytes, self.key, self.iv)
            .ok_or_else(|| lasting("it cannot be decrypted: its padding is wrong".to_owned()))
    }
}

/// How far a piece has come.
enum Step {
    Prepare(Source, Box<Piece>, Ms),
    Body(Box<Coming>),
    Over,
}

/// A body that comes.
struct Coming {
    source: Source,
    fetched: Fetched,
    map: Option<Bytes>,
    secret: Option<Secret>,
    /// Bytes in front of what was asked for, of a server that sends all.
    skip: u64,
    /// Bytes that are wanted of the rest.
    left: u64,
    /// Whether what follows those is of no interest.
    cut: bool,
    /// Whether that many have to come.
    exact: bool,
    come: u64,
    kept: BytesMut,
    /// What has come and was not let through.
    rest: Bytes,
}

impl Step {
    async fn go(self) -> Result<Option<(News, Self)>, Failure> {
        match self {
            Self::Over => Ok(None),
            Self::Prepare(source, piece, patience) => {
                let (map, secret) = source.prepare(&piece, patience).await?;
                if let Some(throttle) = &source.throttle {
                    throttle.request().await;
                }
                let ask = source.ask(place(&piece, &piece.uri)?, piece.range, patience);
                let fetched = source.fetcher.get(&ask).await.map_err(|error| failure(&error))?;
                let (skip, left) = match (&fetched.part, piece.range) {
                    (Part::Whole, Some(range)) => (range.offset, range.length),
                    (_, Some(range)) => (0, range.length),
                    (_, None) => (0, MAX_SEGMENT),
                };
                let length = piece.range.map(|range| range.length).or(fetched.length());
                let (kept, rest) = (BytesMut::new(), Bytes::new());
                let cut = fetched.part == Part::Whole && piece.range.is_some();
                let exact = piece.range.is_some();
                let coming =
                    Coming { source, fetched, map, secret, skip, left, cut, exact, come: 0, kept, rest };
                Ok(Some((News::Answered(length), Self::Body(Box::new(coming)))))
            }
            Self::Body(mut coming) => Ok(Some(match coming.more().await? {
                true => (News::Progressed(coming.come), Self::Body(coming)),
                false => (News::Media(coming.whole()?), Self::Over),
            })),
        }
    }
}

impl Coming {
    /// Takes what comes next; whether there was something.
    async fn more(&mut self) -> Result<bool, Failure> {
        if self.cut && self.left == 0 {
            return Ok(false);
        }
        while self.rest.is_empty() {
            let Some(piece) = self.fetched.piece().await else {
                let short = self.exact && self.left > 0;
                return if short { Err(failure(&FetchError::Range)) } else { Ok(false) };
            };
            let mut bytes = piece.map_err(|error| failure(&error))?.bytes;
            let before = self.skip.min(bytes.len() as u64);
            self.skip -= before;
            self.rest = bytes.split_off(usize::try_from(before).unwrap_or(usize::MAX));
        }
        let most = if self.source.throttle.is_some() { SLICE } else { usize::MAX };
        let most = if self.cut { most.min(usize::try_from(self.left).unwrap_or(usize::MAX)) } else { most };
        let slice = self.rest.split_to(self.rest.len().min(most));
        if let Some(throttle) = &self.source.throttle {
            throttle.carry(slice.len()).await;
        }
        if slice.len() as u64 > self.left {
            return Err(lasting(format!("it has more bytes than {}", self.come + self.left)));
        }
        self.come += slice.len() as u64;
        self.left -= slice.len() as u64;
        if self.source.wanted {
            self.kept.extend_from_slice(&slice);
        }
        Ok(true)
    }

    fn whole(self) -> Result<Media, Failure> {
        let bytes = self.kept.freeze();
        let bytes = match self.secret {
            Some(secret) if self.source.wanted => secret.open(&bytes)?,
            _ => bytes,
        };
        Ok(Media { come: self.come, bytes, map: self.map })
    }
}

/// Where a reference of a piece's playlist leads.
fn place(piece: &Piece, reference: &str) -> Result<Uri, Failure> {
    join(&piece.base, reference).map_err(|_| lasting(format!("{reference:?} is no address")))
}

/// Whether a key is one that is used here.
fn is_ours(key: &Key) -> bool {
    key.method == Method::Aes128 && key.format.as_deref().is_none_or(|format| format == "identity")
}

fn lasting(why: String) -> Failure {
    Failure::new(Kind::Lasting, why)
}

/// What a failure of a fetch means to a player.
fn failure(error: &FetchError) -> Failure {
    let missing = [StatusCode::NOT_FOUND, StatusCode::GONE, StatusCode::FORBIDDEN];
    let after = error.retry_after();
    let kind = match error {
        // It says when: it is not there yet.
        _ if after.is_some() => Kind::Passing,
        FetchError::Range => Kind::Missing,
        FetchError::Body(BodyError::TooLarge(_)) => Kind::Lasting,
        error if error.status().is_some_and(|status| missing.contains(&status)) => Kind::Missing,
        error if error.is_passing() => Kind::Passing,
        _ => Kind::Lasting,
    };
    let after = after.map(|after| after.as_secs_f64() * 1000.0);
    Failure { why: crate::server::one_line(error), kind, after }
}
