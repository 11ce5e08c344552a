//! Who asks: Basic (RFC 7617) and Bearer (RFC 6750) credentials against a list.
//!
//! Secrets are compared in constant time, each against all of the list, so that the time of an answer tells nothing but
//! lengths. Basic sends the password with every request, readable without TLS; that is the operator's to decide.

use std::ops::ControlFlow;
use std::sync::Arc;

use http::header::WWW_AUTHENTICATE;
use http::{HeaderValue, StatusCode};
use percent_encoding::percent_decode_str;
use subtle::{Choice, ConstantTimeEq};

use crate::proto::http::credentials::Credentials;
use crate::proto::http::head::Head;
use crate::proto::http::list::FieldLines;
use crate::server::fresh::Fresh;
use crate::server::http::problem::Problem;
use crate::server::http::request::Request;
use crate::server::http::response::{IntoResponse, Response};

/// The name of who asks, in the extensions of a request that was let in: the user, or the name of the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthName(pub Arc<str>);

/// The part that asks for credentials: 401 without good ones.
#[derive(Clone, Debug)]
pub struct Auth {
    realm: String,
    users: Vec<Known>,
    tokens: Vec<Known>,
    /// Normalized paths; none for all.
    prefixes: Vec<Vec<Vec<u8>>>,
    /// Who decides in its place.
    current: Option<Arc<Fresh<Auth>>>,
}

#[derive(Clone)]
struct Known {
    name: Arc<str>,
    secret: Box<[u8]>,
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.name)
    }
}

impl Auth {
    /// Asks in the name of `realm`, visible ASCII; other characters become `?`. Nobody is let in yet.
    #[must_use]
    pub fn new(realm: &str) -> Self {
        let visible = |char: char| if matches!(char, ' '..='~') { char } else { '?' };
        Self {
            realm: realm.chars().map(visible).collect(),
            users: Vec::new(),
            tokens: Vec::new(),
            prefixes: Vec::new(),
            current: None,
        }
    }

    /// The one that is made of files, whichever that is at the time.
    pub(in crate::server) fn following(current: Arc<Fresh<Self>>) -> Self {
        Self { current: Some(current), ..Self::new("") }
    }

    /// Whom it follows.
    pub(in crate::server) fn followed(&self) -> Option<&Arc<Fresh<Self>>> {
        self.current.as_ref()
    }

    /// Lets a user in, with Basic. A name cannot hold a colon.
    #[must_use]
    pub fn user(mut self, name: &str, password: &str) -> Self {
        self.users.push(Known::new(name, password));
        self
    }

    /// Lets the holder of a token in, with Bearer, under a name for the logs.
    #[must_use]
    pub fn token(mut self, name: &str, token: &str) -> Self {
        self.tokens.push(Known::new(name, token));
        self
    }

    /// Asks below this path only, or below others given like this. Paths are compared as a file server would read
    /// them, percent-decoded and without `.`, `..` and empty segments, so that no spelling of a path gets around.
    #[must_use]
    pub fn below(mut self, prefix: &str) -> Self {
        self.prefixes.push(segments(prefix));
        self
    }

    fn guards(&self, path: &str) -> bool {
        if self.prefixes.is_empty() {
            return true;
        }
        let below = |path: &[Vec<u8>]| self.prefixes.iter().any(|prefix| path.starts_with(prefix));
        // As written, too: a router that does not resolve `..` finds its route by that.
        let written: Vec<Vec<u8>> = path.split('/').skip(1).map(|part| part.as_bytes().to_vec()).collect();
        below(&segments(path)) || below(&written)
    }

    /// Lets the request in, with an [`AuthName`], or asks for credentials.
    pub fn before(&self, request: &mut Request) -> ControlFlow<Response> {
        if let Some(current) = &self.current {
            return current.load().before(request);
        }
        if !self.guards(request.path()) {
            return ControlFlow::Continue(());
        }
        let found = match credentials(&request.head) {
            Some(Credentials::Basic { user, password }) => {
                find(&self.users, Some(user.as_bytes()), password.as_bytes())
            }
            Some(Credentials::Bearer(token)) => find(&self.tokens, None, token.as_bytes()),
            None => None,
        };
        if let Some(name) = found {
            request.extensions.insert(AuthName(name));
            return ControlFlow::Continue(());
        }
        let tried = request.field("authorization").is_some();
        ControlFlow::Break(self.challenge(tried))
    }

    fn challenge(&self, tried: bool) -> Response {
        let realm = self.realm.replace('\\', "\\\\").replace('"', "\\\"");
        let problem = Problem::new(StatusCode::UNAUTHORIZED, "credentials are needed here");
        let mut response = problem.into_response();
        let mut add = |challenge: String| {
            if let Ok(value) = HeaderValue::try_from(challenge) {
                response.fields.append(WWW_AUTHENTICATE, value);
            }
        };
        if !self.users.is_empty() || self.tokens.is_empty() {
            add(format!("Basic realm=\"{realm}\", charset=\"UTF-8\""));
        }
        if !self.tokens.is_empty() {
            let error = if tried { ", error=\"invalid_token\"" } else { "" };
            add(format!("Bearer realm=\"{realm}\"{error}"));
        }
        response
    }
}

impl Known {
    fn new(name: &str, secret: &str) -> Self {
        Self { name: name.into(), secret: secret.as_bytes().into() }
    }
}

/// The one whose secret it is, and whose name if that was given. All are looked at.
fn find(list: &[Known], name: Option<&[u8]>, secret: &[u8]) -> Option<Arc<str>> {
    let mut found = None;
    for known in list {
        let named = name.map_or(Choice::from(1), |name| known.name.as_bytes().ct_eq(name));
        if bool::from(named & known.secret.ct_eq(secret)) {
            found = Some(Arc::clone(&known.name));
        }
    }
    found
}

/// What the one line of `Authorization` says; two would be ambiguous.
fn credentials(head: &Head) -> Option<Credentials> {
    let mut lines = head.lines("authorization");
    let (line, None) = (lines.next()?, lines.next()) else {
        return None;
    };
    Credentials::parse(line).ok()
}

/// The user that Basic credentials name, whether they are good or not: for logs.
pub(super) fn basic_user(head: &Head) -> Option<String> {
    match credentials(head)? {
        Credentials::Basic { user, .. } => Some(user).filter(|user| !user.is_empty()),
        Credentials::Bearer(_) => None,
    }
}

/// The segments of a path, decoded, with `.`, `..` and empty ones resolved.
fn segments(path: &str) -> Vec<Vec<u8>> {
    let decoded: Vec<u8> = percent_decode_str(path).collect();
    let mut segments: Vec<Vec<u8>> = Vec::new();
    for segment in decoded.split(|&byte| byte == b'/') {
        match segment {
            b"" | b"." => {}
            b".." => drop(segments.pop()),
            segment => segments.push(segment.to_vec()),
        }
    }
    segments
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    use super::super::test_support::{field, get, run};
    use super::*;
    use crate::server::http::middleware::Stack;

    async fn who(request: Request) -> String {
        let name = request.extensions().get::<AuthName>();
        name.map_or_else(|| "nobody".to_owned(), |name| name.0.to_string())
    }

    fn auth() -> Auth {
        Auth::new("the \"inner\" room").user("alice", "pass:word").user("bob", "").token("robot", "t0ken")
    }

    async fn answer(auth: Auth, path: &str, authorization: &[&str]) -> Response {
        let stack = Stack { auth: Some(auth), ..Stack::default() };
        let fields: Vec<_> = authorization.iter().map(|value| ("Authorization", *value)).collect();
        run(stack, who, get(path, &fields)).await
    }

    fn basic(pair: &str) -> String {
        format!("Basic {}", STANDARD.encode(pair))
    }

    #[tokio::test]
    async fn good_credentials_are_let_in_by_name() {
        let cases = [
            (basic("alice:pass:word"), "alice"),
            (basic("bob:"), "bob"),
            (basic("alice:pass:word").replace("Basic", "bAsIc  "), "alice"),
            (basic("alice:pass:word").trim_end_matches('=').to_owned(), "alice"),
            ("Bearer t0ken".to_owned(), "robot"),
            ("bearer t0ken".to_owned(), "robot"),
        ];
        for (authorization, name) in cases {
            let response = answer(auth(), "/", &[&authorization]).await;
            assert_eq!(response.body().as_bytes(), Some(name.as_bytes()), "{authorization}");
        }
    }

    #[tokio::test]
    async fn all_else_is_asked_for_credentials() {
        let cases = [
            basic("alice:wrong"),
            basic("alice:pass:word2"),
            basic("alice:pass:wor"),
            basic("bob:pass:word"),
            basic("carol:"),
            basic(":"),
            basic("alice"),
            "Basic !!!".to_owned(),
            "Basic".to_owned(),
            "Bearer".to_owned(),
            "Bearer t0ke".to_owned(),
            "Bearer t0ken2".to_owned(),
            "Bearer pass:word".to_owned(),
            "Digest alice".to_owned(),
            String::new(),
        ];
        for authorization in cases {
            let response = answer(auth(), "/", &[&authorization]).await;
            assert_eq!(response.code(), 401, "{authorization}");
        }
        let good = basic("alice:pass:word");
        let twice = answer(auth(), "/", &[&good, &good]).await;
        assert_eq!(twice.code(), 401, "two lines are ambiguous");
    }

    #[tokio::test]
    async fn the_challenge_names_the_schemes_and_the_realm() {
        let challenges = |response: &Response| -> Vec<String> {
            let lines = FieldLines::lines(response.fields(), "www-authenticate");
            lines.map(|line| String::from_utf8_lossy(line).into_owned()).collect()
        };
        let first = answer(auth(), "/", &[]).await;
        assert_eq!(
            challenges(&first),
            [r#"Basic realm="the \"inner\" room", charset="UTF-8""#, r#"Bearer realm="the \"inner\" room""#]
        );
        let tried = answer(Auth::new("r\u{e9}\n").token("a", "b"), "/", &["Bearer x"]).await;
        assert_eq!(challenges(&tried), [r#"Bearer realm="r??", error="invalid_token""#]);
        assert_eq!(field(&tried, "content-type"), Some("text/plain; charset=utf-8"));
    }

    #[tokio::test]
    async fn only_the_paths_below_a_prefix_are_guarded_however_they_are_spelt() {
        let auth = || auth().below("/admin").below("/a b/");
        let guarded = [
            "/admin",
            "/admin/",
            "/admin/x",
            "/%61dmin",
            "//admin/x",
            "/./admin",
            "/x/../admin",
            "/x/%2e%2e/admin",
            "/admin/../public",
            "/admin%2fx",
            "/a%20b/c",
        ];
        for path in guarded {
            assert_eq!(answer(auth(), path, &[]).await.code(), 401, "{path}");
        }
        for path in ["/", "/administrator", "/public/admin", "/a", "/a%2520b"] {
            assert_eq!(answer(auth(), path, &[]).await.code(), 200, "{path}");
        }
    }

    #[test]
    fn the_user_is_known_to_logs_and_secrets_are_not_shown() {
        let head = get("/", &[("Authorization", &basic("eve:x"))]).head;
        assert_eq!(basic_user(&head).as_deref(), Some("eve"));
        let shown = format!("{:?}", auth());
        assert!(shown.contains("alice") && !shown.contains("pass") && !shown.contains("t0ken"));
    }
}
