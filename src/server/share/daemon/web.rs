//! The doors of the daemon over HTTP: the API for programs, the page for people, files while they come, and Transmission's RPC.
//!
//! Pages of other sites run in the browsers of those who use this one. What changes something therefore has a field that no other site can send, and a host
//! name that leads here by somebody else's DNS is refused, unless all have to show who they are.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use http::header::CACHE_CONTROL;
use http::{HeaderValue, Method, StatusCode, Uri};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::record::{FilePriority, TorrentLimits};
use super::settings::DaemonSettings;
use super::{Daemon, Origin, TakeError, Wishes, page, rpc, view};
use crate::net::client::Connector;
use crate::proto::bittorrent::hash::Sha1;
use crate::server::http::client::fetch::{Ask, Fetcher, Retry};
use crate::server::http::handler::Next;
use crate::server::http::problem::Problem;
use crate::server::http::request::Request;
use crate::server::http::response::{IntoResponse as _, Response};
use crate::server::http::router::Router;
use crate::server::one_line;

/// What whoever changes something sends. Other sites cannot: their browsers would ask here first, and are not allowed.
const FIELD: &str = "x-wireworks";

/// Bytes of a torrent file at most.
const MOST: u64 = 64 << 20;

/// Nobody keeps what changes each second.
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// All that the daemon answers. `hosts` are the names by which it may be called beside addresses and `localhost`; `None` for all.
pub(in crate::server::share) fn routes(daemon: &Daemon, hosts: Option<Vec<String>>) -> Router {
    let router = Router::new()
        .get("/api/torrents", answers(daemon, |daemon, _| Ok(json(&daemon.list()))))
        .post("/api/torrents", {
            let daemon = daemon.clone();
            move |request| {
                let daemon = daemon.clone();
                async move { reply(add(&daemon, request).await) }
            }
        })
        .get("/api/torrents/{id}", answers(daemon, |daemon, request| found(daemon.detail(id(request)?))))
        .patch("/api/torrents/{id}", {
            let daemon = daemon.clone();
            move |request| {
                let daemon = daemon.clone();
                async move { reply(patch(&daemon, request).await) }
            }
        })
        .delete(
            "/api/torrents/{id}",
            answers(daemon, |daemon, request| {
                let Removal { files } = request.query()?;
                done(daemon.remove(id(request)?, files), StatusCode::NO_CONTENT)
            }),
        )
        .get("/api/torrents/{id}/peers", answers(daemon, |daemon, request| found(daemon.peers(id(request)?))))
        .get(
            "/api/torrents/{id}/pieces",
            answers(daemon, |daemon, request| found(daemon.pieces_of(id(request)?))),
        )
        .post(
            "/api/torrents/{id}/verify",
            answers(daemon, |daemon, request| done(daemon.verify(id(request)?), StatusCode::ACCEPTED)),
        )
        .post("/api/torrents/{id}/peers", {
            let daemon = daemon.clone();
            move |request| {
                let daemon = daemon.clone();
                async move { reply(add_peer(&daemon, request).await) }
            }
        })
        .post(
            "/api/torrents/{id}/announce",
            answers(daemon, |daemon, request| done(daemon.announce(id(request)?), StatusCode::ACCEPTED)),
        )
        .get("/api/banned", answers(daemon, |daemon, _| Ok(json(&daemon.banned_view()))))
        .delete(
            "/api/banned",
            answers(daemon, |daemon, _| {
                daemon.forgive();
                done(true, StatusCode::NO_CONTENT)
            }),
        )
        .get("/api/rates", answers(daemon, |daemon, _| Ok(json(&daemon.rates()))))
        .get("/api/settings", answers(daemon, |daemon, _| Ok(json(&daemon.settings_view()))))
        .patch("/api/settings", {
            let daemon = daemon.clone();
            move |request| {
                let daemon = daemon.clone();
                async move { reply(settings(&daemon, request).await) }
            }
        })
        .layer(guard);
    let streams = daemon.clone();
    let router = router.get("/stream/{id}/{*path}", move |request: Request| {
        let daemon = streams.clone();
        async move {
            let path: String = request.param("path")?;
            daemon.stream(request.head(), id(&request)?, &path)
        }
    });
    let router = page::routes(rpc::routes(router, daemon));
    router.layer(move |request: Request, next: Next| {
        let refused = hosts.as_ref().is_some_and(|hosts| !is_ours(request.field("host"), hosts));
        async move {
            if refused {
                let why = "this name is not known here: use the address, or start with --host NAME";
                return fail(StatusCode::MISDIRECTED_REQUEST, why);
            }
            next.run(request).await
        }
    })
}

/// A handler that looks at a request's head alone.
fn answers(
    daemon: &Daemon,
    answer: impl Fn(&Daemon, &Request) -> Result<Response, Problem> + Clone + Send + Sync + 'static,
) -> impl Fn(Request) -> std::future::Ready<Response> + Send + Sync + 'static {
    let daemon = daemon.clone();
    move |request| std::future::ready(reply(answer(&daemon, &request)))
}

/// Lets pass what only looks, and what no other site can send.
async fn guard(request: Request, next: Next) -> Response {
    let looks = matches!(*request.method(), Method::GET | Method::HEAD);
    // What stands elsewhere is not there, whoever asks.
    if looks || !request.path().starts_with("/api/") || request.field(FIELD).is_some() {
        return next.run(request).await;
    }
    fail(StatusCode::FORBIDDEN, "what changes something has to have the field X-Wireworks: 1")
}

/// Whether a host name, with or without a port, is one by which the daemon may be called.
fn is_ours(host: Option<&str>, hosts: &[String]) -> bool {
    let Some(host) = host else { return true };
    let Ok(uri) = host.parse::<Uri>() else { return false };
    let Some(name) = uri.host() else { return false };
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    bare.parse::<std::net::IpAddr>().is_ok()
        || name.eq_ignore_ascii_case("localhost")
        || hosts.iter().any(|own| own.eq_ignore_ascii_case(name))
}

fn json(value: &impl serde::Serialize) -> Response {
    Response::json(value).with(CACHE_CONTROL, NO_STORE)
}

fn found<T: serde::Serialize>(value: Option<T>) -> Result<Response, Problem> {
    value.map(|value| json(&value)).ok_or_else(unknown)
}

fn done(is_there: bool, status: StatusCode) -> Result<Response, Problem> {
    if is_there { Ok(Response::empty(status)) } else { Err(unknown()) }
}

fn unknown() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "there is no such torrent")
}

fn fail(status: StatusCode, why: &str) -> Response {
    json(&json!({ "error": why })).status(status)
}

fn reply(answer: Result<Response, Problem>) -> Response {
    match answer {
        Ok(response) => response,
        // The details of our own faults are for the log.
        Err(problem) if problem.status().is_server_error() => problem.into_response(),
        Err(problem) => fail(problem.status(), problem.detail()),
    }
}

fn id(request: &Request) -> Result<Sha1, Problem> {
    request.raw_param("id").and_then(|id| id.parse().ok()).ok_or_else(unknown)
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Removal {
    files: bool,
}

/// How a torrent is added, in the query.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Adding {
    paused: Option<bool>,
    sequential: bool,
    folder: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sourced {
    source: String,
}

async fn add(daemon: &Daemon, mut request: Request) -> Result<Response, Problem> {
    let Adding { paused, sequential, folder } = request.query()?;
    let folder = folder.map(absolute).transpose()?;
    request.gather_limit(MOST);
    let is_json = request.field("content-type").is_some_and(|kind| kind.starts_with("application/json"));
    let origin = if is_json {
        let Sourced { source } = request.json().await?;
        origin(&source).await?
    } else {
        Origin::file(&request.bytes().await?).map_err(refused)?
    };
    let taken = daemon.take(origin, Wishes { folder, paused, sequential, ..Wishes::default() }).await;
    let id = taken.map_err(refused)?;
    found(daemon.torrent(id)).map(|response| response.status(StatusCode::CREATED))
}

/// A peer that a person knows.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    addr: SocketAddr,
}

async fn add_peer(daemon: &Daemon, mut request: Request) -> Result<Response, Problem> {
    let id = id(&request)?;
    let Known { addr } = request.json().await?;
    match daemon.add_peer(id, addr) {
        Some(true) => done(true, StatusCode::ACCEPTED),
        Some(false) => Err(Problem::new(StatusCode::CONFLICT, "the torrent does not run")),
        None => Err(unknown()),
    }
}

/// What a link or a URL leads to.
pub(super) async fn origin(source: &str) -> Result<Origin, Problem> {
    let source = source.trim();
    let is_url = ["http://", "https://"]
        .iter()
        .any(|scheme| source.get(..scheme.len()).is_some_and(|head| head.eq_ignore_ascii_case(scheme)));
    if !is_url {
        return Origin::link(source).map_err(refused);
    }
    let uri: Uri =
        source.parse().map_err(|_| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "it is no URL"))?;
    let fetched = Fetcher::new(Connector::new(), Retry::default()).whole(&Ask::of(uri), MOST).await;
    let (bytes, _) = fetched.map_err(|error| Problem::new(StatusCode::BAD_GATEWAY, one_line(&error)))?;
    Origin::file(&bytes).map_err(refused)
}

fn refused(error: TakeError) -> Problem {
    let status = match error {
        TakeError::Known(_) => StatusCode::CONFLICT,
        TakeError::Metainfo(_) | TakeError::Magnet(_) => StatusCode::UNPROCESSABLE_ENTITY,
        TakeError::TooMany => StatusCode::INSUFFICIENT_STORAGE,
        TakeError::Store(error) => return Problem::internal(error.to_string()),
    };
    Problem::new(status, error.to_string())
}

/// A folder, which has to be named from the root on: the daemon has no place of its own that people know.
pub(super) fn absolute(folder: PathBuf) -> Result<PathBuf, Problem> {
    if folder.is_absolute() {
        return Ok(folder);
    }
    Err(Problem::bad_request("the folder has to begin with /"))
}

/// A change of a torrent.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Patch {
    paused: Option<bool>,
    sequential: Option<bool>,
    limits: Option<Map<String, Value>>,
    position: Option<usize>,
    priorities: Option<BTreeMap<usize, FilePriority>>,
    folder: Option<PathBuf>,
}

async fn patch(daemon: &Daemon, mut request: Request) -> Result<Response, Problem> {
    let id = id(&request)?;
    let patch: Patch = request.json().await?;
    let folder = patch.folder.map(absolute).transpose()?;
    let before = daemon.torrent(id).ok_or_else(unknown)?;
    let limits = patch.limits.map(|change| merged::<TorrentLimits>(&before.limits, change)).transpose()?;
    daemon.change(id, |record| {
        record.paused = patch.paused.unwrap_or(record.paused);
        record.sequential = patch.sequential.unwrap_or(record.sequential);
        record.limits = limits.unwrap_or(record.limits);
    });
    if let Some(priorities) = patch.priorities {
        daemon.set_priorities(id, &priorities);
    }
    if let Some(position) = patch.position {
        daemon.set_position(id, position);
    }
    if let Some(folder) = folder {
        daemon.move_to(id, folder);
    }
    found(daemon.torrent(id))
}

async fn settings(daemon: &Daemon, mut request: Request) -> Result<Response, Problem> {
    let mut change: Map<String, Value> = request.json().await?;
    let before = daemon.settings();
    if let Some(Value::Object(alternative)) = change.remove("alternative") {
        // Its members are changed one by one, too.
        let merged = merged::<super::Alternative>(&before.alternative, alternative)?;
        change.insert("alternative".to_owned(), serde_json::to_value(merged).unwrap_or_default());
    }
    let settings = merged::<DaemonSettings>(&before, change)?;
    absolute(settings.folder.clone())?;
    settings.complete.clone().map(absolute).transpose()?;
    daemon.set_settings(|current| *current = settings);
    Ok(json(&daemon.settings_view()))
}

/// A value with some of its members changed.
fn merged<T>(before: &T, change: Map<String, Value>) -> Result<T, Problem>
where
    T: serde::Serialize + serde::de::DeserializeOwned,
{
    let Ok(Value::Object(mut all)) = serde_json::to_value(before) else {
        return Err(Problem::internal("a value that is no object"));
    };
    all.extend(change);
    serde_json::from_value(Value::Object(all)).map_err(|error| Problem::bad_request(error.to_string()))
}

impl Daemon {
    /// Gives files of a torrent other priorities, by the numbers that people know; whether the torrent is there.
    pub(super) fn set_priorities(&self, id: Sha1, change: &BTreeMap<usize, FilePriority>) -> bool {
        let layout = {
            let state = self.state();
            let Some(entry) = state.entries.get(&id) else { return false };
            entry.layout().cloned()
        };
        let Some(layout) = layout else { return true };
        self.change(id, |record| {
            record.priorities = view::prioritised(&layout, &record.priorities, change);
            // What is wanted now may be missing.
            record.completed = None;
        })
    }
}
