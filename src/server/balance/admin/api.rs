//! The runtime API: HTTP and JSON.
//!
//! | | |
//! |---|---|
//! | `GET /api/status` | all of it |
//! | `GET /api/status` | everything below in one document |
//! | `GET /api/listeners`, `/api/config` | listeners and their counters; the configuration in use |
//! | `GET /api/events` | `/api/status` each second, as server-sent events |
//! | `POST /api/upstreams/NAME/backends` | adds a backend: `{"address": "…", "weight": 1, "backup": false}` |
//! | `PATCH /api/upstreams/NAME/backends/ADDRESS` | changes one: `{"weight": 2}`, `{"state": "ready"}`, `"drain"` or `"down"` |
//! | `DELETE /api/upstreams/NAME/backends/ADDRESS` | removes one |
//! | `POST /api/reload` | reloads the configuration file |
//! | `GET /api/caches` | caches and their counters |
//! | `POST /api/caches/NAME/purge` | removes stored responses: `{"host": "*", "target": "/a/*"}` |

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::stream;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use tokio::time::{MissedTickBehavior, interval};

use super::Desk;
use super::guard::{ApiError, Guard};
use super::view::{BackendView, ConfigView, UpstreamView, View, caches, listeners};
use crate::net::client::Target;
use crate::server::balance::backend::{Origin, Setup};
use crate::server::balance::upstream::Upstream;
use crate::server::balance::vitals::Admin;
use crate::server::http::handler::{Handler, HandlerFuture};
use crate::server::http::request::Request;
use crate::server::http::response::{IntoResponse, Response};
use crate::server::http::router::Router;
use crate::server::http::sse::{Event, Events};

/// The interval of `/api/events`.
const TICK: Duration = Duration::from_secs(1);

/// The longest body of a change, in bytes.
const MAX_BODY: u64 = 16 * 1024;

/// The greatest weight. `round-robin` rounds when a round is longer than 65,536.
const MAX_WEIGHT: u32 = 65_536;

/// The most backends that operators can add to an upstream.
const MAX_ADDED: usize = 1000;

/// The API.
#[derive(Debug)]
pub(super) struct Api {
    desk: Desk,
    guard: Guard,
    /// Locked while the backends of an upstream are changed, so that no change is lost.
    changing: Mutex<()>,
}

/// The result of a route.
type Answer = fn(Arc<Api>, Request) -> HandlerFuture<'static>;

/// A route of the API.
struct Route {
    api: Arc<Api>,
    changes: bool,
    answer: Answer,
}

impl Handler for Route {
    fn handle(&self, mut request: Request) -> HandlerFuture<'_> {
        if self.changes
            && let Err(error) = self.api.guard.check(&request)
        {
            return Box::pin(async move { error.into_response() });
        }
        request.gather_limit(MAX_BODY);
        (self.answer)(Arc::clone(&self.api), request)
    }
}

/// A backend to add.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Added {
    address: String,
    #[serde(default = "one")]
    weight: u32,
    #[serde(default)]
    backup: bool,
}

const fn one() -> u32 {
    1
}

/// Changes of a backend.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    weight: Option<u32>,
    state: Option<State>,
}

/// What to remove from a cache: the host, `*` for all, and the target.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Purge {
    #[serde(default = "all")]
    host: String,
    target: String,
}

fn all() -> String {
    "*".into()
}

/// How many URIs were removed.
#[derive(Debug, Serialize)]
struct Purged {
    purged: usize,
}

/// The state that an operator sets.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    Ready,
    Drain,
    Down,
}

impl Api {
    /// The routes of the API.
    pub(super) fn routes(desk: &Desk, guard: Guard) -> Router {
        let api = Arc::new(Self { desk: desk.clone(), guard, changing: Mutex::new(()) });
        let route = |changes: bool, answer: Answer| Route { api: Arc::clone(&api), changes, answer };
        Router::new()
            .get("/api/status", route(false, |api, _| answer(async move { shown(&api.view()) })))
            .get("/api/events", route(false, |api, _| answer(async move { Ok(api.events()) })))
            .get("/api/upstreams", route(false, |api, _| answer(async move { shown(&api.view().upstreams) })))
            .get(
                "/api/upstreams/{upstream}",
                route(false, |api, request| answer(async move { shown(&api.upstream_view(&request)?) })),
            )
            .get(
                "/api/listeners",
                route(false, |api, _| answer(async move { shown(&listeners(&api.desk.balancer)) })),
            )
            .get(
                "/api/config",
                route(false, |api, _| {
                    answer(async move { shown(&ConfigView::of(&api.desk.balancer.loaded())) })
                }),
            )
            .post(
                "/api/upstreams/{upstream}/backends",
                route(true, |api, request| answer(async move { api.add(request).await })),
            )
            .patch(
                "/api/upstreams/{upstream}/backends/{backend}",
                route(true, |api, request| answer(async move { api.change(request).await })),
            )
            .delete(
                "/api/upstreams/{upstream}/backends/{backend}",
                route(true, |api, request| answer(async move { api.remove(&request) })),
            )
            .get(
                "/api/caches",
                route(false, |api, _| answer(async move { shown(&caches(&api.desk.balancer)) })),
            )
            .post(
                "/api/caches/{cache}/purge",
                route(true, |api, request| answer(async move { api.purge(request).await })),
            )
            .post("/api/reload", route(true, |api, _| answer(async move { api.reload().await })))
            .fallback(|_: Request| async { ApiError::not_found("there is nothing here") })
    }

    fn view(&self) -> View {
        View::of(&self.desk.balancer)
    }

    /// The stream of status documents.
    fn events(self: Arc<Self>) -> Response {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let events = stream::unfold((self, ticks), |(api, mut ticks)| async move {
            ticks.tick().await;
            let event = Event::json(&api.view()).unwrap_or_default();
            Some((Ok::<_, Infallible>(event), (api, ticks)))
        });
        Events::new(events).into_response()
    }

    fn upstream(&self, request: &Request) -> Result<Arc<Upstream>, ApiError> {
        let name: String = request.param("upstream")?;
        let upstreams = self.desk.balancer.upstreams();
        let found = upstreams.get(&*name).map(Arc::clone);
        found.ok_or_else(|| ApiError::not_found(format!("unknown upstream {name}")))
    }

    fn upstream_view(&self, request: &Request) -> Result<UpstreamView, ApiError> {
        let upstream = self.upstream(request)?;
        Ok(UpstreamView::of(&upstream, &self.desk.balancer, now()))
    }

    /// A backend as it is now.
    fn backend_view(&self, upstream: &Upstream, name: &str) -> Result<BackendView, ApiError> {
        let backend = upstream.find(name).map_err(|error| ApiError::not_found(error.to_string()))?;
        Ok(BackendView::of(&backend, &self.desk.balancer, now()))
    }

    async fn add(&self, mut request: Request) -> Result<Response, ApiError> {
        let upstream = self.upstream(&request)?;
        let Added { address, weight, backup } = request.json().await?;
        let target: Target = address
            .parse()
            .map_err(|error| ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, format!("{error}")))?;
        check_weight(weight)?;
        let name = target.to_string();
        let _changing = self.changing();
        let members = upstream.members();
        if upstream.find(&name).is_ok() {
            return Err(ApiError::new(StatusCode::CONFLICT, format!("{name} is there already")));
        }
        // How it is reached, checked and judged is as for the others.
        let setup =
            Setup { origin: Origin::Operator, weight, priority: u32::from(backup), ..Setup::new(target) };
        let setup = setup.like(&members.settings().template);
        let added = members.backends().iter().filter(|backend| backend.setup().origin == Origin::Operator);
        let mut setups: Vec<_> = added.map(|backend| backend.setup().clone()).collect();
        if setups.len() >= MAX_ADDED {
            let detail = format!("operators may add {MAX_ADDED} backends to an upstream");
            return Err(ApiError::new(StatusCode::CONFLICT, detail));
        }
        setups.push(setup);
        upstream.replace(Origin::Operator, setups, now());
        tracing::info!(upstream = %upstream.name(), backend = name, weight, "backend added by an operator");
        Ok(Response::json(&self.backend_view(&upstream, &name)?).status(StatusCode::CREATED))
    }

    async fn change(&self, mut request: Request) -> Result<Response, ApiError> {
        let upstream = self.upstream(&request)?;
        let name: String = request.param("backend")?;
        let Change { weight, state } = request.json().await?;
        if weight.is_none() && state.is_none() {
            return Err(ApiError::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "say a `weight`, a `state`, or both",
            ));
        }
        weight.map_or(Ok(()), check_weight)?;
        let missing =
            |error: crate::server::balance::upstream::NoBackend| ApiError::not_found(error.to_string());
        let _changing = self.changing();
        let backend = upstream.find(&name).map_err(missing)?;
        if let Some(weight) = weight {
            upstream.set_weight(&name, weight, now()).map_err(missing)?;
            tracing::info!(upstream = %upstream.name(), backend = name, weight, "weight set by an operator");
        }
        if let Some(state) = state {
            let admin = match state {
                State::Ready => Admin::Ready,
                State::Drain => Admin::Drain,
                State::Down => Admin::Down,
            };
            backend.vitals().set_admin(admin);
            upstream.refresh(now());
            tracing::info!(upstream = %upstream.name(), backend = name, state = admin.name(), "state set by an operator");
        }
        Ok(Response::json(&self.backend_view(&upstream, &name)?))
    }

    fn remove(&self, request: &Request) -> Result<Response, ApiError> {
        let upstream = self.upstream(request)?;
        let name: String = request.param("backend")?;
        let _changing = self.changing();
        upstream.remove(&name, now()).map_err(|error| ApiError::not_found(error.to_string()))?;
        tracing::info!(upstream = %upstream.name(), backend = name, "backend removed by an operator");
        Ok(Response::empty(StatusCode::NO_CONTENT))
    }

    async fn purge(&self, mut request: Request) -> Result<Response, ApiError> {
        let name: String = request.param("cache")?;
        let found = self.desk.balancer.caches().get(&*name).map(Arc::clone);
        let cache = found.ok_or_else(|| ApiError::not_found(format!("unknown cache {name}")))?;
        let Purge { host, target } = request.json().await?;
        if !target.starts_with('/') {
            let detail = "a `target` is a path: `/a?b=c`, `/a`, or `/a/*`";
            return Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, detail));
        }
        let purged = cache.purge(&host, &target);
        tracing::info!(cache = name, host, target, purged, "cache purged by an operator");
        shown(&Purged { purged })
    }

    async fn reload(&self) -> Result<Response, ApiError> {
        let Some(source) = self.desk.source.clone() else {
            return Err(ApiError::new(StatusCode::CONFLICT, "the balancer runs without a file"));
        };
        let balancer = Arc::clone(&self.desk.balancer);
        // Reading blocks.
        let outcome = tokio::task::spawn_blocking(move || source.reload(&balancer)).await;
        let outcome = outcome
            .map_err(|_| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "the reload failed within"))?;
        outcome.map_err(|error| ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string()))?;
        shown(&ConfigView::of(&self.desk.balancer.loaded()))
    }

    fn changing(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn answer(
    future: impl Future<Output = Result<Response, ApiError>> + Send + 'static,
) -> HandlerFuture<'static> {
    Box::pin(async move { future.await.into_response() })
}

fn shown(value: &impl Serialize) -> Result<Response, ApiError> {
    Ok(Response::json(value).with(http::header::CACHE_CONTROL, http::HeaderValue::from_static("no-store")))
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

fn check_weight(weight: u32) -> Result<(), ApiError> {
    if weight <= MAX_WEIGHT {
        return Ok(());
    }
    Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, format!("a weight is at most {MAX_WEIGHT}")))
}
