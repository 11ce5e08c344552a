//! The look at a ClientHello: every prefix, other records around the same message, rustls as a second opinion, and messages that the bytes describe.

use rustls::server::Acceptor;
use wireworks::proto::tls::client_hello::{ClientHello, MAX_WIRE, NotTls, Peek, peek};

use super::{Choices, find};

/// Checks the look at `wire`, and at a ClientHello made from its bytes; says whether `wire` begins with a whole one.
pub(crate) fn check(wire: &[u8]) -> bool {
    round_trip(&mut Choices(wire));
    let seen = peek(wire);
    prefixes_are_honest(wire, &seen);
    as_rustls_has_it(wire, &seen);
    matches!(seen, Peek::Found(_))
}

/// What was said of a prefix stays true, and further bytes are asked for only while they may change something.
fn prefixes_are_honest(wire: &[u8], seen: &Peek) {
    let (mut decided, mut wanted) = (false, 0);
    for end in 0..=wire.len() {
        let now = peek(&wire[..end]);
        match now {
            Peek::NeedMore(more) => {
                assert!(!decided && end + more <= MAX_WIRE && more > 0, "asks for {more} more at {end}");
                wanted = wanted.max(end + more);
            }
            now => {
                assert!(
                    end >= wanted || !matches!(now, Peek::Found(_)),
                    "{wanted} were asked for, {end} were enough"
                );
                assert_eq!(now, *seen, "at {end}");
                decided = true;
            }
        }
    }
}

/// What rustls takes for a ClientHello is one, with the same names. It refuses more, as it has to go on with it.
fn as_rustls_has_it(wire: &[u8], seen: &Peek) {
    let mut acceptor = Acceptor::default();
    let mut rest = wire;
    let accepted = loop {
        match acceptor.read_tls(&mut rest) {
            Ok(read) if read > 0 => {}
            _ => return,
        }
        match acceptor.accept() {
            Ok(Some(accepted)) => break accepted,
            Ok(None) => {}
            Err(_) => return,
        }
    };
    let hello = accepted.client_hello();
    let ours = match seen {
        Peek::Found(ours) => ours,
        // rustls passes over names that are none, and over the second of two.
        Peek::NotTls(NotTls::Name | NotTls::Twice) => return,
        // It passes over names of unknown kinds behind the first, too; like OpenSSL, we take a list of one name of a host.
        Peek::NotTls(NotTls::Malformed) if !has_one_name(wire, hello.server_name()) => return,
        other => panic!("rustls accepts it, here it is {other:?}"),
    };
    if let Some(name) = hello.server_name() {
        let name = name.to_ascii_lowercase();
        assert_eq!(ours.sni.as_deref(), Some(name.strip_suffix('.').unwrap_or(&name)));
    }
    if let Some(names) = hello.alpn() {
        let grease = |name: &[u8]| name.len() == 2 && name[0] == name[1] && name[0] % 16 == 10;
        let names: Vec<_> = names.filter(|name| !grease(name)).map(<[u8]>::to_vec).collect();
        assert_eq!(ours.alpn, names);
    }
}

/// Whether the extension stands in `wire` as it should, with this name and no other.
fn has_one_name(wire: &[u8], name: Option<&str>) -> bool {
    let extension =
        |name: &str| [&[0, 0][..], &long(&long(&[&[0][..], &long(name.as_bytes())].concat()))].concat();
    name.is_some_and(|name| find(&wire.to_ascii_lowercase(), &extension(name).to_ascii_lowercase()).is_some())
}

/// A ClientHello that the bytes describe, in records of their choice, is seen as it was meant.
fn round_trip(choices: &mut Choices<'_>) {
    let letters = b"abcdefghijklmnopqrstuvwxyz0123456789-_";
    let sni = choices.flag().then(|| {
        let label = |choices: &mut Choices<'_>| {
            let length = 1 + choices.below(20);
            (0..length).map(|_| char::from(choices.pick(letters))).collect::<String>()
        };
        let labels = 1 + choices.below(4);
        (0..labels).map(|_| label(choices)).collect::<Vec<_>>().join(".")
    });
    let offered = choices.below(4);
    let mut name = |number: usize| {
        let length = choices.below(40);
        [&[b'x', number as u8][..], choices.take(length)].concat()
    };
    let alpn: Vec<_> = (0..offered).map(&mut name).collect();
    let mut extensions: Vec<(u16, Vec<u8>)> = vec![(0x1a1a, Vec::new())];
    extensions.extend(sni.as_ref().map(|name| (0, long(&[&[0][..], &long(name.as_bytes())].concat()))));
    let names: Vec<u8> = alpn.iter().flat_map(|name| [&[name.len() as u8][..], name].concat()).collect();
    extensions.extend((offered > 0).then(|| (16, long(&names))));
    extensions.push((21, vec![0; choices.below(200)]));
    let turn = choices.below(extensions.len());
    extensions.rotate_left(turn);
    let extensions: Vec<u8> = extensions
        .iter()
        .flat_map(|(kind, value)| [&kind.to_be_bytes()[..], &long(value)].concat())
        .collect();
    let session = vec![1; choices.below(33)];
    let body = [
        &[3, 3][..],
        &[7; 32],
        &[session.len() as u8],
        &session,
        &long(&[0x13, 0x01, 0x0a, 0x0a]),
        &[1, 0],
        &long(&extensions),
    ]
    .concat();
    let message = [&[1][..], &(body.len() as u32).to_be_bytes()[1..], &body].concat();
    let (mut wire, mut rest) = (Vec::new(), &message[..]);
    while !rest.is_empty() {
        let (content, after) = rest.split_at((1 + choices.below(256)).min(rest.len()));
        wire.extend([&[0x16, 3, 1][..], &long(content)].concat());
        rest = after;
    }
    let meant = Peek::Found(ClientHello { sni, alpn });
    assert_eq!(peek(&wire), meant);
    assert_eq!(peek(&[&wire[..], choices.some()].concat()), meant);
    assert_eq!(peek(&wire[..wire.len() - 1]), Peek::NeedMore(1));
}

/// These bytes behind their length.
fn long(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u16).to_be_bytes()[..], bytes].concat()
}
