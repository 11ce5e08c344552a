use std::sync::Arc;

use http::{HeaderValue, Method};

use super::super::handler::{Handler, Next, SharedHandler};
use super::super::problem::Problem;
use super::super::request::Request;
use super::super::response::Response;
use super::super::testing::{field, read, request};
use super::{RoutePattern, Router};

/// A handler that says `text`.
fn says(text: &'static str) -> impl Handler {
    move |_: Request| async move { text }
}

/// A handler that says its name and the parameter `name`.
fn tells(text: &'static str, name: &'static str) -> impl Handler {
    move |request: Request| async move {
        let value: String = request.param(name)?;
        Ok::<_, Problem>(format!("{text} {value}"))
    }
}

async fn ask(router: &Router, line: &str) -> Response {
    router.handle(request(line, &[], "")).await
}

/// Each request is answered with the text, or with the status.
async fn answers(router: &Router, table: &[(&str, Result<&str, u16>)]) {
    for (line, expected) in table {
        let (status, text) = read(ask(router, line).await).await;
        let answer = if status == 200 { Ok(&text[..]) } else { Err(status) };
        assert_eq!(answer, *expected, "{line}");
    }
}

#[tokio::test]
async fn literals_are_taken_as_they_are_written() {
    let router = Router::new()
        .get("/", says("root"))
        .get("/a", says("a"))
        .get("/a/", says("a/"))
        .get("/a/b.txt", says("b"))
        .get("/{{x}}", says("braces"));
    answers(
        &router,
        &[
            ("GET /", Ok("root")),
            ("GET /?a", Ok("root")),
            ("GET /a", Ok("a")),
            ("GET /a?b=/c", Ok("a")),
            ("GET /a/", Ok("a/")),
            ("GET /a/b.txt", Ok("b")),
            ("GET http://example.org/a", Ok("a")),
            ("GET /A", Err(404)),
            ("GET /a//", Err(404)),
            ("GET /a/b_txt", Err(404)),
            ("GET /%61", Err(404)),
            ("GET /x", Err(404)),
        ],
    )
    .await;
}

#[tokio::test]
async fn parameters_are_one_segment_and_decoded() {
    let router = Router::new()
        .get("/users/{id}", tells("user", "id"))
        .get("/users/me", says("me"))
        .get("/users/{id}/posts/{post}", tells("post", "post"))
        .get("/wrong/{a}", tells("", "b"));
    answers(
        &router,
        &[
            ("GET /users/7", Ok("user 7")),
            ("GET /users/me", Ok("me")),
            ("GET /users/men", Ok("user men")),
            ("GET /users/a%20b%2Fc+d", Ok("user a b/c+d")),
            ("GET /users/%C3%A9", Ok("user \u{e9}")),
            ("GET /users/%FF", Err(400)),
            ("GET /users/", Err(404)),
            ("GET /users/7/", Err(404)),
            ("GET /users/7/posts/8", Ok("post 8")),
            ("GET /wrong/1", Err(500)),
        ],
    )
    .await;
}

#[tokio::test]
async fn parameters_are_parsed_and_kept_as_sent() {
    let router = Router::new().get("/{n}", |request: Request| async move {
        let n: u8 = request.param("n")?;
        Ok::<_, Problem>(format!("{n} of {}", request.raw_param("n").unwrap_or_default()))
    });
    answers(&router, &[("GET /%37", Ok("7 of %37")), ("GET /256", Err(400)), ("GET /x", Err(400))]).await;
}

#[tokio::test]
async fn the_rest_is_all_that_follows() {
    let router = Router::new()
        .get("/a/{*rest}", tells("rest", "rest"))
        .get("/a/b", says("b"))
        .get("/a/c/{id}/d", tells("d", "id"));
    answers(
        &router,
        &[
            ("GET /a/x", Ok("rest x")),
            ("GET /a/x/y/", Ok("rest x/y/")),
            ("GET /a//", Ok("rest /")),
            ("GET /a/%2e", Ok("rest .")),
            // The literal goes first, and does not shadow what only begins like it.
            ("GET /a/b", Ok("b")),
            ("GET /a/b/", Ok("rest b/")),
            ("GET /a/bc", Ok("rest bc")),
            ("GET /a/c/1/d", Ok("d 1")),
            ("GET /a/c/1/e", Ok("rest c/1/e")),
            // It is not empty.
            ("GET /a/", Err(404)),
            ("GET /a", Err(404)),
        ],
    )
    .await;
}

#[test]
fn conflicts_and_malformed_patterns_are_errors() {
    for (known, added) in [
        ("/a", "/a"),
        ("/{a}", "/{b}"),
        ("/{a}", "/{*rest}"),
        ("/{*a}", "/{*b}"),
        ("/", "a"),
        ("/", ""),
        ("/", "/{"),
        ("/", "/a}"),
        ("/", "/{}"),
        ("/", "/{*}"),
        ("/", "/{a}{b}"),
        ("/", "/{*a}/b"),
    ] {
        let mut router = Router::new().get(known, says(""));
        let error = router.add(Method::GET, added, says(""));
        let error = error.expect_err(added).to_string();
        let start = format!("the route {added} cannot be added: ");
        assert!(error.starts_with(&start) && error.len() > start.len(), "{error}");
    }
    let mut router = Router::new().get("/a", says("")).any("/b", says(""));
    router.add(Method::POST, "/a", says("")).unwrap();
    router.add(Method::GET, "/b", says("")).unwrap();
    let error = router.add(Method::POST, "/a", says("")).unwrap_err();
    assert_eq!(error.to_string(), "the route /a cannot be added: it has a handler for POST already");
}

#[test]
fn a_program_with_a_wrong_route_does_not_start() {
    let inner = || Router::new().get("/", says("")).fallback(says(""));
    let taken = || Router::new().get("/api", says(""));
    let wrong: [fn(); 3] = [
        || drop(Router::new().any("/b", says("")).any("/b", says(""))),
        || drop(Router::new().get("b", says(""))),
        || drop(Router::new().nest("b", Router::new().fallback(says("")))),
    ];
    for wrong in wrong {
        std::panic::catch_unwind(wrong).unwrap_err();
    }
    std::panic::catch_unwind(|| taken().nest("/api", inner())).unwrap_err();
    std::panic::catch_unwind(|| Router::new().nest("/a", inner()).nest("/a", inner())).unwrap_err();
}

#[tokio::test]
async fn a_nested_router_answers_below_its_prefix() {
    let users = Router::new()
        .get("/", says("users"))
        .post("/", says("added"))
        .get("/{id}", tells("user", "id"))
        .get("/{id}/", says("slash"));
    let api = Router::new().nest("/users", users).get("/status", says("fine"));
    for prefix in ["/api", "/api/"] {
        let router = Router::new().get("/", says("root")).nest(prefix, api.clone());
        answers(
            &router,
            &[
                ("GET /", Ok("root")),
                ("GET /api/status", Ok("fine")),
                ("GET /api/users", Ok("users")),
                ("GET /api/users/", Ok("users")),
                ("POST /api/users", Ok("added")),
                ("POST /api/users/", Ok("added")),
                ("DELETE /api/users", Err(405)),
                ("GET /api/users/7", Ok("user 7")),
                ("GET /api/users/7/", Ok("slash")),
                ("GET /api", Err(404)),
                ("GET /api/", Err(404)),
                ("GET /api/status/", Err(404)),
                ("GET /status", Err(404)),
            ],
        )
        .await;
    }
    for root in ["", "/"] {
        let router = Router::new().nest(root, api.clone()).get("/", says("root"));
        answers(&router, &[("GET /", Ok("root")), ("GET /status", Ok("fine"))]).await;
    }
}

#[tokio::test]
async fn a_route_outside_goes_before_the_fallback_of_a_prefix_that_is_less_specific() {
    let router = Router::new()
        .nest("/{tenant}", Router::new().fallback(says("fallback")))
        .get("/status", says("status"))
        .get("/status/{id}", says("one"));
    answers(
        &router,
        &[
            ("GET /status", Ok("status")),
            ("GET /status/1", Ok("one")),
            ("GET /other", Ok("fallback")),
            ("GET /other/1", Ok("fallback")),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_nested_fallback_answers_what_is_left_below_its_prefix() {
    let deep = Router::new().get("/x", says("x")).fallback(says("deep fallback"));
    let api = Router::new()
        .get("/", says("api"))
        .get("/{id}", tells("id", "id"))
        .nest("/deep", deep)
        .fallback(says("api fallback"));
    let router = Router::new()
        .nest("/api", api)
        .nest("/bare", Router::new().fallback(says("bare fallback")))
        .nest("/of/{name}", Router::new().fallback(says("named fallback")))
        .get("/{*path}", tells("page", "path"))
        .fallback(says("fallback"));
    answers(
        &router,
        &[
            ("GET /api", Ok("api")),
            ("GET /api/", Ok("api")),
            ("POST /api", Err(405)),
            ("POST /api/", Err(405)),
            // A parameter beside the fallback, which is less specific.
            ("GET /api/1", Ok("id 1")),
            ("POST /api/1", Err(405)),
            ("GET /api/1/2", Ok("api fallback")),
            ("POST /api/1/2", Ok("api fallback")),
            ("GET /api/deep/x", Ok("x")),
            ("GET /api/deep/y", Ok("deep fallback")),
            ("GET /api/deep/", Ok("deep fallback")),
            ("GET /bare", Ok("bare fallback")),
            ("GET /bare/", Ok("bare fallback")),
            ("DELETE /bare/a/b", Ok("bare fallback")),
            ("GET /of/me", Ok("named fallback")),
            ("GET /of/me/and/you", Ok("named fallback")),
            // The rest is as it was.
            ("GET /of", Ok("page of")),
            ("GET /barefoot", Ok("page barefoot")),
            ("GET /apis/1", Ok("page apis/1")),
            ("POST /apis/1", Err(405)),
            ("GET /", Ok("fallback")),
        ],
    )
    .await;
    let router = Router::new().get("/a", says("a")).nest("/", Router::new().fallback(says("rest")));
    let rest = [("GET /", Ok("rest")), ("GET /a", Ok("a")), ("GET /b/c", Ok("rest"))];
    answers(&router, &rest).await;
}

#[tokio::test]
async fn a_nested_fallback_has_the_parameters_of_its_prefix() {
    let two = |request: Request| async move {
        let [a, b] = ["a", "b"].map(|name| request.param::<String>(name).unwrap_or_default());
        format!("{a} and {b}")
    };
    let inner = Router::new()
        .get("/x", says("x"))
        .nest("/with/{b}", Router::new().fallback(two))
        .fallback(tells("of", "a"));
    let router = Router::new().nest("/of/{a}", inner);
    answers(
        &router,
        &[
            ("GET /of/me", Ok("of me")),
            ("GET /of/me/", Ok("of me")),
            ("GET /of/me/x", Ok("x")),
            ("GET /of/me/with/you", Ok("me and you")),
            ("GET /of/m%65/with/you/and/all", Ok("me and you")),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_method_of_some_route_is_known_everywhere_also_behind_a_layer() {
    let fetch = || Method::from_bytes(b"FETCH").unwrap();
    let pass = |request: Request, next: Next| async move { next.run(request).await };
    let inner = || Router::new().get("/x", says("x"));
    let plain = || Router::new().route(fetch(), "/a", says("a"));
    for router in [
        plain(),
        plain().layer(pass),
        plain().layer(pass).layer(pass),
        Router::new().layer(pass).route(fetch(), "/a", says("a")),
        plain().nest("/n", inner().layer(pass)),
        plain().nest("/n", inner().layer(pass)).layer(pass),
    ] {
        answers(
            &router,
            &[
                ("FETCH /a", Ok("a")),
                ("FETCH /nothing", Err(404)),
                ("FETCH /n/nothing", Err(404)),
                ("BREW /nothing", Err(501)),
                ("BREW /n/nothing", Err(501)),
                ("GET /nothing", Err(404)),
            ],
        )
        .await;
    }
}

#[tokio::test]
async fn a_layer_is_around_what_was_added_before_it() {
    async fn mark(name: &'static str, request: Request, next: Next) -> Response {
        let mut response = next.run(request).await;
        let value = HeaderValue::from_static(name);
        response.fields_mut().append(http::HeaderName::from_static("by"), value);
        response
    }
    let by = |name: &'static str| move |request: Request, next: Next| mark(name, request, next);
    let inner = Router::new().get("/x", says("x")).fallback(says("inner"));
    let router = Router::new()
        .get("/a", says("a"))
        .layer(by("first"))
        .any("/b", says("b"))
        .nest("/n", inner.layer(by("nested")))
        .layer(by("second"))
        .get("/c", says("c"));
    for (line, expected) in [
        ("GET /a", &["first", "second"][..]),
        ("GET /b", &["second"]),
        ("GET /c", &[]),
        ("GET /n/x", &["nested", "second"]),
        ("GET /n/y", &["nested", "second"]),
        ("GET /nothing", &["first", "second"]),
        ("FETCH /nothing", &["first", "second"]),
        // The router itself answers.
        ("POST /a", &[]),
        ("OPTIONS /a", &[]),
    ] {
        let response = ask(&router, line).await;
        let fields = response.fields().iter();
        let by: Vec<&str> =
            fields.filter(|(name, _)| *name == "by").map(|(_, value)| value.to_str().unwrap()).collect();
        assert_eq!(by, expected, "{line}");
    }
    answers(&router, &[("GET /nothing", Err(404)), ("FETCH /nothing", Err(501))]).await;
}

#[tokio::test]
async fn each_method_has_its_handler_and_head_has_that_of_get() {
    let method = |request: Request| async move { request.method().to_string() };
    let all = Router::new()
        .get("/", method)
        .post("/", method)
        .put("/", method)
        .patch("/", method)
        .delete("/", method)
        .route(Method::from_bytes(b"PURGE").unwrap(), "/", method);
    for name in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "PURGE"] {
        answers(&all, &[(&format!("{name} /"), Ok(name))]).await;
    }
    let own = Router::new().get("/", says("get")).route(Method::HEAD, "/", says("head"));
    answers(&own, &[("HEAD /", Ok("head")), ("GET /", Ok("get"))]).await;
    let any = Router::new().any("/", says("any")).get("/", says("get"));
    answers(
        &any,
        &[
            ("GET /", Ok("get")),
            ("HEAD /", Ok("get")),
            ("POST /", Ok("any")),
            ("OPTIONS /", Ok("any")),
            ("FETCH /", Ok("any")),
        ],
    )
    .await;
}

#[tokio::test]
async fn what_is_not_there_is_said_with_the_methods_that_are() {
    let router = Router::new()
        .get("/a", says(""))
        .post("/a", says(""))
        .put("/b", says(""))
        .route(Method::OPTIONS, "/c", says("own"))
        .route(Method::from_bytes(b"PURGE").unwrap(), "/c", says(""));
    let all = "GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS";
    for (line, status, allow) in [
        ("OPTIONS /a", 204, "GET, POST, HEAD, OPTIONS"),
        ("PUT /a", 405, "GET, POST, HEAD, OPTIONS"),
        ("TRACE /a", 405, "GET, POST, HEAD, OPTIONS"),
        ("HEAD /b", 405, "PUT, OPTIONS"),
        ("OPTIONS /c", 200, ""),
        ("GET /c", 405, "OPTIONS, PURGE"),
        // A method that one route has is known everywhere.
        ("PURGE /a", 405, "GET, POST, HEAD, OPTIONS"),
        ("PURGE /nothing", 404, ""),
        ("OPTIONS *", 204, all),
        ("OPTIONS /nothing", 404, ""),
        ("GET /nothing", 404, ""),
        ("FETCH /a", 501, ""),
        ("get /a", 501, ""),
        ("FETCH /nothing", 501, ""),
    ] {
        let response = ask(&router, line).await;
        let said = (response.code().as_u16(), field(&response, "allow"));
        assert_eq!(said, (status, allow), "{line}");
    }
}

#[tokio::test]
async fn the_pattern_is_noted_for_those_who_ask() {
    let router = Router::new()
        .get("/users/{id}", says(""))
        .nest("/api", Router::new().get("/v{n}", says("")).fallback(says("")))
        .any("/inner/{*rest}", Router::new().get("/inner/{x}", says("")))
        .fallback(says(""));
    for (line, expected) in [
        ("GET /users/7", Some("/users/{id}")),
        ("POST /users/7", Some("/users/{id}")),
        ("GET /api/v1", Some("/api/v{n}")),
        ("GET /api", Some("/api/{*rest}")),
        ("GET /api/x/y", Some("/api/{*rest}")),
        // Of two routers the outer one speaks.
        ("GET /inner/a", Some("/inner/{*rest}")),
        ("GET /nothing", None),
        ("OPTIONS *", None),
    ] {
        let note = RoutePattern::default();
        let mut request = request(line, &[], "");
        request.note_route(note.clone());
        router.handle(request).await;
        assert_eq!(note.pattern().map(|pattern| &**pattern), expected, "{line}");
    }
}

#[tokio::test]
async fn a_shared_handler_is_a_handler() {
    let shared: SharedHandler = Arc::new(says("shared"));
    let router = Router::new().get("/a", Arc::clone(&shared)).fallback(shared);
    answers(&router, &[("GET /a", Ok("shared")), ("GET /b", Ok("shared"))]).await;
}
