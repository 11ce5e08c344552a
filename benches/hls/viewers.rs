//! Viewers of a Low-Latency stream: each has one connection, asks for the playlist that has the next part, which the server answers when there is one, and then for the
//! part. ffmpeg publishes the sample in `media/` in real time.

use std::collections::HashMap;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::package::peak_memory;
use crate::poll::Poll;
use crate::support::rounds::Sample;
use crate::support::server::{Server, on_its_cpu};
use crate::support::{Result, procfs};
use crate::web;

/// How long a stream may take to begin, and all may be silent.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long everybody watches before it counts.
const WARM: Duration = Duration::from_secs(3);
/// Where the stream is.
const STREAM: &str = "/live/bench";

/// One turn.
pub(crate) fn turn(count: usize, seconds: u64) -> Result<Sample> {
    let mut command = on_its_cpu();
    command.args([
        env!("CARGO_BIN_EXE_wireworks"),
        "hls",
        "live",
        "--listen",
        "127.0.0.1:0",
        "--threads",
        "1",
    ]);
    let server = Server::start(command, tempfile::tempdir()?, None)?;
    let _publisher = Publisher::start(&server)?;
    let playlist = media_playlist(&server)?;
    let mut audience = Audience::gather(&server, playlist, count)?;
    audience.watch(WARM)?;
    audience.delays.clear();
    audience.answers = 0;
    let wanted = Duration::from_secs(seconds.max(4));
    let begun = Instant::now();
    let ((), spent) = procfs::account(server.pid(), || audience.watch(wanted))?;
    let wall = begun.elapsed().as_secs_f64();
    let mut delays: Vec<f64> = audience.delays.iter().map(|delay| delay.as_secs_f64() * 1e3).collect();
    delays.sort_by(f64::total_cmp);
    let at = |part: f64| delays.get((delays.len() as f64 * part) as usize).copied();
    let (p50, p99) = (at(0.5).ok_or("no part came")?, at(0.99).ok_or("no part came")?);
    let peak = peak_memory(server.pid())? as f64 / f64::from(1 << 20);
    let sides = vec![p50, p99, audience.answers as f64 / wall, peak];
    Ok(Sample { cost: spent.as_secs_f64() / wall * 100.0, sides, errors: audience.errors })
}

/// ffmpeg, publishing.
struct Publisher(Child);

impl Publisher {
    fn start(server: &Server) -> Result<Self> {
        let film = Path::new(env!("CARGO_MANIFEST_DIR")).join("media/480p.mp4");
        let mut command = Command::new("ffmpeg");
        command.args(["-nostdin", "-v", "error", "-re", "-stream_loop", "-1", "-i"]).arg(film);
        command.args(["-c", "copy", "-f", "mpegts", "-flush_packets", "1", "-method", "PUT"]);
        command.arg(format!("http://{}{STREAM}", server.addr));
        command.stdin(Stdio::null()).stdout(Stdio::null());
        Ok(Self(command.spawn().map_err(|error| format!("ffmpeg (Debian package ffmpeg): {error}"))?))
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The path of the media playlist, once there is one with parts.
fn media_playlist(server: &Server) -> Result<String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match first_media_playlist(server) {
            Ok((path, text)) if Place::after(&text).is_some() => return Ok(path),
            Err(error) if Instant::now() > deadline => return Err(error),
            Ok(_) if Instant::now() > deadline => return Err("there are no parts".into()),
            _ => std::thread::sleep(Duration::from_millis(100)),
        }
    }
}

/// A media playlist, by its path and its text: the first of those that there are.
fn first_media_playlist(server: &Server) -> Result<(String, String)> {
    let master = format!("{STREAM}/index.m3u8");
    let text = web::playlist(server.addr, &master)?;
    if text.contains("#EXTINF") {
        return Ok((master, text));
    }
    let media = web::first_uri(&master, &text)?;
    let text = web::playlist(server.addr, &media)?;
    Ok((media, text))
}

/// The place of a part: its segment's number, and its own in that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Place {
    segment: u64,
    part: u64,
}

impl Place {
    /// That of the part behind the last one of a playlist, and the URI of that last one.
    fn after(playlist: &str) -> Option<(Self, &str)> {
        // Without the tag it begins with 0.
        let mut place = Self { segment: 0, part: 0 };
        let mut uri = None;
        for line in playlist.lines() {
            if let Some(number) = line.strip_prefix("#EXT-X-MEDIA-SEQUENCE:") {
                place.segment = number.parse().ok()?;
            } else if let Some(attributes) = line.strip_prefix("#EXT-X-PART:") {
                uri = attributes.split("URI=\"").nth(1)?.split('"').next();
                place.part += 1;
            } else if line.starts_with("#EXTINF") {
                (place.segment, place.part) = (place.segment + 1, 0);
            }
        }
        Some((place, uri?))
    }
}

/// Somebody who watches.
struct Viewer {
    /// What is awaited.
    awaited: Awaited,
    /// Bytes of the answer.
    received: Vec<u8>,
}

#[derive(Clone, Copy)]
enum Awaited {
    /// The playlist with the part at this place.
    Playlist(Place),
    /// The part at that place.
    Part(Place, Place),
}

/// All who watch.
struct Audience {
    poll: Poll,
    playlist: String,
    viewers: Vec<Viewer>,
    /// When the first viewer heard of a part.
    heard: HashMap<Place, Instant>,
    /// From then until a viewer had it.
    delays: Vec<Duration>,
    answers: u64,
    errors: u64,
}

impl Audience {
    fn gather(server: &Server, playlist: String, count: usize) -> Result<Self> {
        let text = web::playlist(server.addr, &playlist)?;
        let (place, _) = Place::after(&text).ok_or("there are no parts")?;
        let mut audience = Self {
            poll: Poll::new()?,
            playlist,
            viewers: Vec::with_capacity(count),
            heard: HashMap::new(),
            delays: Vec::new(),
            answers: 0,
            errors: 0,
        };
        for _ in 0..count {
            let stream = TcpStream::connect_timeout(&server.addr, PATIENCE)?;
            stream.set_nodelay(true)?;
            let at = audience.poll.add(stream)?;
            audience.viewers.push(Viewer { awaited: Awaited::Playlist(place), received: Vec::new() });
            audience.ask(at)?;
        }
        Ok(audience)
    }

    /// Sends the request of what a viewer awaits, which is small enough for any socket.
    fn ask(&mut self, at: usize) -> Result<()> {
        let Awaited::Playlist(Place { segment, part }) = self.viewers[at].awaited else { return Ok(()) };
        let path = format!("{}?_HLS_msn={segment}&_HLS_part={part}", self.playlist);
        self.send(at, &path)
    }

    fn send(&mut self, at: usize, path: &str) -> Result<()> {
        let request = web::request(path, "keep-alive");
        let sent = self.poll.write(at, request.as_bytes())?;
        if sent == request.len() { Ok(()) } else { Err("a socket took no whole request".into()) }
    }

    fn watch(&mut self, time: Duration) -> Result<()> {
        let begun = Instant::now();
        while let Some(left) = time.checked_sub(begun.elapsed()) {
            for at in self.poll.wait(left.max(Duration::from_millis(1)))? {
                self.read(at)?;
            }
        }
        Ok(())
    }

    fn read(&mut self, at: usize) -> Result<()> {
        while let Some((bytes, more)) = self.poll.read(at)? {
            self.viewers[at].received.extend_from_slice(bytes);
            if !more {
                break;
            }
        }
        loop {
            let viewer = &mut self.viewers[at];
            let Some((head, body)) = web::parse(&viewer.received)? else { return Ok(()) };
            if viewer.received.len() < head.length + body {
                return Ok(());
            }
            let answer: Vec<u8> = viewer.received.drain(..head.length + body).skip(head.length).collect();
            self.answers += 1;
            self.errors += u64::from(head.status != 200);
            self.answered(at, &answer)?;
        }
    }

    fn answered(&mut self, at: usize, body: &[u8]) -> Result<()> {
        match self.viewers[at].awaited {
            Awaited::Playlist(place) => {
                let text = std::str::from_utf8(body)?;
                let Some((next, uri)) = Place::after(text) else {
                    self.errors += 1;
                    return self.ask(at);
                };
                self.heard.entry(place).or_insert_with(Instant::now);
                self.viewers[at].awaited = Awaited::Part(place, next);
                let path = web::beside(&self.playlist, uri);
                self.send(at, &path)
            }
            Awaited::Part(place, next) => {
                self.delays.extend(self.heard.get(&place).map(Instant::elapsed));
                self.viewers[at].awaited = Awaited::Playlist(next);
                self.ask(at)
            }
        }
    }
}
