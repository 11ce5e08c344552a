//! The web client of the chat: plain JavaScript modules, styles and pictures, which are built into the program.
//!
//! The page at `/` is asked for anew each time, and answered with 304 as long as it is the same. It names all other files under
//! `/assets/BUILD/`, where `BUILD` is a digest of them all: what stands there never changes, and browsers keep it for a year. The content
//! security policy lets the page run these files only, and speak to its own server only. The client makes its nodes itself; text that
//! people have written is never markup.

use std::sync::LazyLock;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderName, HeaderValue, StatusCode};
use ring::digest::{Context, SHA256};

use crate::proto::http::conditional::{Validators, Verdict, evaluate};
use crate::proto::http::etag::EntityTag;
use crate::server::http::problem::Problem;
use crate::server::http::request::Request;
use crate::server::http::response::{IntoResponse, Response};
use crate::server::http::router::Router;

/// What the page may do: run and display what this server gives out, and speak to this server. Pictures that are about to be uploaded
/// are displayed by `blob:` addresses.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self'; connect-src 'self' ws: wss:; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);
const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("no-cache");

/// A file of the client.
struct Asset {
    name: &'static str,
    kind: &'static str,
    bytes: &'static [u8],
}

macro_rules! assets {
    ($($name:literal $kind:ident),* $(,)?) => {
        &[$( Asset { name: $name, kind: $kind, bytes: include_bytes!($name) }, )*]
    };
}

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const PICTURE: &str = "image/svg+xml";

const ASSETS: &[Asset] = assets![
    "app.js" SCRIPT, "chat.js" SCRIPT, "composer.js" SCRIPT, "dialogs.js" SCRIPT, "dom.js" SCRIPT, "format.js" SCRIPT,
    "link.js" SCRIPT, "media.js" SCRIPT, "message.js" SCRIPT, "notify.js" SCRIPT, "outbox.js" SCRIPT, "panes.js" SCRIPT,
    "popup.js" SCRIPT, "room.js" SCRIPT, "session.js" SCRIPT, "sidebar.js" SCRIPT, "signin.js" SCRIPT, "theme.js" SCRIPT,
    "timeline.js" SCRIPT,
    "layout.css" STYLE, "message.css" STYLE, "popup.css" STYLE, "theme.css" STYLE,
    "favicon.svg" PICTURE, "icons.svg" PICTURE,
];

/// The name that all files together have.
static BUILD: LazyLock<String> = LazyLock::new(|| {
    let mut context = Context::new(&SHA256);
    for asset in ASSETS {
        context.update(asset.name.as_bytes());
        context.update(&asset.bytes.len().to_be_bytes());
        context.update(asset.bytes);
    }
    URL_SAFE_NO_PAD.encode(&context.finish().as_ref()[..12])
});

/// The page, which names them.
static PAGE: LazyLock<Bytes> =
    LazyLock::new(|| include_str!("page.html").replace("BUILD/", &format!("assets/{}/", *BUILD)).into());

/// Adds the client: the page at `/`, and its files below `/assets`.
#[must_use]
pub fn routes(router: Router) -> Router {
    router
        .get("/", |request: Request| async move { page(&request) })
        .get("/assets/{build}/{name}", |request: Request| async move { asset(&request) })
}

fn page(request: &Request) -> Response {
    let tag = EntityTag::strong(BUILD.as_str()).ok();
    let validators = Validators { etag: tag.clone(), last_modified: None };
    let verdict = evaluate(request.method(), request.head(), Some(&validators), SystemTime::now());
    let response = match verdict {
        Verdict::Proceed => Response::html(PAGE.clone()),
        Verdict::NotModified => Response::empty(StatusCode::NOT_MODIFIED),
        Verdict::PreconditionFailed => Response::empty(StatusCode::PRECONDITION_FAILED),
    };
    let etag = tag.and_then(|tag| HeaderValue::try_from(tag.to_bytes()).ok());
    let response = guarded(response)
        .with(CONTENT_SECURITY_POLICY, POLICY)
        .with(
            PERMISSIONS_POLICY,
            HeaderValue::from_static("camera=(), geolocation=(), microphone=(), payment=()"),
        )
        .with(CACHE_CONTROL, ASK_AGAIN);
    match etag {
        Some(etag) => response.with(ETAG, etag),
        None => response,
    }
}

fn asset(request: &Request) -> Response {
    let [build, name] = ["build", "name"].map(|name| request.raw_param(name).unwrap_or_default());
    // The files of another build are not here: the page that asks for them is an old one.
    let asset = ASSETS.iter().find(|asset| asset.name == name && *BUILD == build);
    match asset {
        Some(asset) => guarded(Response::new(Bytes::from_static(asset.bytes)))
            .with(CONTENT_TYPE, HeaderValue::from_static(asset.kind))
            .with(CACHE_CONTROL, FOR_EVER),
        None => Problem::not_found().into_response(),
    }
}

fn guarded(response: Response) -> Response {
    response
        .with(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"))
        .with(REFERRER_POLICY, HeaderValue::from_static("no-referrer"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::http::handler::Handler;
    use crate::server::http::testing::{field, get, read, request};

    #[tokio::test]
    async fn the_page_names_files_that_are_there_and_never_change() {
        let router = routes(Router::new());
        let (status, page) = read(get(&router, "/").await).await;
        assert_eq!(status, 200);
        let quoted: Vec<&str> = page.split('"').skip(1).step_by(2).collect();
        let named: Vec<&&str> = quoted.iter().filter(|value| value.starts_with("assets/")).collect();
        assert_eq!(named.len(), 7, "{page}");
        for name in named {
            let response = get(&router, &format!("/{name}")).await;
            assert_eq!(field(&response, "cache-control"), "public, max-age=31536000, immutable");
            assert_eq!(field(&response, "x-content-type-options"), "nosniff");
            assert_eq!(read(response).await.0, 200, "{name}");
        }
        for other in ["/assets/x/app.js", &format!("/assets/{}/page.html", *BUILD)] {
            assert_eq!(get(&router, other).await.code(), 404, "{other}");
        }
    }

    #[tokio::test]
    async fn the_page_is_sent_again_when_it_is_another() {
        let router = routes(Router::new());
        let response = get(&router, "/").await;
        assert_eq!(field(&response, "cache-control"), "no-cache");
        let tag = field(&response, "etag").to_owned();
        for (known, status) in [(tag.as_str(), 304), ("\"other\"", 200)] {
            let response = router.handle(request("GET /", &[("If-None-Match", known)], "")).await;
            assert_eq!(response.code(), status, "{known}");
            assert_eq!(field(&response, "etag"), tag);
        }
    }

    #[tokio::test]
    async fn nothing_of_others_runs_in_the_page() {
        let response = get(&routes(Router::new()), "/").await;
        let policy = field(&response, "content-security-policy").to_owned();
        for rule in ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"] {
            assert!(policy.contains(rule), "{rule}");
        }
        assert!(!policy.contains("unsafe"));
        let (_, page) = read(response).await;
        for inline in ["<style", "onclick", "javascript:", "http://", "https://"] {
            assert!(!page.contains(inline), "{inline}");
        }
        assert_eq!(page.matches("<script").count(), page.matches("></script>").count(), "scripts are files");
    }

    #[test]
    fn text_is_never_markup_and_nothing_is_loaded_from_elsewhere() {
        for asset in ASSETS {
            let text = std::str::from_utf8(asset.bytes).unwrap();
            let markup =
                ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "DOMParser"];
            for word in markup {
                assert!(!text.contains(word), "{}: {word}", asset.name);
            }
            // The name of a vocabulary, which nobody fetches.
            let loaded = text.replace("http://www.w3.org/2000/svg", "");
            for outside in ["http://", "https://", "@import", "url("] {
                assert!(!loaded.contains(outside), "{}: {outside}", asset.name);
            }
        }
        // Each module that is imported is one of the files.
        for script in ASSETS.iter().filter(|asset| asset.kind == SCRIPT) {
            let text = std::str::from_utf8(script.bytes).unwrap();
            for import in text.split("from './").skip(1).filter_map(|rest| rest.split('\'').next()) {
                assert!(ASSETS.iter().any(|asset| asset.name == import), "{} imports {import}", script.name);
            }
        }
    }
}
