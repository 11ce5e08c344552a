//! The web client of the chat: plain JavaScript modules, styles and pictures, which are built into the program.
//!
//! The page at `/` is asked for anew each time, and answered with 304 as long as it is the same; so are the two files that browsers look
//! for under a name that stays, the worker and the manifest. They name all other files under `/assets/BUILD/`, where `BUILD` is a digest of them all: what stands there never changes, and browsers keep it for a year. The content
//! security policy lets the page run these files only, and speak to its own server only. The client makes its nodes itself; text that
//! people have written is never markup.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderName, HeaderValue};
use ring::digest::{Context, SHA256};

use crate::server::http::packed::Packed;
use crate::server::http::problem::Problem;
use crate::server::http::request::Request;
use crate::server::http::response::{IntoResponse, Response};
use crate::server::http::router::Router;

/// What the page may do: run and display what this server gives out, and speak to this server. Pictures that are about to be uploaded
/// are displayed by `blob:` addresses.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self'; connect-src 'self' ws: wss:; \
     worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
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
const DRAWING: &str = "image/svg+xml";
const PICTURE: &str = "image/png";

const ASSETS: &[Asset] = assets![
    "account.js" SCRIPT, "app.js" SCRIPT, "chat.js" SCRIPT, "composer.js" SCRIPT, "dialogs.js" SCRIPT, "dom.js" SCRIPT,
    "faces.js" SCRIPT, "format.js" SCRIPT, "keys.js" SCRIPT, "link.js" SCRIPT, "manage.js" SCRIPT, "media.js" SCRIPT,
    "message.js" SCRIPT, "notify.js" SCRIPT, "outbox.js" SCRIPT, "panes.js" SCRIPT, "people.js" SCRIPT, "popup.js" SCRIPT,
    "push.js" SCRIPT, "room.js" SCRIPT, "session.js" SCRIPT, "sidebar.js" SCRIPT, "signin.js" SCRIPT, "switcher.js" SCRIPT,
    "theme.js" SCRIPT, "timeline.js" SCRIPT, "tray.js" SCRIPT, "unread.js" SCRIPT,
    "layout.css" STYLE, "message.css" STYLE, "popup.css" STYLE, "theme.css" STYLE,
    "favicon.svg" DRAWING, "icons.svg" DRAWING,
    "icon-192.png" PICTURE, "icon-512.png" PICTURE, "icon-maskable.png" PICTURE,
];

/// The name that all files together have.
static BUILD: LazyLock<String> = LazyLock::new(|| {
    let mut context = Context::new(&SHA256);
    for asset in ASSETS {
        context.update(asset.name.as_bytes());
        context.update(&asset.bytes.len().to_be_bytes());
        context.update(asset.bytes);
    }
    for text in [include_str!("page.html"), include_str!("manifest.json"), include_str!("sw.js")] {
        context.update(text.as_bytes());
    }
    URL_SAFE_NO_PAD.encode(&context.finish().as_ref()[..12])
});

/// A file that names others.
fn naming(text: &str) -> Bytes {
    text.replace("BUILD/", &format!("assets/{}/", *BUILD)).into()
}

/// The files that are found under the same name in each build: the page, how it is installed, and what runs behind it. A worker's
/// file has to stand above the pages that it works for.
static PAGE: LazyLock<Packed> =
    LazyLock::new(|| Packed::new("text/html; charset=utf-8", naming(include_str!("page.html"))));
static MANIFEST: LazyLock<Packed> =
    LazyLock::new(|| Packed::new("application/manifest+json", naming(include_str!("manifest.json"))));
static WORKER: LazyLock<Packed> = LazyLock::new(|| Packed::new(SCRIPT, naming(include_str!("sw.js"))));

/// All others.
static PACKED: LazyLock<Vec<Packed>> = LazyLock::new(|| {
    ASSETS.iter().map(|asset| Packed::new(asset.kind, Bytes::from_static(asset.bytes))).collect()
});

/// Adds the client: the page at `/`, what goes with it, and its files below `/assets`.
#[must_use]
pub fn routes(router: Router) -> Router {
    router
        .get("/", |request: Request| async move { changing(&PAGE, &request) })
        .get("/manifest.webmanifest", |request: Request| async move { changing(&MANIFEST, &request) })
        .get("/sw.js", |request: Request| async move { changing(&WORKER, &request) })
        .get("/assets/{build}/{name}", |request: Request| async move { asset(&request) })
}

fn changing(file: &Packed, request: &Request) -> Response {
    guarded(file.answer(request, &BUILD))
        .with(CONTENT_SECURITY_POLICY, POLICY)
        .with(
            PERMISSIONS_POLICY,
            HeaderValue::from_static("camera=(), geolocation=(), microphone=(), payment=()"),
        )
        .with(CACHE_CONTROL, ASK_AGAIN)
}

fn asset(request: &Request) -> Response {
    let [build, name] = ["build", "name"].map(|name| request.raw_param(name).unwrap_or_default());
    // The files of another build are not here: the page that asks for them is an old one.
    match ASSETS.iter().position(|asset| asset.name == name && *BUILD == build) {
        Some(at) => guarded(PACKED[at].answer(request, &BUILD)).with(CACHE_CONTROL, FOR_EVER),
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
        assert_eq!(named.len(), 8, "{page}");
        for name in named {
            let response = get(&router, &format!("/{name}")).await;
            assert_eq!(field(&response, "cache-control"), "public, max-age=31536000, immutable");
            assert_eq!(field(&response, "x-content-type-options"), "nosniff");
            assert_eq!(response.code(), 200, "{name}");
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
    async fn the_worker_and_the_manifest_are_found_under_the_same_name_in_each_build() {
        let router = routes(Router::new());
        for (name, kind) in [
            ("/sw.js", "text/javascript; charset=utf-8"),
            ("/manifest.webmanifest", "application/manifest+json"),
        ] {
            let response = get(&router, name).await;
            assert_eq!(field(&response, "content-type"), kind);
            assert_eq!(field(&response, "cache-control"), "no-cache");
            let (status, text) = read(response).await;
            assert_eq!(status, 200, "{name}");
            // What they name is there.
            for file in text.split(&format!("assets/{}/", *BUILD)).skip(1) {
                let file = file.split(['"', '\'']).next().unwrap();
                let found = get(&router, &format!("/assets/{}/{file}", *BUILD)).await;
                assert_eq!(found.code(), 200, "{name} names {file}");
            }
            assert!(text.contains(BUILD.as_str()), "{name}");
        }
    }

    #[tokio::test]
    async fn nothing_of_others_runs_in_the_page() {
        let response = get(&routes(Router::new()), "/").await;
        let policy = field(&response, "content-security-policy").to_owned();
        let rules = [
            "default-src 'none'",
            "script-src 'self'",
            "worker-src 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        ];
        for rule in rules {
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
        let worker = Asset { name: "sw.js", kind: SCRIPT, bytes: include_bytes!("sw.js") };
        for asset in ASSETS.iter().filter(|asset| asset.kind != PICTURE).chain([&worker]) {
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
