//! Routes that make sure of who asks: who gets in, what the others are told, and what a backend learns.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD as BASE64_URL};
use serde_json::{Value, json};

use super::Balancer;
use super::raw::{Backend, Request};
use crate::support::tool::Tool;

/// A backend, a balancer in front of it, and the folder with its files.
struct Guarded {
    backend: Backend,
    balancer: Balancer,
    folder: tempfile::TempDir,
}

impl Guarded {
    /// With these files, and these keys of the listener, in which `@` is the folder.
    #[track_caller]
    fn new(files: &[(&str, &str)], keys: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            fs::write(folder.path().join(name), content).unwrap();
        }
        let backend = Backend::start(|_, peer| peer.serve("ok"));
        let keys = keys.replace('@', folder.path().to_str().unwrap());
        let balancer = Balancer::with(backend.addr, &keys);
        Self { backend, balancer, folder }
    }

    fn status(&self, path: &str, fields: &[&str]) -> u16 {
        self.balancer.get(path, fields).status
    }

    /// What the backend gets of a request that is let in.
    #[track_caller]
    fn received(&self, path: &str, fields: &[&str]) -> Request {
        let before = self.backend.requests().len();
        let response = self.balancer.get(path, fields);
        assert_eq!(response.status, 200, "{fields:?}: {response:?}");
        let mut requests = self.backend.requests();
        assert_eq!(requests.len(), before + 1);
        requests.pop().unwrap()
    }
}

fn basic(pair: &str) -> String {
    format!("Authorization: Basic {}", BASE64_STANDARD.encode(pair))
}

const USERS: (&str, &str) = ("users", "me:secret\nyou:other\n");

#[test]
fn users_of_a_file_get_in() {
    let guarded =
        Guarded::new(&[USERS], "auth = { basic = { realm = \"the shop\", users-file = \"@/users\" } }");
    for (pair, status) in [
        ("me:secret", 200),
        ("you:other", 200),
        ("me:other", 401),
        ("he:secret", 401),
        ("me:", 401),
        ("", 401),
    ] {
        assert_eq!(guarded.status("/", &[&basic(pair)]), status, "{pair}");
    }
    let refused = guarded.balancer.get("/", &[]);
    let challenge = refused.header("www-authenticate");
    assert_eq!((refused.status, challenge), (401, Some("Basic realm=\"the shop\", charset=\"UTF-8\"")));
}

#[test]
fn a_backend_learns_the_name_and_nobody_can_forge_it() {
    let keys = "auth = { basic = { users-file = \"@/users\" } }";
    let guarded = Guarded::new(&[USERS], keys);
    let me = basic("me:secret");
    for forged in [
        "X-Auth-User: root",
        "x_auth_user: root",
        "X-Auth_User: root",
        // A hop-by-hop field would be removed on the way.
        "Connection: X-Auth-User",
        "Connection: keep-alive, x-auth-user",
    ] {
        let request = guarded.received("/", &[&me, forged]);
        let names: Vec<_> =
            request.fields.iter().filter(|(name, _)| name.replace('_', "-") == "x-auth-user").collect();
        assert_eq!(names, [&("x-auth-user".to_owned(), "me".to_owned())], "{forged}");
        assert!(request.all("authorization").is_empty(), "the password stays here");
    }
    let open = "[[listener.route]]\npath = \"/in\"\nto = \"web\"\nauth = { basic = { users-file = \"@/users\", user-header = \"x-who\", forward = true } }\n";
    let guarded = Guarded::new(&[USERS], open);
    let inside = guarded.received("/in", &[&me, "X-Who: root"]);
    assert_eq!(inside.all("x-who"), ["me"]);
    assert_eq!(vec![me.split_once(": ").unwrap().1], inside.all("authorization"), "as was asked for");
    let outside = guarded.received("/out", &["X-Who: root", "x_who: root", "X-Whom: root"]);
    assert_eq!(
        (outside.all("x-who").len(), outside.all("x_who").len()),
        (0, 0),
        "on no route of the listener"
    );
    assert_eq!(outside.all("x-whom"), ["root"]);
}

#[test]
fn keys_in_a_field_or_in_the_query() {
    // The hash of `key`.
    let file = ("keys", "robot:2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683\n");
    let field =
        Guarded::new(&[file], "auth = { api-key = { header = \"x-api-key\", keys-file = \"@/keys\" } }");
    assert_eq!(field.status("/", &["X-Api-Key: kex"]), 401);
    assert_eq!(field.status("/", &["X-Api-Key: key", "X-Api-Key: key"]), 401, "two are ambiguous");
    assert_eq!(field.status("/?x-api-key=key", &[]), 401);
    let refused = field.balancer.get("/", &[]);
    assert_eq!(refused.header("www-authenticate"), Some("ApiKey realm=\"balancer\""));
    let request = field.received("/a?b", &["X-Api-Key: key", "X-Auth-User: root"]);
    assert_eq!((request.all("x-auth-user"), request.all("x-api-key").len()), (vec!["robot"], 0));

    let query = Guarded::new(&[file], "auth = { api-key = { query = \"key\", keys-file = \"@/keys\" } }");
    for (path, target) in [
        ("/?key=key", Some("/")),
        ("/a?b=c&k%65y=ke%79&d", Some("/a?b=c&d")),
        ("/?key=key&key=key", None),
        ("/?key=kex", None),
        ("/?keys=key", None),
    ] {
        match target {
            Some(target) => assert_eq!(query.received(path, &[]).target, target),
            None => assert_eq!(query.status(path, &[]), 401, "{path}"),
        }
    }
}

#[test]
fn guesses_count_for_the_client_and_requests_for_the_user() {
    let auth = "auth = { basic = { users-file = \"@/users\" } }";
    let keys = format!("limits = {{ requests = {{ rate = \"3/h\" }} }}\n{auth}");
    let guarded = Guarded::new(&[USERS], &keys);
    for (pair, status) in [("me:a", 401), ("me:b", 401), ("me:c", 401), ("me:secret", 429)] {
        assert_eq!(guarded.status("/", &[&basic(pair)]), status, "{pair}");
    }
    let keys = format!("limits = {{ requests = {{ rate = \"1/h\", by = \"user\" }} }}\n{auth}");
    let guarded = Guarded::new(&[USERS], &keys);
    for (pair, status) in [("me:secret", 200), ("me:x", 401), ("me:secret", 429), ("you:other", 200)] {
        assert_eq!(guarded.status("/", &[&basic(pair)]), status, "{pair}");
    }
}

/// A key of RSA, made and used by openssl.
struct Rsa(PathBuf);

impl Rsa {
    fn new(folder: &Path) -> Self {
        let key = folder.join("key.pem");
        Tool::new("openssl").args(["genrsa", "-out", key.to_str().unwrap(), "2048"]).run().success();
        Self(key)
    }

    fn set(&self) -> Value {
        let key = self.0.to_str().unwrap();
        let told = Tool::new("openssl").args(["rsa", "-noout", "-modulus", "-in", key]).run().success();
        let text = told.text();
        let digits = text.trim().strip_prefix("Modulus=").unwrap();
        let modulus: Vec<u8> = (0..digits.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
            .collect();
        json!({ "keys": [{ "kty": "RSA", "kid": "1", "n": BASE64_URL.encode(modulus), "e": "AQAB" }] })
    }

    fn token(&self, claims: &Value) -> String {
        let header = json!({ "alg": "RS256", "kid": "1", "typ": "JWT" });
        let message =
            format!("{}.{}", BASE64_URL.encode(header.to_string()), BASE64_URL.encode(claims.to_string()));
        let key = self.0.to_str().unwrap();
        let sign = Tool::new("openssl").args(["dgst", "-sha256", "-sign", key]).input(message.clone());
        let signature = sign.run().success().stdout.clone();
        format!("{message}.{}", BASE64_URL.encode(signature))
    }
}

#[test]
fn tokens_let_their_bearers_in() {
    let folder = tempfile::tempdir().unwrap();
    let rsa = Rsa::new(folder.path());
    let set = rsa.set().to_string();
    let keys = "auth = { jwt = { jwks-file = \"@/jwks.json\", algorithms = [\"RS256\", \"ES256\"], issuer = \"https://id.test\", \
        require = { role = [\"admin\", \"clerk\"] }, claims = { tenant = \"x-tenant\", role = \"x-role\" }, cookie = \"session\" } }";
    let guarded = Guarded::new(&[("jwks.json", &set)], keys);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let good = json!({ "sub": "me", "iss": "https://id.test", "exp": now + 600, "role": ["clerk", "x"], "aud": "a" });
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        format!("Authorization: Bearer {}", rsa.token(&claims))
    };
    let bearer = format!("Authorization: Bearer {}", rsa.token(&good));

    let request = guarded.received("/", &[&bearer, "X-Tenant: forged", "X_Role: root", "X-Auth-User: root"]);
    assert_eq!((request.all("x-auth-user"), request.all("x-role")), (vec!["me"], vec!["clerk,x"]));
    assert!(request.all("x-tenant").is_empty(), "the token claims none");
    assert!(request.all("x_role").is_empty() && request.all("authorization").is_empty());
    let told = with("tenant", json!("\u{fc}ber"));
    assert_eq!(guarded.received("/", &[&told]).all("x-tenant"), ["\u{fc}ber"]);
    let split = with("tenant", json!("a\r\nX-Evil: 1"));
    assert!(guarded.received("/", &[&split]).all("x-tenant").is_empty(), "no field can say it");

    let nameless = with("sub", Value::Null);
    assert!(guarded.received("/", &[&nameless, "X-Auth-User: root"]).all("x-auth-user").is_empty());

    let cookie = format!("Cookie: a=b; session={}; c=d", rsa.token(&good));
    assert_eq!(guarded.received("/", &[&cookie]).all("cookie"), ["a=b; c=d"]);

    let cut = &bearer[..bearer.len() - 2];
    let rows: [(&str, &[&str], u16, &str); 8] = [
        ("no token", &[], 401, "Bearer realm=\"balancer\""),
        ("expired", &[&with("exp", json!(now - 60))], 401, "error=\"invalid_token\""),
        ("of another", &[&with("iss", json!("https://other.test"))], 401, "error=\"invalid_token\""),
        ("cut", &[cut], 401, "error=\"invalid_token\""),
        ("garbage", &["Authorization: Bearer a.b.c"], 401, "error=\"invalid_token\""),
        ("not allowed", &[&with("role", json!("guest"))], 403, "error=\"insufficient_scope\""),
        ("two", &[&bearer, &bearer], 400, "error=\"invalid_request\""),
        ("a password", &["Authorization: Basic bWU6c2VjcmV0"], 400, "error=\"invalid_request\""),
    ];
    let sent = guarded.backend.requests().len();
    for (name, fields, status, challenge) in rows {
        let response = guarded.balancer.get("/", fields);
        let told = response.header("www-authenticate").unwrap_or_default();
        assert_eq!(response.status, status, "{name}");
        assert!(told.starts_with("Bearer ") && told.contains(challenge), "{name}: {told}");
        assert_eq!(told.contains("error"), name != "no token", "{name}: {told}");
    }
    assert_eq!(guarded.backend.requests().len(), sent, "nobody was let in");
    drop(guarded.folder);
}

/// A balancer whose requests are asked about at a server that answers with `answers` in turn, and then with the last of them again.
fn asking(keys: &str, answers: &'static [&'static str]) -> (Backend, Backend, Balancer) {
    let judge = Backend::start(move |_, peer| {
        for answer in answers {
            peer.answer(answer)?;
        }
        loop {
            peer.answer(answers.last().unwrap_or(&""))?;
        }
    });
    let backend = Backend::start(|_, peer| peer.serve("ok"));
    let text = format!(
        "[process]\nthreads = 1\n[[listener]]\nlisten = \"127.0.0.1:0\"\nto = \"web\"\n\
         auth = {{ forward = {{ to = \"judge\", path = \"/check?a=b\", {keys} }} }}\n\
         [upstream.web]\nbackends = [\"{}\"]\n[upstream.judge]\nbackends = [\"{}\"]\n",
        backend.addr, judge.addr
    );
    let balancer = Balancer::parse(&text, |_| {});
    (judge, backend, balancer)
}

#[test]
fn another_server_lets_requests_in() {
    let keys = "copy-request = [\"cookie\"], copy-response = [\"x-roles\", \"x-team\"]";
    const YES: &[&str] = &[
        "HTTP/1.1 200 OK\r\nX-Auth-User: me\r\nX-Roles: a\r\nX-Roles: b\r\nX-Other: 1\r\nContent-Length: 2\r\n\r\nok",
    ];
    let (judge, backend, balancer) = asking(keys, YES);
    let post = "POST /a/%2e/b?c=d HTTP/1.1\r\nHost: shop.test\r\nCookie: s=1\r\nAuthorization: x\r\nX-Team: forged\r\n\
        x_roles: root\r\nX-Forwarded-Uri: /forged\r\nX-Forwarded-Method: GET\r\nConnection: x-roles\r\nContent-Length: 4\r\n\r\nbody";
    for _ in 0..2 {
        assert_eq!(balancer.ask(post).text(), "ok");
    }
    let question = judge.requests().pop().unwrap();
    assert_eq!((&*question.method, &*question.target), ("GET", "/check?a=b"));
    for (name, values) in [
        ("host", vec![judge.addr.to_string()]),
        ("x-forwarded-host", vec!["shop.test".into()]),
        ("x-forwarded-for", vec!["127.0.0.1".into()]),
        ("x-forwarded-method", vec!["POST".into()]),
        ("x-forwarded-uri", vec!["/a/b?c=d".into()]),
        ("cookie", vec!["s=1".into()]),
        ("authorization", vec![]),
        ("content-length", vec![]),
        ("x-team", vec![]),
    ] {
        assert_eq!(question.all(name), values, "{name}");
    }
    assert_eq!(judge.requests()[0].connection, question.connection, "its connection is kept");
    let request = backend.requests().pop().unwrap();
    for (name, values) in [
        ("x-roles", &["a", "b"][..]),
        ("x_roles", &[]),
        ("x-team", &[]),
        ("x-other", &[]),
        ("x-auth-user", &["me"]),
        ("authorization", &["x"]),
    ] {
        assert_eq!(request.all(name), values, "{name}");
    }
}

#[test]
fn what_another_server_refuses_is_its_to_explain() {
    /// What the other server answers, and what the client gets: a status, a field, a body.
    type Row = (&'static str, u16, Option<(&'static str, &'static str)>, &'static str);
    let rows: [Row; 3] = [
        (
            "HTTP/1.1 302 Found\r\nLocation: /login\r\nSet-Cookie: a=b\r\nContent-Length: 5\r\n\r\nlogin",
            302,
            Some(("location", "/login")),
            "login",
        ),
        (
            "HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n\r\n",
            401,
            Some(("www-authenticate", "Basic realm=\"x\"")),
            "",
        ),
        ("HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n", 403, None, "no"),
    ];
    for (answer, status, field, body) in rows {
        let answers: &'static [&'static str] = Box::leak(Box::new([answer]));
        let (_judge, backend, balancer) = asking("", answers);
        let response = balancer.get("/", &[]);
        assert_eq!((response.status, response.text()), (status, body), "{answer}");
        if let Some((name, value)) = field {
            assert_eq!(response.header(name), Some(value), "{answer}");
        }
        assert!(backend.requests().is_empty(), "{answer}");
    }
}

#[test]
fn without_an_answer_nobody_gets_in() {
    let (_judge, backend, balancer) = asking("", &["HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"]);
    assert_eq!(balancer.get("/", &[]).status, 503);
    let (silent, _other, hasty) = asking("timeout = \"100ms\"", &[]);
    assert_eq!(hasty.get("/", &[]).status, 503);
    drop(silent);
    assert_eq!(hasty.get("/", &[]).status, 503, "it is gone");
    assert!(backend.requests().is_empty());
}
