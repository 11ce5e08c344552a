//! What a server of calls does with bytes that no honest peer sends: on a real socket, by the code of its GOAWAY or RESET. And that another client is answered
//! afterwards.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use wireworks::proto::rpc::schema::service_hash;
use wireworks::server::rpc::{Services, Settings, demo};

use crate::support::PATIENCE;

const PREFACE: &[u8] = b"WWRPC/1\n";

/// What comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// A GOAWAY with this code, and then the end.
    GoAway(u16),
    /// A RESET of this stream with this code; the connection stays.
    Reset(u32, u16),
    /// An END of this stream; the connection stays.
    End(u32),
    /// The end without a GOAWAY.
    Closed,
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap().to_le_bytes();
    [&length[..], &[kind, flags], &stream.to_le_bytes(), payload].concat()
}

fn setting(name: u16, value: u64) -> Vec<u8> {
    [&name.to_le_bytes()[..], &value.to_le_bytes()].concat()
}

/// The beginning of a connection, as it should be.
fn hello() -> Vec<u8> {
    [PREFACE, &frame(1, 0, 0, &[])].concat()
}

/// An OPEN of `Echo.pour` (bidi, method 4) or `Echo.bytes` (unary, method 2).
fn open(stream: u32, method: u16, flags: u8, rest: &[u8]) -> Vec<u8> {
    let mut payload = service_hash("Echo").to_le_bytes().to_vec();
    payload.extend(method.to_le_bytes());
    payload.extend([0; 14]);
    payload.extend(rest);
    frame(2, flags, stream, &payload)
}

const LAST: u8 = 1;
const MESSAGE: u8 = 2;
const MORE: u8 = 4;

/// What the server says to `bytes`. Everything is read until it ends, or until what is expected has come.
fn told(address: SocketAddr, bytes: &[u8], expected: Told) -> Result<(), String> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    let mut writer = stream.try_clone().unwrap();
    let bytes = bytes.to_vec();
    // In a thread of its own: the server may stop reading before all is said.
    let writing = std::thread::spawn(move || drop(writer.write_all(&bytes)));
    let outcome = hear(&mut stream, expected);
    drop(stream.shutdown(Shutdown::Both));
    writing.join().unwrap();
    outcome
}

fn hear(stream: &mut TcpStream, expected: Told) -> Result<(), String> {
    let (mut heard, mut away, mut chunk) = (Vec::new(), None, [0; 4096]);
    let mut at = PREFACE.len();
    loop {
        while let Some(head) = heard.get(at..at + 8).map(<[u8]>::to_vec) {
            let length = usize::from(u16::from_le_bytes([head[0], head[1]]));
            let Some(payload) = heard.get(at + 8..at + 8 + length).map(<[u8]>::to_vec) else { break };
            let stream = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
            at += 8 + length;
            let found = match head[2] {
                4 => Told::End(stream),
                5 => Told::Reset(stream, u16::from_le_bytes([payload[0], payload[1]])),
                9 => {
                    away = Some(u16::from_le_bytes([payload[4], payload[5]]));
                    continue;
                }
                _ => continue,
            };
            if found == expected {
                return Ok(());
            }
        }
        match stream.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => heard.extend_from_slice(&chunk[..read]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
            Err(error) => return Err(format!("{error}, after {heard:02x?}")),
        }
    }
    if !heard.is_empty() && !PREFACE.starts_with(&heard[..heard.len().min(PREFACE.len())]) {
        return Err(format!("no preface: {heard:02x?}"));
    }
    let found = away.map_or(Told::Closed, Told::GoAway);
    if found == expected { Ok(()) } else { Err(format!("found {found:?}, after {heard:02x?}")) }
}

/// What no honest peer sends, and what becomes of it.
fn table() -> Vec<(&'static str, Vec<u8>, Told)> {
    let protocol = Told::GoAway(1);
    let after = |frames: &[Vec<u8>]| [hello(), frames.concat()].concat();
    let much = vec![b'x'; 65_535];
    let piece = |stream| frame(3, MESSAGE | MORE, stream, &much);
    let floods = |frame: Vec<u8>, count: usize| after(&[frame.repeat(count)]);
    let resets: Vec<u8> = (0..1500_u32)
        .flat_map(|index| [open(2 * index + 1, 4, 0, b""), frame(5, 0, 2 * index + 1, &[6, 0])].concat())
        .collect();
    let empty = [open(1, 4, 0, b""), frame(3, MESSAGE | MORE, 1, b"").repeat(1500)].concat();
    vec![
        ("a setting cut short", [PREFACE, &frame(1, 0, 0, &setting(2, 1)[..9])].concat(), protocol),
        ("a setting out of its range", [PREFACE, &frame(1, 0, 0, &setting(1, 1))].concat(), protocol),
        ("a setting twice", [PREFACE, &frame(1, 0, 0, &setting(2, 1).repeat(2))].concat(), protocol),
        ("another frame first", [PREFACE, &frame(7, 0, 0, &[0; 8])].concat(), protocol),
        (
            "a frame that may be skipped, first",
            [PREFACE, &frame(200, 0, 0, b""), &frame(1, 0, 0, &[])].concat(),
            protocol,
        ),
        ("a second HELLO", after(&[frame(1, 0, 0, &[])]), protocol),
        ("an unknown type", after(&[frame(100, 0, 0, b"?")]), protocol),
        ("a flag that there is not", after(&[frame(7, 1, 0, &[0; 8])]), protocol),
        ("a PING of nine bytes", after(&[frame(7, 0, 0, &[0; 9])]), protocol),
        ("a PING on a stream", after(&[frame(7, 0, 1, &[0; 8])]), protocol),
        ("DATA on a stream never opened", after(&[frame(3, MESSAGE, 1, b"x")]), protocol),
        ("RESET of a stream never opened", after(&[frame(5, 0, 1, &[0, 0])]), protocol),
        ("END of a call of ours", after(&[open(1, 4, 0, b""), frame(4, 0, 1, b"")]), protocol),
        ("a stream again", after(&[open(1, 4, 0, b""), open(1, 4, 0, b"")]), protocol),
        ("a lower stream", after(&[open(3, 4, 0, b""), open(1, 4, 0, b"")]), protocol),
        ("a stream of the server's", after(&[open(2, 4, 0, b"")]), protocol),
        ("DATA after the last", after(&[open(1, 4, LAST, b""), frame(3, MESSAGE, 1, b"x")]), protocol),
        ("a flag of a message without one", after(&[open(1, 4, MORE, b"")]), protocol),
        ("an OPEN cut short", after(&[frame(2, 0, 1, &[0; 19])]), protocol),
        (
            "metadata that is none",
            after(&[frame(2, 0, 1, &[&[0; 18][..], &[4, 0, 1, 0, 0, b'A']].concat())]),
            protocol,
        ),
        ("credit of nothing", after(&[frame(6, 0, 0, &[0; 4])]), Told::GoAway(4)),
        ("too much credit", after(&[frame(6, 0, 0, &0x7fff_ffff_u32.to_le_bytes())]), Told::GoAway(4)),
        (
            "credit of more than there is",
            after(&[frame(6, 0, 0, &0xffff_ffff_u32.to_le_bytes())]),
            Told::GoAway(4),
        ),
        ("pings without an end", floods(frame(7, 0, 0, &[0; 8]), 200), Told::GoAway(7)),
        ("calls that are opened and reset", after(&[resets]), Told::GoAway(7)),
        ("pieces without a byte", after(&[empty]), Told::GoAway(7)),
        (
            "a message over the limit",
            after(&[[open(1, 4, 0, b"")].concat(), piece(1).repeat(70)]),
            Told::Reset(1, 3),
        ),
        (
            "more than there is credit for",
            after(&[open(1, 4, 0, b""), frame(3, MESSAGE, 1, &much).repeat(60)]),
            Told::GoAway(4),
        ),
        ("a method that there is not", after(&[open(1, 999, LAST, b"")]), Told::End(1)),
        ("an answer that is heard all the same", after(&[open(1, 2, LAST | MESSAGE, b"x")]), Told::End(1)),
        (
            "a call that is closed, again",
            after(&[
                open(1, 2, LAST | MESSAGE, b"x"),
                frame(5, 0, 1, &[6, 0]),
                open(3, 2, LAST | MESSAGE, b"y"),
            ]),
            Told::End(3),
        ),
        (
            "a type that may be skipped",
            after(&[frame(200, 255, 9, b"?"), open(1, 2, LAST | MESSAGE, b"x")]),
            Told::End(1),
        ),
    ]
}

#[test]
fn hostile_bytes_get_their_code() {
    let running = services().listen("127.0.0.1:0").start().unwrap();
    let address = running.tcp().unwrap();
    let mut wrong = Vec::new();
    for (name, bytes, expected) in table() {
        if let Err(error) = told(address, &bytes, expected) {
            wrong.push(format!("{name}: expected {expected:?}: {}", &error[..error.len().min(300)]));
        }
        // Whatever became of it, another client is answered.
        let call = [hello(), open(1, 2, LAST | MESSAGE, b"well?")].concat();
        told(address, &call, Told::End(1)).unwrap_or_else(|error| panic!("after {name}: {error}"));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn services() -> wireworks::server::rpc::Server {
    let services: Services = demo::services();
    services.server().unwrap().threads(1).drain_timeout(Duration::from_secs(1))
}

#[test]
fn what_is_no_such_protocol_is_closed() {
    let running = services().listen("127.0.0.1:0").start().unwrap();
    let address = running.tcp().unwrap();
    for bytes in [
        &b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..],
        b"WWRPC/2\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01",
        b"HTTP/1.1 200 OK\r\n",
    ] {
        let outcomes = [told(address, bytes, Told::Closed), told(address, bytes, Told::GoAway(1))];
        assert!(outcomes.iter().any(Result::is_ok), "{}: {outcomes:?}", bytes.escape_ascii());
        let call = [hello(), open(1, 2, LAST | MESSAGE, b"well?")].concat();
        told(address, &call, Told::End(1)).unwrap();
    }
}

#[test]
fn a_peer_that_never_reads_is_cut_off_and_harms_nobody() {
    // It may ping as often as it likes: nothing but the PONGs that wait ends it.
    let settings = Settings {
        min_ping_interval: Duration::ZERO,
        close_timeout: Duration::from_millis(200),
        ..Settings::default()
    };
    let running = services().settings(settings).listen("127.0.0.1:0").start().unwrap();
    let address = running.tcp().unwrap();
    let much = vec![b'x'; 16 << 10];
    let ask = |round: u32| open(2 * round + 1, 2, LAST | MESSAGE, &much);
    let ping = |_: u32| frame(7, 0, 0, &[0; 8]).repeat(1000);
    type Say<'a> = &'a dyn Fn(u32) -> Vec<u8>;
    let rows: [(&str, Say<'_>); 2] = [("calls", &ask), ("pings", &ping)];
    for (name, say) in rows {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(&hello()).unwrap();
        let mut said = 0;
        let error = (0..).find_map(|round| {
            let bytes = say(round);
            said += bytes.len();
            // So much is neither in buffers of the system nor within any limit.
            assert!(said < 256 << 20, "{name}: it was heard for {said} bytes");
            stream.write_all(&bytes).err()
        });
        let kind = error.unwrap().kind();
        assert!(matches!(kind, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{name}: {kind}");
        let call = [hello(), open(1, 2, LAST | MESSAGE, b"well?")].concat();
        told(address, &call, Told::End(1)).unwrap_or_else(|error| panic!("after {name}: {error}"));
    }
}
