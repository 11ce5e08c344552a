//! The demo application: what `wireworks http` serves when it is given no directory.
//!
//! It shows the routing API, and is a target for curl, wrk and conformance suites: each route is one thing that a client may
//! want to see a server do. One table lists them all: the welcome page prints it, and a test tries each row.

mod bodies;
mod inspect;
mod page;
mod ticks;
mod upload;

use http::Method;

use crate::server::http::handler::{Handler, HandlerFuture};
use crate::server::http::request::Request;
use crate::server::http::router::Router;
use crate::server::site::sockets;
use crate::server::ws::Upgrade;

/// A row of the table on the welcome page.
struct Shown {
    /// The methods, as words.
    methods: &'static str,
    /// The pattern of the route.
    path: &'static str,
    /// What it does.
    what: &'static str,
    /// Arguments for curl: options, then the path.
    curl: &'static str,
}

const fn shown(methods: &'static str, path: &'static str, what: &'static str, curl: &'static str) -> Shown {
    Shown { methods, path, what, curl }
}

/// Every route, in the order in which a reader meets them.
const SHOWN: &[Shown] = &[
    shown("GET", "/", "this page, with validators: ask again and get a 304", "-I /"),
    shown("POST", "/", "your body, sent back while it arrives", "-d hello /"),
    shown("GET", "/plaintext", "Hello, World!", "-i /plaintext"),
    shown("GET", "/json", "a message in JSON", "-i /json"),
    shown("any", "/echo", "the head of your request, as it arrived", "-X PATCH /echo"),
    shown("GET", "/headers", "its fields, as text or as JSON", "-H 'Accept: application/json' /headers"),
    shown("GET", "/cookie", "your cookies, a line for each", "-b 'a=1; b=2' /cookie"),
    shown("GET", "/status/{code}", "any final status from 200 to 599", "-i /status/418"),
    shown("GET", "/bytes/{n}", "so many bytes, of known length; up to 1 GiB", "/bytes/640"),
    shown("GET", "/stream/{n}", "so many lines of JSON, in chunks; up to 100,000", "-i /stream/5"),
    shown("GET", "/delay/{ms}", "an answer after so many milliseconds; up to 30,000", "/delay/500"),
    shown("GET", "/events", "a tick each second, as server-sent events", "-N /events"),
    shown("GET", "/upload", "a form to upload files with", "/upload"),
    shown("GET", "/ws", "a page that speaks WebSocket: an echo, a room, a clock", "-i /ws"),
    shown(
        "POST",
        "/upload",
        "what the parts of a form are; nothing is kept",
        "-F file=@/etc/hostname /upload",
    ),
    shown("PUT", "/{name}", "how many bytes came, here and below /upload/", "-T /etc/hostname /"),
];

/// The demo application, with sockets as they are by default.
#[must_use]
pub fn router() -> Router {
    with_sockets(&Upgrade::new())
}

/// The demo application; `upgrade` makes its sockets.
#[must_use]
pub fn with_sockets(upgrade: &Upgrade) -> Router {
    let page = page::Page::new();
    let router = Router::new()
        .get("/", page)
        .post("/", bodies::echo)
        .get("/plaintext", bodies::plaintext)
        .get("/json", bodies::json)
        .any("/echo", inspect::head)
        .get("/headers", inspect::fields)
        .get("/cookie", inspect::cookies)
        .get("/status/{code}", inspect::status)
        .get("/bytes/{n}", bodies::bytes)
        .get("/stream/{n}", bodies::lines)
        .get("/delay/{ms}", bodies::delay)
        .get("/events", ticks::events)
        .get("/upload", page::upload_form)
        .post("/upload", upload::form)
        .put("/upload/{name}", upload::file);
    let router = sockets::routes(router.get("/ws", sockets::Page::new("/ws")), "/ws", upgrade);
    router.fallback(Rest(Router::new()))
}

/// What no route matches. `curl -T file http://host/` puts to `/file`; a route `/{name}` would turn every 404 of one
/// segment into a 405.
struct Rest(Router);

impl Handler for Rest {
    fn handle(&self, request: Request) -> HandlerFuture<'_> {
        let is_name = |path: &str| path.len() > 1 && !path[1..].contains('/');
        if *request.method() == Method::PUT && is_name(request.path()) {
            Box::pin(upload::reply(request))
        } else {
            self.0.handle(request)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::http::testing::{field, get, read, request};

    /// The example of a row, as a request: curl's options in so far as the table uses them.
    fn example(row: &Shown) -> Request {
        let (options, path) = row.curl.rsplit_once(' ').unwrap_or(("", row.curl));
        let (method, fields, body): (_, &[(&str, &str)], _) = match options.split(' ').next().unwrap() {
            "" | "-i" | "-N" => ("GET", &[], ""),
            "-I" => ("HEAD", &[], ""),
            "-X" => ("PATCH", &[], ""),
            "-d" => ("POST", &[], "hello"),
            "-b" => ("GET", &[("Cookie", "a=1; b=2")], ""),
            "-H" => ("GET", &[("Accept", "application/json")], ""),
            "-F" => ("POST", &[("Content-Type", "multipart/form-data; boundary=X")], "--X--"),
            "-T" => return request("PUT /hostname", &[], "host"),
            other => panic!("no such option of curl: {other}"),
        };
        request(&format!("{method} {path}"), fields, body)
    }

    #[tokio::test(start_paused = true)]
    async fn every_example_of_the_table_works() {
        let router = router();
        for row in SHOWN {
            let response = router.handle(example(row)).await;
            let expected = if row.path == "/status/{code}" { 418 } else { 200 };
            assert_eq!(response.code(), expected, "{} {}", row.methods, row.path);
        }
    }

    #[test]
    fn the_table_shows_every_route() {
        let listed = format!("{:?}", router());
        for row in SHOWN.iter().filter(|row| row.path != "/{name}") {
            assert!(listed.contains(&format!("{:?}", row.path)), "{}", row.path);
        }
        let patterns = SHOWN.iter().map(|row| row.path).chain([
            "/upload/{name}",
            "/ws/echo",
            "/ws/broadcast",
            "/ws/clock",
        ]);
        let distinct: std::collections::HashSet<_> = patterns.filter(|path| *path != "/{name}").collect();
        assert_eq!(listed.matches("\"/").count(), distinct.len(), "{listed}");
    }

    #[tokio::test]
    async fn what_is_not_there_is_404_and_what_is_not_known_501() {
        let router = router();
        for (line, status) in [
            ("GET /nothing", 404),
            ("DELETE /nothing", 404),
            ("PUT /two/segments", 404),
            ("PUT /", 405),
            ("BREW /nothing", 501),
            ("OPTIONS *", 204),
            ("OPTIONS /json", 204),
        ] {
            let response = router.handle(request(line, &[], "")).await;
            assert_eq!(response.code(), status, "{line}");
        }
        let response = router.handle(request("DELETE /json", &[], "")).await;
        assert_eq!(field(&response, "allow"), "GET, HEAD, OPTIONS");
    }

    #[tokio::test]
    async fn the_page_names_every_route() {
        let (_, page) = read(get(&router(), "/").await).await;
        for row in SHOWN {
            assert!(page.contains(&format!("<code>{}</code>", row.path)), "{}", row.path);
        }
    }
}
