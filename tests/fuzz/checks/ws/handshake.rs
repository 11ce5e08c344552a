//! Requests for a WebSocket: the server's judgement of a head, and the grammar of extensions.
//!
//! What is accepted is gone through once more, point by point of RFC 6455 section 4.2.1 and RFC 7692 section 7.1, over the lines of the
//! head. Then our own client asks on terms that hang on the input, and both ends have to agree on the same.

use bytes::BytesMut;
use http::{HeaderValue, Method, Version};
use wireworks::proto::http::fields::Fields;
use wireworks::proto::http::head::Head;
use wireworks::proto::http::limits::Limits;
use wireworks::proto::http::list::FieldLines;
use wireworks::proto::http::{client, parse::parse};
use wireworks::proto::ws::deflate::{self, Memory, Params};
use wireworks::proto::ws::handshake::accept_key;
use wireworks::proto::ws::handshake::client::{Wishes, ask};
use wireworks::proto::ws::handshake::extension::{Extension, extensions};
use wireworks::proto::ws::handshake::server::{Accepted, Origins, Refusal, Terms, judge};

use super::super::{Dice, find, is_token, trimmed};

/// Checks a server on `wire`, and says whether it is a request that becomes a WebSocket.
pub(crate) fn check(wire: &[u8]) -> bool {
    let mut dice = Dice::of(wire);
    with_our_client(&mut dice);
    let Some(end) = find(wire, b"\r\n\r\n") else { return false };
    let Ok((head, _)) = parse(wire[..end + 4].to_vec().into(), &Limits::default()) else { return false };
    reads_again(&head);
    let plain = judge(&head, &Terms { origins: Origins::Any, ..Terms::default() });
    for terms in [terms(&mut dice, Memory::Dedicated), terms(&mut dice, Memory::Shared)] {
        match judge(&head, &terms) {
            Ok(accepted) => is_sound(&head, &terms, &accepted),
            Err(refusal) => is_deserved(&head, refusal),
        }
    }
    plain.is_ok()
}

fn terms(dice: &mut Dice, memory: Memory) -> Terms {
    let mut bits = || 9 + dice.below(7) as u8;
    let (server_window_bits, client_window_bits) = (bits(), bits());
    Terms {
        subprotocols: ["chat", "superchat"].map(HeaderValue::from_static).to_vec(),
        origins: Origins::Same,
        deflate: Some(deflate::Terms {
            memory,
            server_window_bits,
            client_window_bits,
            ..deflate::Terms::default()
        }),
    }
}

/// The values of the fields of that name, in lower case.
fn lines(head: &Head, name: &str) -> Vec<String> {
    let named = head.fields().filter(|(field, _)| field.eq_ignore_ascii_case(name));
    named.map(|(_, value)| String::from_utf8_lossy(value).to_lowercase()).collect()
}

fn names(head: &Head, name: &str, token: &str) -> bool {
    let all = lines(head, name).join(",");
    all.split(',').any(|member| trimmed(member.as_bytes()) == token.as_bytes())
}

/// 16 bytes in base64, which has one way to write them.
fn is_key(head: &Head) -> bool {
    let [key] = &head.lines("sec-websocket-key").collect::<Vec<_>>()[..] else { return false };
    let letter = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/".contains(byte);
    key.len() == 24 && key[..22].iter().all(letter) && b"AQgw".contains(&key[21]) && key[22..] == *b"=="
}

/// Section 4.2.1: each point, slowly.
fn is_sound(head: &Head, terms: &Terms, accepted: &Accepted) {
    assert_eq!((head.method(), head.version()), (&Method::GET, Version::HTTP_11));
    assert!(names(head, "upgrade", "websocket") && names(head, "connection", "upgrade"));
    assert_eq!(lines(head, "sec-websocket-version"), ["13"]);
    assert!(is_key(head));
    let mut fields = Fields::new();
    accepted.fill(&mut fields);
    let said = |name: &str| fields.find(name).map(|value| value.to_str().unwrap().to_owned());
    let key = head.lines("sec-websocket-key").next().unwrap();
    assert_eq!(said("sec-websocket-accept"), Some(accept_key(key)));
    let authority = head.authority().to_lowercase();
    if let Some(origin) = lines(head, "origin").first() {
        assert_eq!(origin.split_once("://").map(|(_, host)| host), Some(authority.as_str()));
    }
    let asked: Vec<Vec<u8>> = {
        let all: Vec<_> = head.lines("sec-websocket-protocol").collect();
        let all = all.join(&b","[..]);
        all.split(|byte| *byte == b',').map(|member| trimmed(member).to_vec()).collect()
    };
    let best = terms.subprotocols.iter().find(|ours| asked.iter().any(|asked| *asked == ours.as_bytes()));
    assert_eq!(accepted.subprotocol.as_ref(), best);
    assert_eq!(said("sec-websocket-protocol").as_deref(), best.map(|name| name.to_str().unwrap()));
    let (agreed, words) = (accepted.deflate(), said("sec-websocket-extensions"));
    assert_eq!(agreed.is_some(), words.is_some());
    if let (Some(agreed), Some(words), Some(terms)) = (agreed, words, &terms.deflate) {
        let offered = extensions(head).unwrap();
        let fits = |offer: &Extension<'_>| answers(offer, &agreed.params, &words, terms);
        assert!(offered.iter().any(fits), "{words} answers none of the offers");
    }
}

/// Whether `words` may answer this offer (RFC 7692 section 7.1), and say what was agreed on.
fn answers(offer: &Extension<'_>, params: &Params, words: &str, terms: &deflate::Terms) -> bool {
    let offered = |name: &str| {
        let mut named = offer.parameters.iter().filter(|parameter| parameter.is(name));
        named.next().map(|parameter| parameter.value.as_ref().map(|value| String::from_utf8_lossy(value)))
    };
    let said = |name: &str| {
        let mut parameters = words.split("; ").skip(1).map(|word| word.split_once('=').unwrap_or((word, "")));
        parameters.find(|(said, _)| *said == name).map(|(_, value)| value)
    };
    let number = |value: Option<Option<std::borrow::Cow<'_, str>>>| match value {
        Some(Some(value)) => value.parse::<u8>().ok(),
        Some(None) | None => Some(15),
    };
    let bits = |name: &str| said(name).map_or(15, |value| value.parse::<u8>().unwrap());
    let (Some(most), Some(hint)) =
        (number(offered("server_max_window_bits")), number(offered("client_max_window_bits")))
    else {
        return false;
    };
    offer.is("permessage-deflate")
        && words.starts_with("permessage-deflate")
        && bits("server_max_window_bits") == params.server_window_bits
        && params.server_window_bits <= most.min(terms.server_window_bits)
        // The client is told of its window only if it has said that it understands that.
        && (said("client_max_window_bits").is_none() || offered("client_max_window_bits").is_some())
        && bits("client_max_window_bits") == params.client_window_bits
        && (params.client_window_bits <= hint || offered("client_max_window_bits").is_none())
        && (offered("server_max_window_bits").is_none() || said("server_max_window_bits").is_some())
        && said("server_no_context_takeover").is_some() == params.server_no_context_takeover
        && said("client_no_context_takeover").is_some() == params.client_no_context_takeover
        && (offered("server_no_context_takeover").is_none() || params.server_no_context_takeover)
        && (terms.memory == Memory::Dedicated || params.client_no_context_takeover)
}

/// A refusal names a point that is not met.
fn is_deserved(head: &Head, refusal: Refusal) {
    let met = match refusal {
        Refusal::Method => *head.method() == Method::GET,
        Refusal::NotWebSocket => {
            head.version() == Version::HTTP_11
                && names(head, "upgrade", "websocket")
                && names(head, "connection", "upgrade")
        }
        Refusal::Version => lines(head, "sec-websocket-version") == ["13"],
        Refusal::Key => is_key(head),
        Refusal::Origin => {
            let host = format!("://{}", head.authority().to_lowercase());
            lines(head, "origin").first().is_none_or(|origin| {
                origin.ends_with(&host) && !origin[..origin.len() - host.len()].contains(':')
            })
        }
        Refusal::Field("Sec-WebSocket-Extensions") => extensions(head).is_ok(),
        Refusal::Field(_) => {
            let all = lines(head, "sec-websocket-protocol").join(",");
            all.split(',').map(|name| trimmed(name.as_bytes())).all(|name| is_token(name) || name.is_empty())
        }
    };
    assert!(!met, "{refusal:?} is refused, and is met");
    assert!(refusal.status().is_client_error());
}

/// Extensions that were read, written anew, are read as the same.
fn reads_again(head: &Head) {
    let Ok(all) = extensions(head) else { return };
    let mut text = Vec::new();
    for extension in &all {
        assert!(is_token(extension.name));
        text.extend([b", ", extension.name].concat());
        for parameter in &extension.parameters {
            assert!(is_token(parameter.name));
            text.extend([b" ;", parameter.name].concat());
            if let Some(value) = &parameter.value {
                assert!(is_token(value));
                text.extend([b"=\"", &value[..], b"\""].concat());
            }
        }
    }
    let text = String::from_utf8(text).unwrap();
    let lines = [("Sec-WebSocket-Extensions", text.as_str())];
    assert_eq!(extensions(&lines[..]), Ok(all));
}

/// Our client and our server, whatever either wants: they agree, and on the same.
fn with_our_client(dice: &mut Dice) {
    let memory = |dice: &mut Dice| [Memory::Shared, Memory::Dedicated][dice.below(2)];
    let of_server = memory(dice);
    let server = terms(dice, of_server);
    let of_client = memory(dice);
    let wishes = Wishes {
        subprotocols: ["superchat", "chat", "other"][..dice.below(4)]
            .iter()
            .map(|&name| name.into())
            .collect(),
        deflate: terms(dice, of_client).deflate,
        ..Wishes::default()
    };
    let url = "ws://server.example.com/chat".parse().unwrap();
    let (request, asked) = ask(&url, &wishes, *b"the sample nonce").unwrap();
    let mut wire = BytesMut::new();
    request.write(&mut wire);
    let (head, _) = parse(wire.freeze(), &Limits::default()).unwrap();
    let accepted = judge(&head, &server).unwrap();
    is_sound(&head, &server, &accepted);
    let mut fields = Fields::new();
    accepted.fill(&mut fields);
    let mut answer =
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n".to_vec();
    for (name, value) in fields.iter() {
        answer.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    answer.extend(b"\r\n");
    let response = client::parse(answer.into(), &Limits::default()).unwrap();
    let agreement = asked.judge(&response).unwrap();
    assert_eq!(
        agreement.subprotocol.as_deref(),
        accepted.subprotocol.as_ref().map(|name| name.to_str().unwrap())
    );
    let (ours, theirs) = (agreement.deflate.unwrap().params, accepted.deflate().unwrap().params);
    // What the server says of itself is what the client reads by; what the client does is no more than it may.
    assert_eq!(ours.server_window_bits, theirs.server_window_bits);
    assert_eq!(ours.server_no_context_takeover, theirs.server_no_context_takeover);
    assert!(ours.client_window_bits <= theirs.client_window_bits);
    assert!(ours.client_no_context_takeover || !theirs.client_no_context_takeover);
}
