//! Good tokens and bad ones, made here; and bytes that are none.

use std::time::SystemTime;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use jsonwebtoken::Algorithm;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};

use super::*;

const SECRET: &[u8; 32] = b"a secret of thirty-two bytes ...";

/// Keys of both halves.
struct Signer {
    ec: EcdsaKeyPair,
    ed: Ed25519KeyPair,
}

impl Signer {
    fn new() -> Self {
        let random = SystemRandom::new();
        let way = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let ec = EcdsaKeyPair::generate_pkcs8(way, &random).unwrap();
        let ed = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
        Self {
            ec: EcdsaKeyPair::from_pkcs8(way, ec.as_ref(), &random).unwrap(),
            ed: Ed25519KeyPair::from_pkcs8(ed.as_ref()).unwrap(),
        }
    }

    fn set(&self) -> Value {
        let point = self.ec.public_key().as_ref();
        json!({ "keys": [
            { "kty": "EC", "crv": "P-256", "kid": "ec", "use": "sig",
              "x": BASE64.encode(&point[1..33]), "y": BASE64.encode(&point[33..]) },
            { "kty": "OKP", "crv": "Ed25519", "kid": "ed", "alg": "EdDSA",
              "x": BASE64.encode(self.ed.public_key().as_ref()) },
            { "kty": "oct", "kid": "mac", "k": BASE64.encode(SECRET) },
            { "kty": "oct", "kid": "short", "k": BASE64.encode(&SECRET[1..]) },
            { "kty": "oct", "kid": "encrypts", "use": "enc", "k": BASE64.encode(SECRET) },
            { "kty": "oct", "kid": "signs", "key_ops": ["sign"], "k": BASE64.encode(SECRET) },
            { "kty": "oct", "kid": "other", "alg": "HS384", "k": BASE64.encode(SECRET) },
            { "kty": "moon", "kid": "moon" },
        ]})
    }

    fn keys(&self, algorithms: &[Algorithm]) -> Keys {
        Keys::parse(&self.set().to_string(), algorithms).unwrap()
    }

    fn token(&self, header: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", BASE64.encode(header.to_string()), BASE64.encode(claims.to_string()));
        let bytes = message.as_bytes();
        let signature = match header["alg"].as_str().unwrap_or_default() {
            "ES256" => self.ec.sign(&SystemRandom::new(), bytes).unwrap().as_ref().to_vec(),
            "EdDSA" => self.ed.sign(bytes).as_ref().to_vec(),
            "HS256" => {
                let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET);
                ring::hmac::sign(&key, bytes).as_ref().to_vec()
            }
            _ => Vec::new(),
        };
        format!("{message}.{}", BASE64.encode(signature))
    }
}

const ALL: [Algorithm; 3] = [Algorithm::ES256, Algorithm::EdDSA, Algorithm::HS256];

fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

fn rules() -> Rules {
    Rules {
        issuers: vec!["https://id.test".into()],
        audiences: vec!["shop".into(), "stock".into()],
        leeway: Duration::from_secs(30),
        required: BTreeMap::from([("role".into(), vec!["admin".into(), "clerk".into()])]),
    }
}

fn good() -> Value {
    json!({ "sub": "me", "iss": "https://id.test", "aud": ["stock", "x"], "exp": now() + 60, "role": "clerk" })
}

/// The same with one claim more, or another; null leaves it out.
fn with(name: &str, value: Value) -> Value {
    let mut claims = good();
    claims[name] = value;
    if claims[name].is_null() {
        claims.as_object_mut().unwrap().remove(name);
    }
    claims
}

#[test]
fn each_algorithm_with_its_own_key() {
    let signer = Signer::new();
    let rows: [(Value, Result<(), JwtError>); 14] = [
        (json!({ "alg": "ES256", "kid": "ec" }), Ok(())),
        (json!({ "alg": "EdDSA", "kid": "ed" }), Ok(())),
        (json!({ "alg": "HS256", "kid": "mac", "typ": "JWT" }), Ok(())),
        (json!({ "alg": "ES256" }), Ok(())),
        (json!({ "alg": "HS256" }), Ok(())),
        (json!({ "alg": "ES256", "kid": "ed" }), Err(JwtError::Key)),
        // A public key is no secret, whatever a token says.
        (json!({ "alg": "HS256", "kid": "ec" }), Err(JwtError::Key)),
        (json!({ "alg": "HS256", "kid": "short" }), Err(JwtError::Key)),
        (json!({ "alg": "HS256", "kid": "encrypts" }), Err(JwtError::Key)),
        (json!({ "alg": "HS256", "kid": "signs" }), Err(JwtError::Key)),
        (json!({ "alg": "HS256", "kid": "other" }), Err(JwtError::Key)),
        (json!({ "alg": "RS256" }), Err(JwtError::Key)),
        (json!({ "alg": "none" }), Err(JwtError::Malformed)),
        (json!({ "alg": "ES256", "kid": "ec", "crit": ["b64"] }), Err(JwtError::Malformed)),
    ];
    let keys = signer.keys(&ALL);
    for (header, expected) in rows {
        let token = signer.token(&header, &good());
        assert_eq!(check(&token, &keys, &rules()).map(drop), expected, "{header}");
    }
    let only = signer.keys(&[Algorithm::EdDSA]);
    let token = signer.token(&json!({ "alg": "ES256" }), &good());
    assert_eq!(check(&token, &only, &rules()), Err(JwtError::Key), "it is not listed");
}

#[test]
fn what_a_token_must_claim() {
    let signer = Signer::new();
    let keys = signer.keys(&ALL);
    let rows: [(Value, Result<(), JwtError>); 17] = [
        (good(), Ok(())),
        (with("exp", json!(now() - 20)), Ok(())),
        (with("exp", json!(now() - 40)), Err(JwtError::Expired)),
        (with("exp", Value::Null), Err(JwtError::Claim)),
        (with("exp", json!("tomorrow")), Err(JwtError::Claim)),
        (with("exp", json!(-1)), Err(JwtError::Claim)),
        (with("nbf", json!(now() + 20)), Ok(())),
        (with("nbf", json!(now() + 60)), Err(JwtError::Early)),
        (with("nbf", json!("now")), Err(JwtError::Claim)),
        (with("iss", json!("https://id.test/")), Err(JwtError::Claim)),
        (with("iss", Value::Null), Err(JwtError::Claim)),
        (with("aud", json!("shop")), Ok(())),
        (with("aud", json!(["shops"])), Err(JwtError::Claim)),
        (with("aud", Value::Null), Err(JwtError::Claim)),
        (with("role", json!(["guest", "admin"])), Ok(())),
        (with("role", json!("guest")), Err(JwtError::Scope)),
        (with("role", Value::Null), Err(JwtError::Scope)),
    ];
    for (claims, expected) in rows {
        let token = signer.token(&json!({ "alg": "EdDSA", "kid": "ed" }), &claims);
        assert_eq!(check(&token, &keys, &rules()).map(drop), expected, "{claims}");
    }
    let lax = Rules { leeway: Duration::MAX, ..Rules::default() };
    let token = signer.token(&json!({ "alg": "EdDSA" }), &json!({ "exp": now() - 4000, "aud": "anybody" }));
    assert_eq!(check(&token, &keys, &lax), Err(JwtError::Expired), "a leeway has an end");
    let token = signer.token(&json!({ "alg": "EdDSA" }), &json!({ "exp": now(), "aud": "anybody" }));
    assert!(check(&token, &keys, &lax).is_ok(), "nobody asks for whom it is");
}

#[test]
fn what_was_changed_is_not_signed() {
    let signer = Signer::new();
    let keys = signer.keys(&ALL);
    let token = signer.token(&json!({ "alg": "ES256" }), &good());
    let [header, claims, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!("{token}") };
    let other = BASE64.encode(with("role", json!("admin")).to_string());
    let none = BASE64.encode(r#"{"alg":"none"}"#);
    let mac = BASE64.encode(r#"{"alg":"HS256"}"#);
    let rows = [
        (format!("{header}.{other}.{signature}"), JwtError::Signature),
        (format!("{header}.{claims}."), JwtError::Signature),
        (format!("{none}.{claims}."), JwtError::Malformed),
        (format!("{mac}.{claims}.{signature}"), JwtError::Signature),
        (format!("{header}.{claims}"), JwtError::Malformed),
        (format!("{token}.x"), JwtError::Malformed),
        (format!("{header}.{claims}.!"), JwtError::Malformed),
        (String::new(), JwtError::Malformed),
        ("..".into(), JwtError::Malformed),
        (format!("{header}.{}.{signature}", "A".repeat(MAX_TOKEN)), JwtError::Malformed),
    ];
    for (token, error) in rows {
        assert_eq!(check(&token, &keys, &rules()), Err(error), "{token}");
    }
    let strangers = Signer::new().keys(&[Algorithm::ES256, Algorithm::EdDSA]);
    assert_eq!(check(&token, &strangers, &rules()), Err(JwtError::Signature));
}

/// Tokens of random bytes, and good ones with random changes: each is an answer, and none but the good one is let in.
#[test]
fn garbage_is_refused() {
    let signer = Signer::new();
    let keys = signer.keys(&ALL);
    let good = signer.token(&json!({ "alg": "EdDSA" }), &good());
    let mut random = fastrand::Rng::with_seed(7);
    for round in 0..3000 {
        let mut bytes = good.clone().into_bytes();
        match round % 3 {
            0 => bytes = (0..random.usize(..200)).map(|_| random.u8(..)).collect(),
            1 => {
                let at = random.usize(..bytes.len());
                bytes[at] = *random.choice(b"ABCxyz019-_.=+/ \0\xff").unwrap();
            }
            _ => {
                let (from, to) = (random.usize(..bytes.len()), random.usize(..bytes.len()));
                bytes.drain(from.min(to)..from.max(to));
            }
        }
        let text = String::from_utf8_lossy(&bytes);
        if text != good {
            assert!(check(&text, &keys, &rules()).is_err(), "{text}");
        }
        // The other door: what a file of keys may say.
        drop(Keys::parse(&text, &ALL));
    }
}

#[test]
fn what_is_no_file_of_keys() {
    for (text, fault) in [
        ("", "not a JWKS"),
        ("{}", "not a JWKS: missing field `keys`"),
        (r#"{"keys":[]}"#, "no key is usable with the algorithms"),
        (
            r#"{"keys":[{"kty":"EC","crv":"P-256","x":"!","y":"!"}, 7]}"#,
            "no key is usable with the algorithms",
        ),
    ] {
        let error = Keys::parse(text, &ALL).unwrap_err();
        assert!(error.starts_with(fault), "{error}");
    }
}
