//! The player page: plain JavaScript modules and styles which are built into the program, and hls.js.
//!
//! The page at `/` is asked for anew each time, and answered with 304 as long as it is the same. It names its files under `/player/BUILD/`,
//! where `BUILD` is a digest of them all: what stands there never changes, and browsers keep it for a year. What there is to play the page asks
//! from `/streams.json`, again and again, so that live streams appear when they begin. The content security policy lets the page run
//! these files only; segments may come from anywhere, since playlists can name those of another server.
//!
//! `vendor` has hls.js as npm has it, with its licence: the only code here that others wrote. It is what plays in browsers that have Media
//! Source Extensions; others play HLS themselves.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderName, HeaderValue};
use ring::digest::{Context, SHA256};
use serde::Serialize;

use crate::server::http::packed::Packed;
use crate::server::http::problem::Problem;
use crate::server::http::request::Request;
use crate::server::http::response::{IntoResponse, Response};
use crate::server::http::router::Router;

/// What the page may do: run and display what this server gives out, and fetch media from anywhere. hls.js unpacks MPEG-TS in a worker that it
/// makes of its own text, which is a `blob:`; pictures and sound reach the element that plays them by one, too.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src * blob: data:; connect-src * data:; \
     worker-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
);
const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");
const PERMISSIONS: HeaderValue =
    HeaderValue::from_static("camera=(), geolocation=(), microphone=(), payment=()");
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("no-cache");

/// A stream that the page offers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Stream {
    /// Its name, for people and in the address of the page. No two streams have the same.
    pub name: String,
    /// The address of its playlist, from the page: `film/master.m3u8`.
    pub url: String,
    /// Whether it goes on at its end.
    pub live: bool,
}

/// What is at `/streams.json`.
#[derive(Serialize)]
struct Streams {
    streams: Vec<Stream>,
}

/// A file of the page.
struct Asset {
    name: &'static str,
    kind: &'static str,
    bytes: &'static [u8],
}

macro_rules! assets {
    ($($name:literal $path:literal $kind:ident),* $(,)?) => {
        &[$( Asset { name: $name, kind: $kind, bytes: include_bytes!($path) }, )*]
    };
}

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const DRAWING: &str = "image/svg+xml";
const TEXT: &str = "text/plain; charset=utf-8";

const ASSETS: &[Asset] = assets![
    "app.js" "app.js" SCRIPT, "chart.js" "chart.js" SCRIPT, "controls.js" "controls.js" SCRIPT, "dom.js" "dom.js" SCRIPT,
    "engine.js" "engine.js" SCRIPT, "format.js" "format.js" SCRIPT, "menu.js" "menu.js" SCRIPT, "stats.js" "stats.js" SCRIPT,
    "hls.min.js" "vendor/hls.min.js" SCRIPT, "hls.LICENSE" "vendor/hls.LICENSE" TEXT,
    "stage.css" "stage.css" STYLE, "theme.css" "theme.css" STYLE,
    "favicon.svg" "favicon.svg" DRAWING, "icons.svg" "icons.svg" DRAWING,
];

const PAGE: &str = include_str!("page.html");

/// The name that all files together have.
static BUILD: LazyLock<String> = LazyLock::new(|| {
    let mut context = Context::new(&SHA256);
    for asset in ASSETS {
        context.update(asset.name.as_bytes());
        context.update(&asset.bytes.len().to_be_bytes());
        context.update(asset.bytes);
    }
    context.update(PAGE.as_bytes());
    URL_SAFE_NO_PAD.encode(&context.finish().as_ref()[..12])
});

static PACKED_PAGE: LazyLock<Packed> = LazyLock::new(|| {
    let page = PAGE.replace("BUILD/", &format!("player/{}/", *BUILD));
    Packed::new("text/html; charset=utf-8", page.into())
});

static PACKED: LazyLock<Vec<Packed>> = LazyLock::new(|| {
    ASSETS.iter().map(|asset| Packed::new(asset.kind, Bytes::from_static(asset.bytes))).collect()
});

/// Adds the page at `/`, its files below `/player`, and `/streams.json` with what `list` gives.
#[must_use]
pub fn routes<F, Fut>(router: Router, list: F) -> Router
where
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Vec<Stream>> + Send + 'static,
{
    router
        .get("/", |request: Request| async move {
            guarded(PACKED_PAGE.answer(&request, &BUILD))
                .with(CONTENT_SECURITY_POLICY, POLICY)
                .with(PERMISSIONS_POLICY, PERMISSIONS)
                .with(CACHE_CONTROL, ASK_AGAIN)
        })
        .get("/player/{build}/{name}", |request: Request| async move { asset(&request) })
        .get("/streams.json", move |_: Request| {
            let list = list();
            async move { Response::json(&Streams { streams: list.await }).with(CACHE_CONTROL, ASK_AGAIN) }
        })
}

/// What everybody may see, whoever may watch: the page, which shows nothing without the list of streams, and its files.
#[must_use]
pub fn is_page(path: &str) -> bool {
    path == "/" || path.starts_with("/player/") && !path.contains("..") && !path.contains('%')
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

    fn router() -> Router {
        routes(Router::new(), || async {
            vec![Stream { name: "film".into(), url: "film/master.m3u8".into(), live: false }]
        })
    }

    #[tokio::test]
    async fn the_page_names_files_that_are_there_and_never_change() {
        let router = router();
        let (status, page) = read(get(&router, "/").await).await;
        assert_eq!(status, 200);
        let quoted: Vec<&str> = page.split('"').skip(1).step_by(2).collect();
        let named: Vec<&&str> = quoted.iter().filter(|value| value.starts_with("player/")).collect();
        assert_eq!(named.len(), 5, "{page}");
        for name in named {
            let response = get(&router, &format!("/{name}")).await;
            assert_eq!(field(&response, "cache-control"), "public, max-age=31536000, immutable");
            assert_eq!(field(&response, "x-content-type-options"), "nosniff");
            assert_eq!(response.code(), 200, "{name}");
        }
        for other in ["/player/x/app.js", &format!("/player/{}/page.html", *BUILD)] {
            assert_eq!(get(&router, other).await.code(), 404, "{other}");
        }
    }

    #[tokio::test]
    async fn the_page_is_sent_again_when_it_is_another() {
        let router = router();
        let response = get(&router, "/").await;
        assert_eq!(field(&response, "cache-control"), "no-cache");
        let tag = field(&response, "etag").to_owned();
        for (known, status) in [(tag.as_str(), 304), ("\"other\"", 200)] {
            let response = router.handle(request("GET /", &[("If-None-Match", known)], "")).await;
            assert_eq!(response.code(), status, "{known}");
        }
    }

    #[tokio::test]
    async fn streams_are_listed() {
        let (status, text) = read(get(&router(), "/streams.json").await).await;
        let expected = r#"{"streams":[{"name":"film","url":"film/master.m3u8","live":false}]}"#;
        assert_eq!((status, text.as_str()), (200, expected));
    }

    #[tokio::test]
    async fn nothing_of_others_runs_in_the_page() {
        let response = get(&router(), "/").await;
        let policy = field(&response, "content-security-policy").to_owned();
        for rule in ["default-src 'none'", "script-src 'self'", "style-src 'self'", "base-uri 'none'"] {
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
        for asset in ASSETS.iter().filter(|asset| !asset.name.starts_with("hls.")) {
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
            for import in text.split("from './").skip(1).filter_map(|rest| rest.split('\'').next()) {
                assert!(ASSETS.iter().any(|asset| asset.name == import), "{} imports {import}", asset.name);
            }
        }
    }

    #[test]
    fn every_icon_that_is_named_is_drawn() {
        let text = |name: &str| {
            let asset = ASSETS.iter().find(|asset| asset.name == name).unwrap();
            std::str::from_utf8(asset.bytes).unwrap()
        };
        let drawn = text("icons.svg");
        for script in ["app.js", "controls.js", "menu.js", "stats.js"] {
            for call in ["icon('", "iconButton('", "new Menu('"] {
                for rest in text(script).split(call).skip(1) {
                    let name = rest.split('\'').next().unwrap();
                    assert!(drawn.contains(&format!("<symbol id=\"{name}\"")), "{script}: {name}");
                }
            }
        }
    }

    /// The file is the one that npm has as `dist/hls.min.js` of hls.js 1.7.4: whoever puts another one here says which.
    #[test]
    fn the_vendored_library_is_unchanged() {
        let library = ASSETS.iter().find(|asset| asset.name == "hls.min.js").unwrap().bytes;
        let digest = ring::digest::digest(&SHA256, library);
        let hex: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "cfc70cc9e9fc63d071919e087670abc760c8fd1bc889b88588026e4d22193bbe");
        assert!(include_str!("vendor/hls.LICENSE").contains("Apache License, Version 2.0"));
    }
}
