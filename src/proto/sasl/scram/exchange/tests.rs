//! The example of RFC 7677, and everything that is refused.

use std::num::NonZeroU32;

use super::super::client::Client;
use super::*;
use crate::proto::sasl::MAX_MESSAGE;

const EXPORTED: Exporter = [7; 32];

fn rounds(iterations: u32) -> NonZeroU32 {
    NonZeroU32::new(iterations).unwrap()
}

fn pencil() -> Keys {
    Keys::derive("pencil", BASE64.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap(), rounds(4096))
}

/// RFC 7677, section 3.
#[test]
fn the_example() {
    let first = ClientFirst::parse(b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO", false, None).unwrap();
    assert_eq!((first.name.as_str(), first.authzid.as_ref()), ("user", None));
    let (challenge, pending) = first.challenge(pencil(), "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0");
    assert_eq!(
        challenge,
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    );
    let last = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    assert_eq!(pending.finish(last.as_bytes()).unwrap(), "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    let mut client = Client::new("user", "pencil", "rOprNGfwEbeRWgbNEkqO");
    assert_eq!(client.last(&challenge), last, "the client of these tests says the same");
}

/// A message; the name and whom it wants to act as.
type Row<'a> = (&'a str, Result<(&'a str, Option<&'a str>), Reject>);

/// The first message: what is read of it, or why not.
#[test]
fn first_messages() {
    let malformed = Reject::Malformed;
    let commas = malformed("the header has two commas");
    let rows: [Row<'_>; 27] = [
        ("n,,n=user,r=abc", Ok(("user", None))),
        ("y,,n=user,r=abc", Ok(("user", None))),
        ("n,a=other,n=user,r=abc", Ok(("user", Some("other")))),
        ("n,a=x=2Cy,n=a=3Db,r=abc", Ok(("a=b", Some("x,y")))),
        ("n,,n=user,r=abc,x=1,Y=2", Ok(("user", None))),
        ("n,,n=zoë,r=!~", Ok(("zoë", None))),
        ("", Err(malformed("it begins with n, y or p="))),
        ("x,,n=user,r=abc", Err(malformed("it begins with n, y or p="))),
        ("p,,n=user,r=abc", Err(malformed("it begins with n, y or p="))),
        ("N,,n=user,r=abc", Err(malformed("it begins with n, y or p="))),
        ("n", Err(commas)),
        ("n,", Err(commas)),
        ("n,,", Err(malformed("n= is missing"))),
        ("n,user,n=user,r=abc", Err(malformed("a= comes before the second comma"))),
        ("n,a=,n=user,r=abc", Err(Reject::Name)),
        ("n,,m=1,n=user,r=abc", Err(Reject::Extension)),
        ("n,,r=abc,n=user", Err(malformed("n= is missing"))),
        ("n,,n=user", Err(malformed("r= is missing"))),
        ("n,,n=,r=abc", Err(Reject::Name)),
        ("n,,n=a=b,r=abc", Err(Reject::Name)),
        ("n,,n=user,r=", Err(malformed("r= is not visible ASCII"))),
        ("n,,n=user,r=a b", Err(malformed("r= is not visible ASCII"))),
        ("n,,n=user,r=abc,", Err(malformed("an extension is NAME=VALUE"))),
        ("n,,n=user,r=abc,xyz", Err(malformed("an extension is NAME=VALUE"))),
        ("n,,n=us\0er,r=abc", Err(Reject::Name)),
        ("p=tls-unique,,n=user,r=abc", Err(Reject::NoBinding)),
        ("p=tls-exporter,,n=user,r=abc", Err(Reject::NoBinding)),
    ];
    for (message, expected) in rows {
        let first = ClientFirst::parse(message.as_bytes(), false, None);
        let read = first.as_ref().map(|first| (first.name.as_str(), first.authzid.as_deref()));
        assert_eq!(read.map_err(|error| *error), expected, "{message:?}");
    }
    assert_eq!(ClientFirst::parse(b"n,,n=\xff,r=abc", false, None), Err(Reject::Encoding));
    let long = format!("n,,n=user,r={}", "a".repeat(MAX_MESSAGE));
    assert_eq!(ClientFirst::parse(long.as_bytes(), false, None), Err(Reject::Long));
}

/// What a client may say about channel binding, by what was offered and chosen: section 6.
#[test]
fn bindings() {
    let plus = Reject::Malformed("-PLUS needs p=");
    let rows = [
        ("n", false, true, None),
        ("y", false, true, Some(Reject::Downgrade)),
        ("y", false, false, None),
        ("p=tls-exporter", true, true, None),
        ("p=tls-exporter", false, true, Some(Reject::NoBinding)),
        ("p=tls-exporter", true, false, Some(Reject::NoBinding)),
        ("p=tls-unique", true, true, Some(Reject::BindingType)),
        ("p=", true, true, Some(Reject::BindingType)),
        ("n", true, true, Some(plus)),
        ("y", true, true, Some(plus)),
    ];
    for (flag, plus, offered, expected) in rows {
        let message = format!("{flag},,n=user,r=abc");
        let first = ClientFirst::parse(message.as_bytes(), plus, offered.then_some(&EXPORTED));
        assert_eq!(first.err(), expected, "{flag} with plus {plus} and offered {offered}");
    }
}

/// An exchange between `client` and a server with these keys.
fn exchange(mut client: Client, plus: bool, exporter: Option<&Exporter>, keys: Keys) -> Result<bool, Reject> {
    let first = ClientFirst::parse(client.first().as_bytes(), plus, exporter)?;
    let (challenge, pending) = first.challenge(keys, "server");
    let last = client.last(&challenge);
    pending.finish(last.as_bytes()).map(|last| client.trusts(&last))
}

#[test]
fn exchanges() {
    let keys = || Keys::derive("I\u{ad}X", vec![1, 2, 3], rounds(2));
    let client = |password| Client::new("a,=b", password, "client");
    assert_eq!(exchange(client("IX"), false, None, keys()), Ok(true));
    assert_eq!(exchange(client("IY"), false, None, keys()), Err(Reject::Proof));
    assert_eq!(exchange(client("IX"), false, None, Keys::fake(&[1; 32], "a", rounds(2))), Err(Reject::Proof));
    let y = client("IX").bound("y,a=other,", b"");
    assert_eq!(exchange(y, false, None, keys()), Ok(true));
    let bound = |to: &[u8]| client("IX").bound("p=tls-exporter,,", to);
    assert_eq!(exchange(bound(&EXPORTED), true, Some(&EXPORTED), keys()), Ok(true));
    assert_eq!(
        exchange(bound(&[8; 32]), true, Some(&EXPORTED), keys()),
        Err(Reject::Binding),
        "somebody in between"
    );
    assert_eq!(exchange(bound(b""), true, Some(&EXPORTED), keys()), Err(Reject::Binding));
    let replaced = Keys { server_key: [0; 32], ..keys() };
    assert_eq!(
        exchange(client("IX"), false, None, replaced),
        Ok(false),
        "the client sees a server without its keys"
    );
}

#[test]
fn last_messages() {
    let first = || ClientFirst::parse(b"n,,n=user,r=client", false, None).unwrap();
    let challenge = || first().challenge(pencil(), "server");
    let mut client = Client::new("user", "pencil", "client");
    let good = client.last(&challenge().0);
    let proof = good.rsplit_once(",p=").unwrap().1;
    let missing = Reject::Malformed("p= is missing at the end");
    let no_c = Reject::Malformed("c= is missing");
    let no_proof = Reject::Malformed("p= is not 32 bytes in base64");
    let rows = [
        (good.clone(), None),
        (String::new(), Some(missing)),
        (format!("{good},x=1"), Some(no_proof)),
        (good.replace(",p=", ",q="), Some(missing)),
        (good.replace("c=biws,", ""), Some(no_c)),
        (format!("r=clientserver,c=biws,p={proof}"), Some(no_c)),
        (format!("c=biws,p={proof}"), Some(Reject::Malformed("r= is missing"))),
        (good.replace("biws", "eSws"), Some(Reject::Binding)),
        (good.replace("biws", "biw"), Some(Reject::Malformed("c= is not base64"))),
        (good.replace("biws", ""), Some(Reject::Binding)),
        (good.replace("clientserver", "client"), Some(Reject::Malformed("r= is not that of the challenge"))),
        (
            good.replace("clientserver", "clientserverx"),
            Some(Reject::Malformed("r= is not that of the challenge")),
        ),
        (good.replace(",p=", ",x=1,p="), Some(Reject::Proof)),
        (good.replace(",p=", ",x,p="), Some(Reject::Malformed("an extension is NAME=VALUE"))),
        (format!("c=biws,r=clientserver,p={}", BASE64.encode([0; 32])), Some(Reject::Proof)),
        (format!("c=biws,r=clientserver,p={}", BASE64.encode([0; 31])), Some(no_proof)),
        (format!("c=biws,r=clientserver,p={}", BASE64.encode([0; 33])), Some(no_proof)),
        ("c=biws,r=clientserver,p=".to_owned(), Some(no_proof)),
        (format!("{good}="), Some(no_proof)),
        ("x".repeat(MAX_MESSAGE + 1), Some(Reject::Long)),
    ];
    for (message, expected) in rows {
        assert_eq!(challenge().1.finish(message.as_bytes()).err(), expected, "{message:?}");
    }
    // A proof is worth nothing for another challenge.
    let (_, other) = first().challenge(pencil(), "anothr");
    assert!(other.finish(good.as_bytes()).is_err());
}

#[test]
fn every_refusal_has_a_code_of_its_own_kind() {
    let rows = [
        (Reject::Long, "other-error"),
        (Reject::Malformed(""), "other-error"),
        (Reject::Encoding, "invalid-encoding"),
        (Reject::Name, "invalid-username-encoding"),
        (Reject::Extension, "extensions-not-supported"),
        (Reject::NoBinding, "channel-binding-not-supported"),
        (Reject::BindingType, "unsupported-channel-binding-type"),
        (Reject::Downgrade, "server-does-support-channel-binding"),
        (Reject::Binding, "channel-bindings-dont-match"),
        (Reject::Proof, "invalid-proof"),
    ];
    for (reject, code) in rows {
        assert_eq!(reject.code(), code);
    }
}
