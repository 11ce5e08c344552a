//! Messages of SASL: what is read of them, and that nothing but a proof gets anybody in.
//!
//! The first byte chooses the mechanism: `P` for PLAIN, `E` for EXTERNAL, `S` for SCRAM-SHA-256 and `X` for it with a channel binding.

use wireworks::proto::sasl::external::External;
use wireworks::proto::sasl::plain::Plain;
use wireworks::proto::sasl::scram::{ClientFirst, Exporter, Keys};
use wireworks::proto::sasl::{MAX_MESSAGE, MAX_NAME, Reject, prepare};

use super::split_at_each;

const EXPORTER: Exporter = [7; 32];

/// Says whether `wire` is a good first message.
pub(crate) fn check(wire: &[u8]) -> bool {
    let Some((mechanism, message)) = wire.split_first() else { return false };
    match mechanism {
        b'P' => plain(message),
        b'E' => external(message),
        b'S' => scram(message, false),
        b'X' => scram(message, true),
        _ => false,
    }
}

/// Three parts, letter by letter.
fn plain(message: &[u8]) -> bool {
    let read = Plain::parse(message);
    let parts = split_at_each(message, b"\0");
    let good = match (std::str::from_utf8(message), &parts[..]) {
        (Ok(_), [authzid, name, password]) => {
            let lengths = authzid.len() <= MAX_NAME && (1..=MAX_NAME).contains(&name.len());
            lengths && !password.is_empty() && message.len() <= MAX_MESSAGE
        }
        _ => false,
    };
    assert_eq!(read.is_ok(), good);
    let Ok(Plain { authzid, name, password }) = read else { return false };
    assert_eq!([authzid.as_deref().unwrap_or_default(), &name, &password].join("\0").as_bytes(), message);
    let prepared = prepare(&password);
    if *prepared != *password {
        assert_eq!(prepare(&prepared), prepared, "what is prepared stays as it is");
    }
    true
}

fn external(message: &[u8]) -> bool {
    let read = External::parse(message);
    let good = std::str::from_utf8(message).is_ok() && !message.contains(&0) && message.len() <= MAX_NAME;
    assert_eq!(read.is_ok(), good);
    let Ok(External { authzid }) = read else { return false };
    assert_eq!(authzid.unwrap_or_default().as_bytes(), message);
    true
}

/// What was read can be written; a challenge carries the client's nonce; and no bytes of the message are a proof.
fn scram(message: &[u8], plus: bool) -> bool {
    let Ok(first) = ClientFirst::parse(message, plus, plus.then_some(&EXPORTER)) else { return false };
    let text = std::str::from_utf8(message).unwrap();
    let parts: Vec<&str> = text.split(',').collect();
    let header = if plus { "p=tls-exporter" } else { parts[0] };
    assert!(plus || header == "n" || header == "y");
    let authzid =
        first.authzid.as_deref().map_or_else(String::new, |authzid| format!("a={}", escaped(authzid)));
    let nonce = parts[3].strip_prefix("r=").unwrap();
    let mut written =
        vec![header.to_owned(), authzid, format!("n={}", escaped(&first.name)), parts[3].to_owned()];
    written.extend(parts[4..].iter().map(|&part| part.to_owned()));
    assert_eq!(written.join(","), text);

    let keys = Keys::fake(&[1; 32], &first.name, 4096.try_into().unwrap());
    let (challenge, pending) = first.challenge(keys, "server");
    assert!(challenge.starts_with(&format!("r={nonce}server,s=")) && challenge.ends_with(",i=4096"));
    assert!(
        pending.clone().finish(message).is_err() && pending.clone().finish(challenge.as_bytes()).is_err()
    );
    let proof = "p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let bound = format!("c=biws,r={nonce}server,{proof}");
    let expected = match text.split_once("n=") {
        Some(("n,,", _)) => Reject::Proof,
        _ => Reject::Binding,
    };
    assert_eq!(pending.finish(bound.as_bytes()), Err(expected));
    true
}

fn escaped(name: &str) -> String {
    name.replace('=', "=3D").replace(',', "=2C")
}
