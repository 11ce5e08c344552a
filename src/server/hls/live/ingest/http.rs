//! Feeds over HTTP: `PUT` or `POST` of `/live/NAME` or `/live/NAME/RENDITION`, with a body that goes on as long as the stream does; or of
//! `/live/NAME/Streams(RENDITION)`, with one piece of it after the other.

use http::StatusCode;

use super::container::{Container, Malformed};
use super::{Failed, Tracks, feed, finish};
use crate::proto::hls::live::segmenter::Unusable;
use crate::server::hls::access::StreamKeys;
use crate::server::hls::live::stream::Ended;
use crate::server::hls::live::streams::{Refused, Streams, WhoPublishes};
use crate::server::http::problem::Problem;
use crate::server::http::request::Request;
use crate::server::http::response::Response;

/// Bytes of a manifest at most: that of a day with an entry for each segment.
const MAX_MANIFEST: usize = 8 << 20;

/// What a path names that somebody may publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A feed that is one body.
    Whole(String),
    /// One that comes in pieces.
    Track(String),
    /// A manifest of DASH or HLS, which an encoder sends beside its tracks. There is another one here, so that it is read and forgotten.
    Manifest(String),
}

impl Target {
    /// The name of the stream, with its rendition.
    #[must_use]
    pub fn name(&self) -> &str {
        let (Self::Whole(name) | Self::Track(name) | Self::Manifest(name)) = self;
        name
    }

    /// What `rendition` of the stream `name` is, as it stands in a path. Encoders like to have a file's name, so that its end may be one of a file.
    fn of(name: String, rendition: Option<String>) -> Self {
        let bare = |name: String| {
            let ends = [".ts", ".mp4", ".cmfv", ".cmfa", ".m4s"];
            let bare = ends.iter().find_map(|end| name.strip_suffix(end)).map(str::to_owned);
            bare.unwrap_or(name)
        };
        let Some(rendition) = rendition else { return Self::Whole(bare(name)) };
        let track = rendition.strip_prefix("Streams(").and_then(|inside| inside.strip_suffix(')'));
        if let Some(track) = track {
            return Self::Track(bare(format!("{name}/{track}")));
        }
        let full = format!("{name}/{rendition}");
        if [".mpd", ".m3u8"].iter().any(|end| rendition.ends_with(end)) {
            return Self::Manifest(full);
        }
        Self::Whole(bare(full))
    }
}

/// The stream that the path of a request names, which its publisher may publish.
///
/// # Errors
/// 401 when it may not.
pub fn admit(keys: &StreamKeys, request: &Request) -> Result<Target, Problem> {
    let name: String = request.param("name")?;
    let rendition = request.raw_param("rendition").map(|_| request.param("rendition")).transpose()?;
    let target = Target::of(name, rendition);
    keys.admit_request(target.name(), request)?;
    Ok(target)
}

/// Takes the body of a request as a feed, as a piece of one, or as a manifest. 204 at its end.
///
/// # Errors
/// See [`take`], and 412 when a piece comes before its initialization section.
pub(in crate::server::hls::live) async fn receive(
    streams: &Streams,
    tracks: &Tracks,
    target: Target,
    mut request: Request,
) -> Result<Response, Problem> {
    match target {
        Target::Whole(name) => return take(streams, &name, request).await,
        Target::Track(name) => {
            let peer = request.peer().addr;
            let taken = tracks.take(streams, &name, peer, request.body_mut()).await;
            if let Err(problem) = &taken {
                tracing::warn!(stream = name, reason = %problem, "a piece of the feed was not taken");
            }
            taken?;
        }
        Target::Manifest(_) => {
            let mut bytes = 0usize;
            while let Some(data) = request.body_mut().data().await {
                bytes = bytes.saturating_add(data?.len());
                if bytes > MAX_MANIFEST {
                    let detail = format!("the manifest is longer than {MAX_MANIFEST} bytes");
                    return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail));
                }
            }
        }
    }
    Ok(Response::empty(StatusCode::NO_CONTENT))
}

/// Takes the body of a request as a feed of the stream `name`. 204 at its end.
///
/// # Errors
/// 400 when the name or the bytes are no good, 409 when the stream is taken, 410 when it has ended, 415 for another container, 422 when it cannot be served, 503 when there is no room
/// for it, 507 when there is no memory.
pub async fn take(streams: &Streams, name: &str, mut request: Request) -> Result<Response, Problem> {
    let who = WhoPublishes { by: "http", peer: Some(request.peer().addr) };
    let mut publisher = streams.publish(name, who).map_err(|refused| refusal(&refused))?;
    let mut container = Container::default();
    let mut over = std::pin::pin!(publisher.over());
    let fed = async {
        loop {
            let bytes = tokio::select! {
                biased;
                // The server that goes down may end the connection, too: this is said first.
                () = streams.stopping() => return Err(problem(Ended::Stream.into())),
                () = &mut over => return Err(problem(Ended::Stream.into())),
                bytes = request.body_mut().data() => bytes,
            };
            match bytes {
                None => break,
                Some(Ok(bytes)) => feed(&mut container, &mut publisher, &bytes).await.map_err(problem)?,
                // The connection is lost: what is there is all that there is.
                Some(Err(error)) => {
                    let _ = finish(&mut container, &mut publisher).await;
                    return Err(error.into());
                }
            }
        }
        finish(&mut container, &mut publisher).await.map_err(problem)
    };
    let fed: Result<(), Problem> = fed.await;
    if let Err(problem) = &fed {
        tracing::warn!(stream = name, reason = %problem, "the feed has ended");
    }
    fed.map(|()| Response::empty(StatusCode::NO_CONTENT))
}

/// Ends a stream, whoever publishes it.
///
/// # Errors
/// 404 when there is none of that name.
pub fn end(streams: &Streams, name: &str) -> Result<Response, Problem> {
    if streams.end(name) {
        return Ok(Response::empty(StatusCode::NO_CONTENT));
    }
    Err(Problem::new(StatusCode::NOT_FOUND, "no such stream goes on"))
}

pub(super) fn refusal(refused: &Refused) -> Problem {
    let status = match refused {
        Refused::Name(_) => StatusCode::BAD_REQUEST,
        Refused::Taken(_) => StatusCode::CONFLICT,
        Refused::Full | Refused::Leaving => StatusCode::SERVICE_UNAVAILABLE,
    };
    Problem::new(status, refused.to_string())
}

pub(super) fn problem(failed: Failed) -> Problem {
    let status = match &failed {
        Failed::Malformed(Malformed::Unknown) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Failed::Malformed(Malformed::Mp4(_) | Malformed::Empty | Malformed::Ts(_)) => StatusCode::BAD_REQUEST,
        Failed::Ended(Ended::Stream) => StatusCode::GONE,
        Failed::Ended(Ended::Unusable(
            Unusable::TooMuch(_) | Unusable::TooMany(_) | Unusable::Init(_) | Unusable::TooLong,
        )) => StatusCode::PAYLOAD_TOO_LARGE,
        Failed::Ended(Ended::Unusable(Unusable::NoTracks | Unusable::NoKey(_))) => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        Failed::Ended(Ended::Memory(_)) => StatusCode::INSUFFICIENT_STORAGE,
    };
    Problem::new(status, failed.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_feeds_pieces_and_manifests() {
        let whole = |name: &str| Target::Whole(name.to_owned());
        let track = |name: &str| Target::Track(name.to_owned());
        for (name, rendition, target) in [
            ("stage", None, whole("stage")),
            ("stage.ts", None, whole("stage")),
            ("stage", Some("hd.mp4"), whole("stage/hd")),
            ("stage", Some("Streams(hd.cmfv)"), track("stage/hd")),
            ("stage", Some("Streams(hd)"), track("stage/hd")),
            ("stage", Some("Streams()"), track("stage/")),
            ("stage", Some("Streams(hd"), whole("stage/Streams(hd")),
            ("stage", Some("manifest.mpd"), Target::Manifest("stage/manifest.mpd".to_owned())),
        ] {
            assert_eq!(Target::of(name.to_owned(), rendition.map(str::to_owned)), target);
        }
    }
}
