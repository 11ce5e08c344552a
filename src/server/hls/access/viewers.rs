//! Who may watch: whoever has a signed link, or shows a token.
//!
//! A [`Guarded`] handler stands in front of a router. A request behind a [signature](super::link) goes on without it; others have to show a token
//! (RFC 6750). Only reading is guarded: publishers show the key of their stream to the door that they come by, and a page without a stream is no secret.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use http::header::{CACHE_CONTROL, VARY};
use http::{HeaderValue, Method, StatusCode};

use super::link::{BadLink, Link};
use crate::proto::http::amend::Amendment;
use crate::server::credentials::{Credentials, CredentialsError, Scheme, Secret};
use crate::server::fresh::Fresh;
use crate::server::http::handler::{Handler, HandlerFuture};
use crate::server::http::middleware::auth::Auth;
use crate::server::http::problem::Problem;
use crate::server::http::request::Request;
use crate::server::http::response::{IntoResponse, Response};
use crate::server::keys::{Keys, KeysError};
use crate::server::process::Process;

/// Who is asked for tokens, as clients show it.
const REALM: &str = "wireworks hls";

/// Why it cannot be told who may watch.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The keys of links.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// Tokens, or keys of streams.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
}

/// Who may watch. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Viewers(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    links: Option<Arc<Fresh<Keys>>>,
    tokens: Option<Arc<Fresh<Auth>>>,
}

impl Viewers {
    /// Those with links that are signed by the keys in the file at `links`, which is made if it is not there, and those with tokens.
    /// Without either, everybody.
    ///
    /// # Errors
    /// A file cannot be read, or holds something else.
    pub fn load(links: Option<&Path>, tokens: &[Secret]) -> Result<Self, AccessError> {
        let open = |path: &Path| {
            let file = path.to_owned();
            Fresh::new(vec![path.to_owned()], move || Keys::open(&file))
        };
        let links = links.map(open).transpose()?;
        let tokens = (!tokens.is_empty()).then(|| {
            let typed = tokens.to_vec();
            Fresh::new(tokens.iter().filter_map(Secret::file).collect(), move || {
                let mut auth = Auth::new(REALM);
                for typed in &typed {
                    for (name, token) in Credentials::load(Scheme::ViewToken, typed)?.iter() {
                        auth = auth.token(name, token);
                    }
                }
                Ok::<_, CredentialsError>(auth)
            })
        });
        Ok(Self(Arc::new(Inner { links, tokens: tokens.transpose()? })))
    }

    /// Reads the files again when they have changed, as long as the process serves: after a rotation by `wireworks hls link --rotate`, for example.
    pub(in crate::server::hls) fn follow(&self, process: &mut Process) {
        self.0.links.iter().for_each(|links| links.follow(process));
        self.0.tokens.iter().for_each(|tokens| tokens.follow(process));
    }

    /// Whether everybody may watch.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.0.links.is_none() && self.0.tokens.is_none()
    }

    /// Lets nobody else read from `handler`, but for the paths that are `public`.
    pub fn guard(&self, handler: impl Handler, public: fn(&str) -> bool) -> Guarded {
        Guarded { viewers: self.clone(), handler: Box::new(handler), public }
    }

    /// Lets a request in, without its signature, and tells whether it was by a token; or says why not.
    fn admit(&self, request: &mut Request, public: fn(&str) -> bool) -> ControlFlow<Response, By> {
        if let Some(link) = Link::of(request.path()) {
            let entered = match self.open(link) {
                Ok(path) => enter(request, &path),
                Err(error) => refuse(&error.to_string()),
            };
            return entered.map_continue(|()| By::All);
        }
        // Browsers ask whether they may ask without showing anything (Fetch, section 4.8).
        if self.is_open() || *request.method() == Method::OPTIONS || !reads(request) || public(request.path())
        {
            return ControlFlow::Continue(By::All);
        }
        let shown = match &self.0.tokens {
            Some(tokens) => tokens.load().before(request),
            None => refuse("this is only shown to those who have a signed link"),
        };
        shown.map_continue(|()| By::Token)
    }

    fn open(&self, link: Result<Link<'_>, BadLink>) -> Result<String, BadLink> {
        let Some(links) = &self.0.links else { return Err(BadLink::Forged) };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        Ok(link?.open(&links.load(), now)?.to_owned())
    }
}

/// Who may have what a request was answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    /// Whoever has the same address.
    All,
    /// Whoever shows a token.
    Token,
}

/// Keeps a reply from caches that others use: those may take `public` for a leave to give to all what was asked for with a token (RFC 9111 section 3.5).
fn keep_private(response: &mut Response) {
    let fields = response.fields_mut();
    if let Some(value) = fields.find(CACHE_CONTROL.as_str()).and_then(|value| value.to_str().ok()) {
        let directives = value.split(',').map(str::trim);
        let kept = directives.map(|one| if one.eq_ignore_ascii_case("public") { "private" } else { one });
        let kept = kept.collect::<Vec<_>>().join(", ");
        if let Ok(value) = HeaderValue::try_from(kept) {
            fields.set(CACHE_CONTROL, value);
        }
    }
    fields.append(VARY, HeaderValue::from_static("authorization"));
}

/// Who only wants to read.
fn reads(request: &Request) -> bool {
    matches!(*request.method(), Method::GET | Method::HEAD)
}

/// Goes on to the path behind a signature. Only what is read is signed.
fn enter(request: &mut Request, path: &str) -> ControlFlow<Response> {
    if !reads(request) && *request.method() != Method::OPTIONS {
        return refuse("a link is for watching");
    }
    let mut amendment = Amendment::default();
    amendment.path(path);
    match amendment.apply(request.head()) {
        Ok(head) => {
            request.replace_head(head);
            ControlFlow::Continue(())
        }
        Err(_) => refuse(&BadLink::Forged.to_string()),
    }
}

fn refuse(why: &str) -> ControlFlow<Response> {
    ControlFlow::Break(Problem::new(StatusCode::FORBIDDEN, why.to_owned()).into_response())
}

/// A handler behind a guard.
pub struct Guarded {
    viewers: Viewers,
    handler: Box<dyn Handler>,
    public: fn(&str) -> bool,
}

impl Handler for Guarded {
    fn handle(&self, mut request: Request) -> HandlerFuture<'_> {
        match self.viewers.admit(&mut request, self.public) {
            ControlFlow::Continue(By::All) => self.handler.handle(request),
            ControlFlow::Continue(By::Token) => {
                let handled = self.handler.handle(request);
                Box::pin(async move {
                    let mut response = handled.await;
                    keep_private(&mut response);
                    response
                })
            }
            ControlFlow::Break(response) => Box::pin(std::future::ready(response)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::link::sign;
    use super::*;
    use crate::server::http::testing::request;

    fn public(path: &str) -> bool {
        path == "/player.js"
    }

    /// The status of a request, and the path that the handler saw.
    async fn ask(viewers: &Viewers, line: &str, fields: &[(&str, &str)]) -> (u16, String) {
        let handler = |request: Request| async move {
            let query = request.head().query().map(|query| format!("?{query}")).unwrap_or_default();
            format!("{}{query}", request.path())
        };
        let mut response = viewers.guard(handler, public).handle(request(line, fields, "")).await;
        let body = std::mem::take(response.body_mut()).collect(1 << 20).await.unwrap();
        (response.code().as_u16(), String::from_utf8_lossy(&body).into_owned())
    }

    #[tokio::test]
    async fn links_and_tokens_open_what_is_watched() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        let token = Secret::from("robot:abc".to_owned());
        let viewers = Viewers::load(Some(&path), std::slice::from_ref(&token)).unwrap();
        let link = sign(&Keys::open(&path).unwrap(), "/live/stage/a.m3u8", u64::MAX).unwrap();
        let expired = sign(&Keys::open(&path).unwrap(), "/live/stage/a.m3u8", 1).unwrap();
        let bearer = [("Authorization", "Bearer abc")];
        for (line, fields, status, seen) in [
            (format!("GET {link}"), &[][..], 200, "/live/stage/a.m3u8"),
            (format!("GET {link}?_HLS_msn=4"), &[], 200, "/live/stage/a.m3u8?_HLS_msn=4"),
            (format!("HEAD {link}"), &[], 200, ""),
            (format!("OPTIONS {link}"), &[], 200, "/live/stage/a.m3u8"),
            (format!("PUT {link}"), &[], 403, ""),
            (format!("GET {link}/../../x"), &[], 403, ""),
            (format!("GET {expired}"), &[], 403, ""),
            ("GET /~x/live/a".to_owned(), &[], 403, ""),
            ("GET /live/stage/a.m3u8".to_owned(), &[], 401, ""),
            ("GET /live/stage/a.m3u8".to_owned(), &bearer, 200, "/live/stage/a.m3u8"),
            ("GET /live/stage/a.m3u8".to_owned(), &[("Authorization", "Bearer abd")], 401, ""),
            ("GET /%6Cive/stage/a.m3u8".to_owned(), &[], 401, ""),
            ("OPTIONS /live/stage/a.m3u8".to_owned(), &[], 200, "/live/stage/a.m3u8"),
            ("PUT /live/stage/a.ts".to_owned(), &[], 200, "/live/stage/a.ts"),
            ("GET /player.js".to_owned(), &[], 200, "/player.js"),
        ] {
            let (code, path) = ask(&viewers, &line, fields).await;
            assert_eq!(code, status, "{line}");
            assert!(seen.is_empty() || path == seen, "{line}: {path}");
        }
        let only_links = Viewers::load(Some(&path), &[]).unwrap();
        assert_eq!(ask(&only_links, "GET /live/a", &bearer).await.0, 403);
        let only_tokens = Viewers::load(None, &[token]).unwrap();
        assert_eq!(ask(&only_tokens, &format!("GET {link}"), &bearer).await.0, 403);
        let everybody = Viewers::load(None, &[]).unwrap();
        assert!(everybody.is_open());
        assert_eq!(ask(&everybody, "GET /live/a", &[]).await.0, 200);
    }

    #[tokio::test]
    async fn what_a_token_opens_is_not_for_caches_that_others_use() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        let viewers = Viewers::load(Some(&path), &[Secret::from("robot:abc".to_owned())]).unwrap();
        let link = sign(&Keys::open(&path).unwrap(), "/live/a", u64::MAX).unwrap();
        let bearer = [("Authorization", "Bearer abc")];
        for (line, fields, said, kept, vary) in [
            ("GET /live/a", &bearer[..], "public, max-age=4", "private, max-age=4", Some("authorization")),
            ("GET /live/a", &bearer, "no-store", "no-store", Some("authorization")),
            (&format!("GET {link}"), &[], "public, max-age=4", "public, max-age=4", None),
            ("GET /player.js", &bearer, "Public", "Public", None),
        ] {
            let handler = move |_: Request| async move {
                Response::text("a").with(CACHE_CONTROL, HeaderValue::from_static(said))
            };
            let response = viewers.guard(handler, public).handle(request(line, fields, "")).await;
            let field = |name: http::HeaderName| {
                response.fields().find(name.as_str()).map(|value| value.to_str().unwrap().to_owned())
            };
            assert_eq!(
                (field(CACHE_CONTROL).as_deref(), field(VARY).as_deref()),
                (Some(kept), vary),
                "{line}"
            );
        }
    }

    #[tokio::test]
    async fn keys_are_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        let viewers = Viewers::load(Some(&path), &[]).unwrap();
        let keys = Keys::open(&path).unwrap();
        let link = sign(&keys, "/live/a", u64::MAX).unwrap();
        let twice = keys.rotate(&path).unwrap().rotate(&path).unwrap();
        let line = format!("GET {link}");
        assert_eq!(ask(&viewers, &line, &[]).await.0, 200);
        viewers.0.links.as_ref().unwrap().reread();
        assert_eq!(ask(&viewers, &line, &[]).await.0, 403);
        let line = format!("GET {}", sign(&twice, "/live/a", u64::MAX).unwrap());
        assert_eq!(ask(&viewers, &line, &[]).await.0, 200);
    }
}
