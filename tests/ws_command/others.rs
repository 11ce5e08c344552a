//! Our clients at servers that others wrote: npm's ws and Python's websockets.

use super::{client, failure, talk};
use crate::support::tool::Tool;

#[test]
fn servers_of_others_are_talked_to() {
    let servers = [
        ("ws", Tool::node(include_str!("../data/ws/server.js"))),
        ("websockets", Tool::python(include_str!("../data/ws/server.py"))),
    ];
    for (name, tool) in servers {
        let mut server = tool.start();
        let url = format!("ws://{}/", server.address("ws"));
        let lines: String = (0..500).map(|line| format!("line {line} \u{20ac}\n")).collect();
        for args in [&["--no-deflate"][..], &["--deflate=shared"], &["--deflate"]] {
            let ended = talk(&[args, &["-s", "v1.chat", &url]].concat(), lines.as_bytes()).success();
            assert_eq!(ended.text(), lines, "{name} {args:?}");
            let told = ended.stderr.lines().next().unwrap();
            assert!(told.contains(", subprotocol v1.chat"), "{name}: {told}");
            assert_eq!(told.contains(", compression "), args[0] != "--no-deflate", "{name}: {told}");
        }
        let bytes: Vec<u8> = (0..=255).cycle().take(300_000).collect();
        assert!(
            talk(&["-s", "v1.chat", "--binary", "-", "--raw", &url], &bytes).success().stdout == bytes,
            "{name}"
        );
        let error = failure(&talk(&["-s", "v1.chat", "--send", "close", &url], b""), 4);
        assert_eq!(error, "the server closed with 4000: as you wish", "{name}");
        let load = [
            "-s",
            "v1.chat",
            "-c",
            "3",
            "--depth",
            "4",
            "--messages",
            "300",
            "--text",
            "--size",
            "2KiB",
            "--deflate",
            &url,
        ];
        let report = client("bench", &load, b"").wait().success().text();
        assert!(report.contains("errors: none"), "{name}: {report}");
    }
}
