//! Accounts of another issuer.

use std::time::SystemTime;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use serde_json::{Value, json};

use super::super::config::IssuerConfig;
use super::*;
use crate::server::jwt::Rules;

const SECRET: &[u8; 32] = b"a secret of thirty-two bytes ...";

fn config(folder: &tempfile::TempDir) -> IssuerConfig {
    let keys = folder.path().join("keys.json");
    let set = json!({ "keys": [{ "kty": "oct", "k": BASE64.encode(SECRET) }] });
    std::fs::write(&keys, set.to_string()).unwrap();
    IssuerConfig {
        keys,
        algorithms: vec!["HS256".into()],
        rules: Rules { audiences: vec!["chat".into()], ..Rules::default() },
        claim: IssuerConfig::CLAIM.into(),
        create: true,
    }
}

fn token(claims: &Value) -> String {
    let part = |value: &Value| BASE64.encode(value.to_string());
    let message = format!("{}.{}", part(&json!({ "alg": "HS256" })), part(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET);
    format!("{message}.{}", BASE64.encode(hmac::sign(&key, message.as_bytes())))
}

fn claims(name: impl Into<Value>) -> Value {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    json!({ "preferred_username": name.into(), "aud": "chat", "exp": now + 600 })
}

#[tokio::test]
async fn who_a_token_lets_in() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new(|change| change.issuer = Some(config(&folder)));
    world.user("bob").await;
    let with = |name: &str, value: Value| {
        let mut claims = claims("carol");
        claims[name] = value;
        token(&claims)
    };
    let mut forged = token(&claims("carol"));
    forged.replace_range(forged.len() - 4.., "AAAA");
    let rows = [
        (token(&claims("alice")), "ok"),
        (token(&claims("ALICE")), "ok"),
        // Its owner may be somebody else.
        (token(&claims("bob")), "other-way"),
        (token(&claims("NickServ")), "name-reserved"),
        (token(&claims("not a name")), "bad-token"),
        (token(&claims(Value::Null)), "bad-token"),
        (with("exp", json!(1000)), "bad-token"),
        (with("aud", json!("shop")), "bad-token"),
        (forged, "bad-token"),
        (String::new(), "bad-token"),
    ];
    for (token, expected) in rows {
        assert_eq!(code(world.accounts.log_in_by_jwt(&token, &here()).await), expected, "{token}");
    }
    let name = "alice".parse().unwrap();
    let alice = world.accounts.account_named(&name).await.unwrap().unwrap();
    assert_eq!(alice.password, None);
    assert_eq!(world.accounts.account_named(&"carol".parse().unwrap()).await.unwrap(), None);
    world.accounts.suspend(alice.id, Some("spam")).await.unwrap();
    assert_eq!(code(world.accounts.log_in_by_jwt(&token(&claims("alice")), &here()).await), "suspended");
}

#[tokio::test]
async fn first_logins_at_once_make_one_account() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new(|change| change.issuer = Some(config(&folder)));
    let token = token(&claims("alice"));
    let here = here();
    let logins = (0..10).map(|_| world.accounts.log_in_by_jwt(&token, &here));
    let ids: Vec<AccountId> =
        futures_util::future::join_all(logins).await.into_iter().map(|login| login.unwrap().id).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}

#[tokio::test(start_paused = true)]
async fn without_new_accounts_and_with_limits() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new(|change| {
        change.issuer = Some(IssuerConfig { create: false, ..config(&folder) });
        change.attempts.address = rate(2);
    });
    world.accounts.create("alice", None, false).await.unwrap();
    for (name, expected) in
        [("alice", "ok"), ("bob", "bad-token"), ("bob", "bad-token"), ("alice", "rate-limited")]
    {
        assert_eq!(
            code(world.accounts.log_in_by_jwt(&token(&claims(name)), &here()).await),
            expected,
            "{name}"
        );
    }
    let none = World::new(|_| {});
    assert_eq!(code(none.accounts.log_in_by_jwt(&token(&claims("alice")), &here()).await), "not-offered");
}

#[test]
fn configurations_that_are_none() {
    let folder = tempfile::tempdir().unwrap();
    let good = config(&folder);
    let rows = [
        (IssuerConfig { rules: Rules::default(), ..good.clone() }, "tokens need an issuer or an audience"),
        (
            IssuerConfig { algorithms: vec!["none".into()], ..good.clone() },
            "\"none\" is no signature algorithm",
        ),
        (IssuerConfig { algorithms: Vec::new(), ..good.clone() }, "\"\" is no signature algorithm"),
        (IssuerConfig { algorithms: vec!["ES256".into()], ..good.clone() }, "/keys.json: no key is usable"),
        (IssuerConfig { keys: "/nonexistent".into(), ..good }, "cannot read /nonexistent"),
    ];
    for (config, expected) in rows {
        let error = super::super::issuer::Issuer::open(config).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
