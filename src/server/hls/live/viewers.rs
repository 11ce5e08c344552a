//! What viewers get over HTTP/1.1: playlists that may be waited for, and segments and parts from memory (sections 6.2.5 and 6.2.6, appendix B.1).
//!
//! All who wait for a playlist are woken by one new edition, which was written once. A part that is hinted at is answered when it is there, whole. What a name stands for never changes, so that
//! caches may keep all of it; a playlist that was waited for is the answer to that question for good, too.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, RETRY_AFTER, VARY};
use http::{HeaderValue, StatusCode};
use tokio::sync::watch;
use tokio::time::Instant;

use super::edition::{Edition, Newest};
use super::ingest;
use super::stream::{MULTIVARIANT, PLAYLIST, Stream};
use super::streams::Streams;
use crate::proto::hls::live::names::Name;
use crate::proto::hls::playlist::reload::{Awaited, Directives};
use crate::proto::http::list::FieldLines as _;
use crate::proto::http::negotiate::{AcceptEncoding, Coding};
use crate::server::hls::access::StreamKeys;
use crate::server::http::problem::Problem;
use crate::server::http::request::Request;
use crate::server::http::response::{IntoResponse, Response};
use crate::server::http::router::{RouteError, Router};

/// Where streams are.
pub const BASE: &str = "/live";

const M3U8: HeaderValue = HeaderValue::from_static("application/vnd.apple.mpegurl");
const MP4: HeaderValue = HeaderValue::from_static("video/mp4");
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=3600, immutable");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// Adds the routes of viewers: playlists, segments and parts below [`BASE`].
///
/// # Errors
/// The router has one of the routes already.
pub fn watch(router: &mut Router, streams: &Streams) -> Result<(), RouteError> {
    let known = streams.clone();
    let get = http::Method::GET;
    router.add(get.clone(), &format!("{BASE}/{{name}}/{MULTIVARIANT}"), move |request: Request| {
        let reply = answer(multivariant(&known, &request));
        async move { reply }
    })?;
    let known = streams.clone();
    router.add(get, &format!("{BASE}/{{name}}/{{rendition}}/{{file}}"), move |request: Request| {
        let streams = known.clone();
        let asked = Asked::of(&request);
        async move {
            answer(match asked {
                Ok(asked) => file(&streams, asked).await,
                Err(problem) => Err(problem),
            })
        }
    })
}

/// Adds the routes of publishers, who show a key: `PUT` and `POST` of feeds, and `DELETE` of streams.
///
/// # Errors
/// The router has one of the routes already.
pub fn publish(router: &mut Router, streams: &Streams, keys: &StreamKeys) -> Result<(), RouteError> {
    let tracks = ingest::Tracks::default();
    for path in [format!("{BASE}/{{name}}"), format!("{BASE}/{{name}}/{{rendition}}")] {
        for method in [http::Method::PUT, http::Method::POST] {
            let (known, tracks, keys) = (streams.clone(), tracks.clone(), keys.clone());
            router.add(method, &path, move |request: Request| {
                let (streams, tracks) = (known.clone(), tracks.clone());
                let admitted = ingest::http::admit(&keys, &request);
                async move { ingest::http::receive(&streams, &tracks, admitted?, request).await }
            })?;
        }
    }
    let (known, keys) = (streams.clone(), keys.clone());
    router.add(http::Method::DELETE, &format!("{BASE}/{{name}}"), move |request: Request| {
        let admitted = ingest::http::admit(&keys, &request);
        let ended = admitted.and_then(|target| ingest::http::end(&known, target.name()));
        async move { ended }
    })
}

/// What is not there may be there soon: nobody should remember it.
fn answer(reply: Result<Response, Problem>) -> Response {
    reply.unwrap_or_else(|problem| {
        let soon = problem.status() == StatusCode::NOT_FOUND;
        let reply = problem.into_response();
        let reply = if soon { reply.with(RETRY_AFTER, HeaderValue::from_static("1")) } else { reply };
        reply.with(CACHE_CONTROL, NO_STORE)
    })
}

fn not_there() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "there is nothing of that name")
}

/// What was asked for, without the request, whose body cannot be looked at from several threads.
struct Asked {
    stream: String,
    rendition: String,
    file: String,
    query: String,
    gzip: bool,
}

impl Asked {
    fn of(request: &Request) -> Result<Self, Problem> {
        Ok(Self {
            stream: request.param("name")?,
            rendition: request.param("rendition")?,
            file: request.param("file")?,
            query: request.head().query().unwrap_or_default().to_owned(),
            gzip: AcceptEncoding::parse(request.head().lines(ACCEPT_ENCODING.as_str())).accepts(Coding::Gzip),
        })
    }
}

fn multivariant(streams: &Streams, request: &Request) -> Result<Response, Problem> {
    let runs = streams.runs(&request.param::<String>("name")?);
    let text = runs.iter().find_map(|stream| stream.multivariant()).ok_or_else(not_there)?;
    Ok(Response::of(M3U8, text).with(CACHE_CONTROL, HeaderValue::from_static("public, max-age=1")))
}

async fn file(streams: &Streams, asked: Asked) -> Result<Response, Problem> {
    let Asked { stream, rendition, file, query, gzip } = asked;
    let runs = streams.runs(&stream);
    if file == PLAYLIST {
        let mut known = runs.iter().filter_map(|stream| stream.editions(&rendition));
        let editions = known.find(|editions| editions.borrow().is_some()).ok_or_else(not_there)?;
        drop(runs);
        return playlist(editions, &query, gzip).await;
    }
    let mut named = runs.into_iter().filter_map(|stream| Some((Name::read(&file, stream.run)?, stream)));
    let (name, stream) = named.next().ok_or_else(not_there)?;
    let bytes = match (stream.resource(&rendition, name), name) {
        (Some(bytes), _) => bytes,
        (None, Name::Part(msn, part)) => hinted(&stream, &rendition, msn, part).await?,
        (None, _) => return Err(not_there()),
    };
    Ok(Response::of(MP4, bytes).with(CACHE_CONTROL, FOR_EVER))
}

/// A media playlist, when what was asked for is there.
async fn playlist(
    mut editions: watch::Receiver<Newest>,
    query: &str,
    gzip: bool,
) -> Result<Response, Problem> {
    let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
    let directives = Directives::parse(pairs.iter().map(|(name, value)| (&**name, &**value)));
    drop(pairs);
    let first = editions.borrow_and_update().clone().ok_or_else(not_there)?;
    let bad = |error: &dyn std::error::Error| Problem::new(StatusCode::BAD_REQUEST, error.to_string());
    // Of a playlist that has ended, directives are ignored (section 6.2.5).
    let directives = match directives {
        _ if first.tail.ended => Directives::default(),
        read => read.map_err(|error| bad(&error))?,
    };
    let target = first.tail.target_duration;
    let edition = match directives.wait {
        None => first,
        Some(awaited) => {
            first.tail.may_await(awaited).map_err(|error| bad(&error))?;
            wait(&mut editions, awaited).await?
        }
    };
    let age = match directives.wait {
        // The same question has the same answer for as long as a client may ask it.
        Some(_) => 6 * target,
        None => (target / 2).max(1),
    };
    let cached = HeaderValue::try_from(format!("public, max-age={age}")).unwrap_or(NO_STORE);
    let text = match (&edition.delta, directives.skip) {
        (Some(delta), Some(_)) => delta,
        _ => &edition.whole,
    };
    let packed = if gzip { text.gzip() } else { None };
    let coding = packed.is_some().then(|| HeaderValue::from_static(Coding::Gzip.name()));
    let reply = Response::of(M3U8, packed.unwrap_or_else(|| text.plain.clone()))
        .with(CACHE_CONTROL, cached)
        .with(VARY, HeaderValue::from_static("accept-encoding"));
    Ok(match coding {
        Some(coding) => reply.with(CONTENT_ENCODING, coding),
        None => reply,
    })
}

/// The first edition that has what is awaited: at once, or within three target durations.
async fn wait(editions: &mut watch::Receiver<Newest>, awaited: Awaited) -> Result<Arc<Edition>, Problem> {
    let mut deadline = None;
    loop {
        let newest = editions.borrow_and_update().clone().ok_or_else(not_there)?;
        if newest.tail.has(awaited) {
            return Ok(newest);
        }
        let target = Duration::from_secs(newest.tail.target_duration);
        let deadline = *deadline.get_or_insert_with(|| Instant::now() + target * 3);
        match tokio::time::timeout_at(deadline, editions.changed()).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err(not_there()),
            Err(_) => {
                return Err(Problem::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "nothing new came for three target durations",
                ));
            }
        }
    }
}

/// A part that the playlist hints at, when it is there: nothing of it is sent before all of it is.
async fn hinted(stream: &Stream, rendition: &str, msn: u64, part: u64) -> Result<Bytes, Problem> {
    let mut editions = stream.editions(rendition).ok_or_else(not_there)?;
    let awaited = Awaited { msn, part: Some(part) };
    let newest = editions.borrow().clone().ok_or_else(not_there)?;
    let name = Name::Part(msn, part);
    let hinted = newest.tail.preload_hints.iter().any(|hint| Name::read(&hint.uri, stream.run) == Some(name));
    if !hinted {
        // It may have come since somebody looked.
        return stream.resource(rendition, name).ok_or_else(not_there);
    }
    // The part may also never come, when the segment ends before it.
    wait(&mut editions, awaited).await.map_err(|_| not_there())?;
    stream.resource(rendition, name).ok_or_else(not_there)
}
