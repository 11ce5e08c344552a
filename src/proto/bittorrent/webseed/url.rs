//! URLs of web seeds: what is asked for of which file or piece, and where a redirection may lead.

use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use super::Ask;
use super::run::Wanted;
use crate::proto::bittorrent::metainfo::Info;
use crate::proto::bittorrent::tracker::{Scheme, Url, UrlError};

/// Bytes of a target, at most: a line of 8000 bytes is what servers should take (RFC 9110 section 4.1).
pub const MAX_TARGET: usize = 7900;

/// Redirections that are followed, one after the other, as libtorrent does.
pub const MAX_REDIRECTS: u32 = 5;

/// What is written as it is, as libtorrent has it.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'!')
    .remove(b'.')
    .remove(b'~')
    .remove(b'*')
    .remove(b'(')
    .remove(b')');

/// What a web seed is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A server of files (BEP 19, `url-list`).
    Files,
    /// A script that gives parts of pieces (BEP 17, `httpseeds`).
    Pieces,
}

/// Why a text is no URL of a web seed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// It is no URL.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// Neither `http` nor `https`.
    #[error("web seeds are asked by http and https, not by {}", .0.name())]
    Scheme(Scheme),
}

/// Where a web seed is.
#[derive(Clone, Debug)]
pub(super) struct Source {
    kind: Kind,
    url: Url,
}

impl Source {
    pub(super) fn new(kind: Kind, url: &str) -> Result<Self, SourceError> {
        // Blanks are common, and mean one thing.
        let url = url.trim().replace(' ', "%20");
        Ok(Self { kind, url: of_http(url.parse()?)? })
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    /// The request for this. `None` if its target would be too long.
    pub(super) fn ask(&self, info: &Info, wanted: &Wanted) -> Option<Ask> {
        let (target, range) = match wanted {
            Wanted::File { file, range } => (self.of_file(info, *file)?, Some(range.clone())),
            Wanted::Piece { piece, ranges } => {
                let whole = 0..u64::from(info.layout().piece_size(*piece));
                let is_whole = ranges.len() == 1 && ranges.first() == Some(&whole);
                let ranges = if is_whole { &[] } else { &ranges[..] };
                (self.of_piece(info, *piece, ranges), None)
            }
        };
        (target.len() <= MAX_TARGET).then_some(Ask { target, range })
    }

    /// Where a file is (BEP 19): a torrent of one file is at the URL, unless that is a folder; several are in a folder.
    fn of_file(&self, info: &Info, file: usize) -> Option<String> {
        let mut target = self.url.target().to_owned();
        let is_folder = target.ends_with('/');
        let is_single = matches!(info.layout().files(), [only] if only.path.len() == 1);
        if is_single && !is_folder {
            return Some(target);
        }
        let path = info.raw_path(file);
        // Not written at all, as it may have megabytes.
        if path.iter().map(|level| level.len()).sum::<usize>() > MAX_TARGET {
            return None;
        }
        for (depth, level) in path.into_iter().enumerate() {
            if depth > 0 || !is_folder {
                target.push('/');
            }
            target.extend(percent_encode(level, PLAIN));
        }
        Some(target)
    }

    /// How a script is asked (BEP 17). Without ranges it gives the whole piece.
    fn of_piece(&self, info: &Info, piece: u32, ranges: &[std::ops::Range<u64>]) -> String {
        let mut target = self.url.target().to_owned();
        let joint = if target.contains('?') { '&' } else { '?' };
        let id = info.hash().id();
        // A string takes what is written to it.
        let _ = write!(target, "{joint}info_hash={}&piece={piece}", percent_encode(&id.0, PLAIN));
        for (number, range) in ranges.iter().enumerate() {
            let joint = if number == 0 { "&ranges=" } else { "," };
            let _ = write!(target, "{joint}{}-{}", range.start, range.end.saturating_sub(1));
        }
        target
    }
}

fn of_http(url: Url) -> Result<Url, SourceError> {
    match url.scheme() {
        Scheme::Http | Scheme::Https => Ok(url),
        Scheme::Udp => Err(SourceError::Scheme(Scheme::Udp)),
    }
}

/// Where a redirection leads: what `Location` says in answer to a request for a target at the host of `from`. The
/// same range is asked for there, and not more than [`MAX_REDIRECTS`] are followed.
///
/// It may be any other origin, as mirrors are; bytes are compared with hashes anyway. But it is a server that says so,
/// and has to be allowed at the address that is connected to: [`allowed::link`](super::super::tracker::allowed::link)
/// for `Purpose::WebSeed` and `Author::Redirect` of the address that has said so, which refuses what leads further
/// inside than that is itself (libtorrent: from global to local), and queries on local services.
///
/// # Errors
/// It is no URL, or none of HTTP.
pub fn redirected(from: &Url, target: &str, location: &str) -> Result<Url, SourceError> {
    let location = location.trim();
    let head = location.split(['/', '?', '#']).next().unwrap_or_default();
    let path = target.split('?').next().unwrap_or_default();
    let relative = match location.chars().next() {
        Some('/') => return of_http(from.redirected(location)?),
        Some(_) if head.contains(':') => return of_http(location.parse()?),
        Some('?') => format!("{path}{location}"),
        None | Some('#') => target.to_owned(),
        Some(_) => format!("{}/{location}", path.rsplit_once('/').map_or("", |(folder, _)| folder)),
    };
    // Read anew: a path that begins with two slashes is no host.
    of_http(format!("{}://{}{relative}", from.scheme().name(), from.authority()).parse()?)
}
