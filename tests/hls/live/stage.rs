//! What the tests of live streams have in common: a server, publishers that they hold by the hand, and judges.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use wireworks::proto::hls::check;
use wireworks::proto::hls::playlist::media::MediaPlaylist;
use wireworks::proto::hls::playlist::variables::Variables;

use crate::hls::origin::media;
use crate::support::command::wireworks;
use crate::support::process::Process;
use crate::support::response::Response;
use crate::support::tool::Tool;
use crate::support::wire::Wire;

/// How long something may take that is seen by asking again.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// Publishers may send as fast as they can, and what is there stays there.
pub(super) const FAST: [&str; 2] = ["--ahead", "1h"];

/// A server with these arguments, and where it listens.
#[track_caller]
pub(super) fn live(args: &[&str]) -> (Process, SocketAddr) {
    let common = ["hls", "live", "--listen", "127.0.0.1:0"];
    let mut server = wireworks(&[&common, args].concat());
    let address = server.address("hls");
    (server, address)
}

/// A sample as ffmpeg writes it in another container, so many times in a row.
#[track_caller]
pub(super) fn remuxed(name: &str, times: u32, to: &[&str]) -> Vec<u8> {
    let loops = (times - 1).to_string();
    let media = media(name);
    // Where the file begins again its sound overlaps by a frame, which ffmpeg mentions.
    let head = ["-v", "fatal", "-stream_loop", &loops, "-i", &media, "-c", "copy"];
    let done = Tool::new("ffmpeg").args(head).args(to).args(["-"]).run().success();
    assert!(!done.stdout.is_empty());
    done.stdout
}

/// As MPEG-TS.
pub(super) const TS: [&str; 2] = ["-f", "mpegts"];

/// As fragmented MP4.
pub(super) const FMP4: [&str; 4] = ["-movflags", "frag_keyframe+empty_moov+default_base_moof", "-f", "mp4"];

/// A made-up picture of so many seconds with a key frame every half of a second, as MPEG-TS.
#[track_caller]
pub(super) fn quick(seconds: u32) -> Vec<u8> {
    let source = format!("testsrc2=size=160x90:rate=24:duration={seconds}");
    let coding =
        ["-c:v", "libx264", "-preset", "ultrafast", "-g", "12", "-sc_threshold", "0", "-pix_fmt", "yuv420p"];
    let args = ["-v", "error", "-f", "lavfi", "-i", &source];
    Tool::new("ffmpeg").args(args).args(coding).args(TS).args(["-"]).run().success().stdout
}

/// A publisher by HTTP, whose body goes on until it is ended.
#[derive(Debug)]
pub(super) struct Publisher(Wire);

impl Publisher {
    pub(super) fn put(address: SocketAddr, name: &str) -> Self {
        let mut wire = Wire::connect(address);
        wire.send(format!("PUT /live/{name} HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n"));
        Self(wire)
    }

    #[track_caller]
    pub(super) fn send(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(64 * 1024) {
            self.0.send(format!("{:x}\r\n", piece.len()));
            self.0.send(piece);
            self.0.send("\r\n");
        }
    }

    /// Waits until the server has read all that was sent.
    pub(super) fn taken(&self) {
        self.0.wait_until_read();
    }

    /// The body ends, and is answered.
    #[track_caller]
    pub(super) fn end(mut self) -> Response {
        self.0.send("0\r\n\r\n");
        self.0.read_response_to("PUT")
    }

    /// What it is answered without having said that it is through.
    #[track_caller]
    pub(super) fn told(mut self) -> Response {
        self.0.read_response_to("PUT")
    }

    /// The connection is lost.
    pub(super) fn vanish(self) {
        self.0.reset();
    }
}

/// Asks for something, without waiting for the answer.
pub(super) fn asking(address: SocketAddr, line: &str) -> Wire {
    let mut wire = Wire::connect(address);
    wire.send(format!("{line} HTTP/1.1\r\nHost: test\r\n\r\n"));
    wire
}

#[track_caller]
pub(super) fn ask(address: SocketAddr, line: &str) -> Response {
    asking(address, line).read_response_to(line.split(' ').next().unwrap())
}

#[track_caller]
pub(super) fn get(address: SocketAddr, path: &str) -> Response {
    ask(address, &format!("GET {path}"))
}

/// Asks until the answer is as it should be.
#[track_caller]
pub(super) fn until(address: SocketAddr, path: &str, wanted: impl Fn(&Response) -> bool) -> Response {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let reply = get(address, path);
        if wanted(&reply) {
            return reply;
        }
        assert!(
            Instant::now() < deadline,
            "{path} is still answered with {}:\n{}",
            reply.status,
            reply.text()
        );
        std::thread::yield_now();
    }
}

/// A playlist, when it is as it should be. Nothing is wrong with it.
#[track_caller]
pub(super) fn playlist(address: SocketAddr, path: &str, wanted: impl Fn(&str) -> bool) -> MediaPlaylist {
    let reply = until(address, path, |reply| reply.status == 200 && wanted(reply.text()));
    read(reply.text())
}

/// A media playlist with which nothing is wrong.
#[track_caller]
pub(super) fn read(text: &str) -> MediaPlaylist {
    let report = check::playlist(text.as_bytes(), Variables::default());
    assert_eq!(report.findings, [], "{text}");
    report.media().unwrap().clone()
}

/// Whether a playlist has ended.
pub(super) fn ended(text: &str) -> bool {
    text.contains("#EXT-X-ENDLIST")
}

/// The pictures of a file or a stream, decoded: a digest of each. ffmpeg has nothing to complain about.
#[track_caller]
pub(super) fn pictures(input: &str) -> Vec<String> {
    let args = ["-v", "error", "-xerror", "-i", input, "-map", "0:v:0", "-f", "framemd5", "-"];
    let seen = Tool::new("ffmpeg").args(args).run().success();
    assert_eq!(seen.stderr, "", "{input}");
    let text = seen.text();
    let digest = |line: &str| line.rsplit(',').next().unwrap().trim().to_owned();
    text.lines().filter(|line| !line.starts_with('#')).map(digest).collect()
}

/// Plays pictures and sound of a stream to its end, or for so many seconds of it. ffmpeg has nothing to complain about.
#[track_caller]
pub(super) fn plays(input: &str, seconds: Option<u32>) {
    let mut args = vec!["-v".to_owned(), "error".to_owned(), "-i".to_owned(), input.to_owned()];
    args.extend(seconds.into_iter().flat_map(|seconds| ["-t".to_owned(), seconds.to_string()]));
    let played = Tool::new("ffmpeg").args(args).args(["-f", "null", "-"]).run().success();
    assert_eq!(played.stderr, "", "{input}");
}

/// The files below a folder, by their paths in it, in order.
pub(super) fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(folder).unwrap().display().to_string());
            }
        }
    }
    found.sort();
    found
}
