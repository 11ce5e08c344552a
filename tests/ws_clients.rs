//! `wireworks ws serve` under programs that others wrote: wscat, websocat, Python's websockets and a browser.

use std::time::Duration;

use crate::support::browser::chromium;
use crate::support::command::{stop, wireworks};
use crate::support::process::Process;
use crate::support::tool::Tool;

/// How long a page may take to do the next thing that it is there for.
const PATIENCE: Duration = Duration::from_secs(60);

/// The two transports: the scheme, and what the server is told for it.
const TRANSPORTS: [(&str, &[&str]); 2] = [("ws", &[]), ("wss", &["--tls-self-signed"])];

/// A WebSocket server with further arguments, and its URL.
#[track_caller]
fn server(scheme: &str, args: &[&str]) -> (Process, String) {
    let mut server = wireworks(&[&["ws", "serve", "--listen", "127.0.0.1:0"], args].concat());
    let addr = server.address("ws");
    (server, format!("{scheme}://{addr}"))
}

/// `wscat`, which sends the lines and closes; it trusts any certificate.
#[track_caller]
fn wscat(url: &str, args: &[&str], lines: &[&str]) -> Process {
    let tool = Tool::installed("node_modules/.bin/wscat").args(["-n", "-w", "0", "-c", url]).args(args);
    // It leaves at once when its input ends, so somebody stays at the keyboard.
    tool.args(lines.iter().flat_map(|line| ["-x", line])).start_typing()
}

#[test]
fn wscat_hears_its_echo() {
    for (scheme, args) in TRANSPORTS {
        let (server, url) = server(scheme, args);
        let heard = wscat(&format!("{url}/echo"), &[], &["one", "two", "\u{20ac}"]).wait().success();
        assert_eq!(heard.text(), "one\ntwo\n\u{20ac}\n", "{scheme}");
        stop(server);
    }
}

#[test]
fn wscat_gets_a_subprotocol_that_both_know() {
    let (server, url) = server("ws", &["--subprotocol", "b", "--subprotocol", "c"]);
    let url = format!("{url}/echo");
    wscat(&url, &["-s", "a", "-s", "b"], &["text"]).wait().success();
    let refused = wscat(&url, &["-s", "a"], &["text"]).wait();
    assert!(refused.stderr.contains("Server sent no subprotocol"), "{}", refused.stderr);
    stop(server);
}

#[test]
fn websocat_hears_its_echo() {
    let bytes: Vec<u8> = (0..=255).cycle().take(1_000_000).collect();
    let text = "one\ntwo\nthree\n";
    for (scheme, args) in TRANSPORTS {
        let (server, url) = server(scheme, args);
        let url = format!("{url}/echo");
        let websocat = |args: &[&str]| Tool::installed("bin/websocat").args(["-k"]).args(args).args([&url]);
        assert_eq!(websocat(&["-t"]).input(text).run().success().text(), text, "{scheme}");
        assert!(websocat(&["-b"]).input(bytes.clone()).run().success().stdout == bytes, "{scheme}");
        stop(server);
    }
}

#[test]
fn websockets_of_python_agrees_about_compression_and_hears_its_echo() {
    for deflate in ["shared", "dedicated"] {
        for (scheme, args) in TRANSPORTS {
            let (server, url) = server(
                scheme,
                &[args, &["--deflate", deflate, "--subprotocol", "b", "--subprotocol", "a"]].concat(),
            );
            Tool::python(include_str!("data/ws/client.py")).args([&url]).run().success();
            stop(server);
        }
    }
}

#[test]
fn a_line_typed_into_the_page_of_the_demo_comes_back() {
    let mut server = wireworks(&["http", "--listen", "127.0.0.1:0"]);
    let url = format!("http://{}/ws", server.address("http"));
    let folder = tempfile::tempdir().unwrap();
    let mut browser = chromium(folder.path(), &["--remote-debugging-port=0"], &url).start();
    let devtools = browser.wait_for_line("DevTools listening on ");
    let tool = Tool::python(concat!(include_str!("data/devtools.py"), include_str!("data/ws/page.py")))
        .within(PATIENCE);
    let shown =
        tool.args([&devtools, "#state.open", "#text", "typed here", "#log .got span"]).run().success();
    assert_eq!(shown.text(), "connected, compressed\ntyped here\n");
    drop(browser);
    stop(server);
}
