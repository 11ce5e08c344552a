//! Sessions by a signed cookie.

use std::path::Path;

use super::{Backend, backend};
use crate::balance::Balancer;
use crate::support::response::Response;

/// A balancer over these backends, whose cookies these keys sign.
fn sticky(backends: &[&Backend], keys: &[&Path]) -> Balancer {
    let backends: Vec<_> = backends.iter().map(|backend| backend.addr.to_string()).collect();
    let keys: Vec<_> = keys.iter().map(|key| key.to_str().unwrap()).collect();
    let text = format!(
        "[process]\nthreads = 1\n[[listener]]\nlisten = \"127.0.0.1:0\"\nto = \"web\"\n[upstream.web]\nbackends = {backends:?}\n\
        sticky = {{ cookie = \"SRV\", keys = {keys:?}, max-age = \"1h\" }}\n"
    );
    Balancer::parse(&text, |_| {})
}

fn get(balancer: &Balancer, cookie: &str) -> Response {
    let mut wire = balancer.connect();
    wire.send(format!("GET / HTTP/1.1\r\nHost: a\r\nCookie: other=1; {cookie}\r\n\r\n"));
    wire.read_response()
}

/// The cookie that an answer sets.
fn set(response: &Response) -> Option<String> {
    let cookie = response.header("set-cookie")?;
    let (pair, attributes) = cookie.split_once("; ").unwrap();
    assert_eq!(attributes, "Path=/; Max-Age=3600; SameSite=Lax; HttpOnly");
    Some(pair.into())
}

fn key(folder: &tempfile::TempDir, name: &str) -> std::path::PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, format!("{}\n", name.repeat(32))).unwrap();
    path
}

#[test]
fn a_client_returns_to_its_backend_through_any_balancer_with_the_keys() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (key(&folder, "o"), key(&folder, "n"));
    let backends = [backend("one"), backend("two"), backend("three"), backend("four")];
    let backends: Vec<_> = backends.iter().collect();
    let (one, other) = (sticky(&backends, &[&old]), sticky(&backends, &[&old]));
    let (rotated, foreign) = (sticky(&backends, &[&new, &old]), sticky(&backends, &[&new]));
    for _ in 0..5 {
        let first = get(&one, "");
        let cookie = set(&first).expect("a first answer sets the cookie");
        for balancer in [&one, &other] {
            for _ in 0..10 {
                let next = get(balancer, &cookie);
                assert_eq!((next.text(), set(&next)), (first.text(), None));
            }
        }
        // Signed by an older key: the session goes on, with a new cookie.
        let renewed = get(&rotated, &cookie);
        assert_eq!(renewed.text(), first.text());
        let renewed = set(&renewed).expect("a new cookie");
        assert_eq!((get(&foreign, &renewed).text(), set(&get(&foreign, &renewed))), (first.text(), None));
        // By none of the keys, or not at all.
        assert!(set(&get(&foreign, &cookie)).is_some());
        let mut forged = cookie.clone();
        let last = if forged.ends_with('A') { "E" } else { "A" };
        forged.replace_range(forged.len() - 10..forged.len() - 9, last);
        for nonsense in [&*forged, "SRV=", "SRV=nonsense"] {
            assert!(nonsense == cookie || set(&get(&one, nonsense)).is_some(), "{nonsense}");
        }
        assert_eq!(set(&get(&one, &format!("SRV=nonsense; {cookie}"))), None, "the second one is good");
    }
}

#[test]
fn a_session_moves_when_its_backend_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let key = key(&folder, "k");
    // Its connections end with each answer, so none is left when it is gone.
    let once = |text: &'static str| {
        Backend::start(move |_, peer| {
            peer.answer(format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\n{text}"))
        })
    };
    let (one, two) = (once("one"), once("two"));
    let balancer = sticky(&[&one, &two], &[&key]);
    let first = get(&balancer, "");
    let cookie = set(&first).unwrap();
    let (gone, stays) = if first.text() == "one" { (one, "two") } else { (two, "one") };
    drop(gone);
    let next = get(&balancer, &cookie);
    assert_eq!(next.text(), stays);
    let moved = set(&next).expect("the session is elsewhere now");
    assert_eq!((get(&balancer, &moved).text(), set(&get(&balancer, &moved))), (stays, None));
}

#[test]
fn a_websocket_gets_the_cookie_with_its_101() {
    let folder = tempfile::tempdir().unwrap();
    let key = key(&folder, "k");
    let backend = Backend::start(|_, peer| {
        peer.answer("HTTP/1.1 101 Go\r\nUpgrade: echo\r\nConnection: upgrade\r\n\r\n")?;
        peer.hold()
    });
    let balancer = sticky(&[&backend], &[&key]);
    let mut wire = balancer.connect();
    wire.send("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: echo\r\nConnection: upgrade\r\n\r\n");
    let head = String::from_utf8(wire.read_until(b"\r\n\r\n")).unwrap();
    assert!(head.starts_with("HTTP/1.1 101 ") && head.contains("set-cookie: SRV="), "{head}");
}
