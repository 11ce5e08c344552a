//! Encoders of the tests: ffmpeg, and one of our own for what the ffmpeg of Debian 12 cannot say, as Enhanced RTMP.

use std::net::SocketAddr;

use bytes::{BufMut, Bytes, BytesMut};
use wireworks::proto::hls::mp4::movie::Movie;
use wireworks::proto::hls::mp4::walk::{Step, Walk};
use wireworks::proto::hls::track::{Config, Timescale};
use wireworks::proto::rtmp::amf0::Value;
use wireworks::proto::rtmp::chunk::{self, Payload, Reader};
use wireworks::proto::rtmp::codec::CHALLENGE;
use wireworks::proto::rtmp::message::{Body, Command};

use super::origin::media;
use crate::support::tool::Tool;
use crate::support::wire::Wire;

/// ffmpeg as it publishes a file of the samples by RTMP without coding it again, to be started.
pub(super) fn ffmpeg(options: &[&str], clip: &str, url: &str) -> Tool {
    let input = media(clip);
    let before = ["-v", "error", "-nostdin"];
    let behind = ["-i", &input, "-c", "copy", "-f", "flv", url];
    Tool::new("ffmpeg").args(before).args(options).args(behind)
}

/// The hashes of the packets of one stream of what is at `url`, as ffmpeg reads it: `v:0` or `a:0`.
pub(super) fn packets(url: &str, stream: &str) -> Vec<String> {
    let map = format!("0:{stream}");
    let args = ["-v", "error", "-nostdin", "-i", url, "-map", &map, "-c", "copy", "-f", "framemd5", "-"];
    let listed = Tool::new("ffmpeg").args(args).run().success().text();
    let lines = listed.lines().filter(|line| !line.starts_with('#'));
    // Behind the hash there may be those of side data.
    lines.filter_map(|line| line.split(',').nth(5).map(|hash| hash.trim().to_owned())).collect()
}

/// Bytes of the chunks that we send.
const CHUNK: usize = 4096;

/// A connection of an encoder.
pub(super) struct Encoder {
    wire: Wire,
    reader: Reader,
}

impl Encoder {
    /// Connects, and shakes hands.
    pub(super) fn connect(address: SocketAddr) -> Self {
        let mut wire = Wire::connect(address);
        let mut hello = vec![3];
        hello.extend((0..CHALLENGE).map(|n| if n < 8 { 0 } else { (n % 251) as u8 }));
        wire.send(&hello);
        let answer = wire.read_exact(1 + 2 * CHALLENGE);
        assert_eq!(answer[0], 3);
        assert_eq!(answer[1 + CHALLENGE + 8..], hello[9..], "S2 repeats C1");
        wire.send(&answer[1..=CHALLENGE]);
        let mut encoder = Self { wire, reader: Reader::default() };
        encoder.says(0, 0, &Body::SetChunkSize(CHUNK as u32), 128);
        encoder
    }

    fn says(&mut self, timestamp: u32, stream: u32, body: &Body, chunk: usize) {
        let payload = Payload { timestamp, kind: body.kind(), stream, bytes: body.write() };
        let mut out = BytesMut::new();
        chunk::write(if body.kind() == 9 { 6 } else { 4 }, &payload, chunk, &mut out);
        self.wire.send(&out);
    }

    /// Says a command.
    pub(super) fn command(&mut self, name: &str, transaction: f64, arguments: Vec<Value>) {
        let command = Command { name: name.to_owned(), transaction, arguments };
        self.says(0, 0, &Body::Command(command), CHUNK);
    }

    /// What a command is answered with: the next command of this name, others are passed over.
    pub(super) fn hears(&mut self, name: &str) -> Command {
        loop {
            if let Body::Command(command) = self.message()
                && command.name == name
            {
                return command;
            }
        }
    }

    fn message(&mut self) -> Body {
        let mut bytes = BytesMut::new();
        loop {
            bytes.extend_from_slice(&self.wire.read_exact(1));
            if let Some(payload) = self.reader.read(&mut bytes).unwrap() {
                return Body::read(payload.kind, payload.bytes).unwrap();
            }
        }
    }

    /// Asks to publish: the code and the words of the answer.
    pub(super) fn asks(&mut self, app: &str, key: &str) -> (String, String) {
        let text = |text: &str| Value::String(text.to_owned());
        let info = Value::Object(vec![("app".to_owned(), text(app))]);
        self.command("connect", 1.0, vec![info]);
        self.hears("_result");
        self.command("createStream", 2.0, vec![Value::Null]);
        self.hears("_result");
        self.command("publish", 3.0, vec![Value::Null, text(key), text("live")]);
        let status = self.hears("onStatus");
        let entry = |name: &str| status.arguments[1].entry(name).and_then(Value::as_str).unwrap().to_owned();
        (entry("code"), entry("description"))
    }

    /// Begins to publish.
    pub(super) fn publishes(&mut self, app: &str, key: &str) {
        assert_eq!(self.asks(app, key).0, "NetStream.Publish.Start");
    }

    /// Sends media.
    pub(super) fn sends(&mut self, timestamp: u32, body: Body) {
        self.says(timestamp, 1, &body, CHUNK);
    }

    /// Sends a whole clip, as fast as it is taken.
    pub(super) fn plays(&mut self, clip: &Clip) {
        for (timestamp, body) in &clip.0 {
            self.sends(*timestamp, body.clone());
        }
    }

    /// Ends the stream, and waits for the word that it has ended.
    pub(super) fn ends(mut self) {
        self.command("deleteStream", 0.0, vec![Value::Null, Value::Number(1.0)]);
        let status = self.hears("onStatus");
        let code = status.arguments[1].entry("code").and_then(Value::as_str);
        assert_eq!(code, Some("NetStream.Unpublish.Success"));
    }

    /// The connection.
    pub(super) fn wire(&mut self) -> &mut Wire {
        &mut self.wire
    }
}

/// A file of the samples as messages of Enhanced RTMP, with their times.
pub(super) struct Clip(Vec<(u32, Body)>);

impl Clip {
    /// Reads a file.
    pub(super) fn read(name: &str) -> Self {
        let file = Bytes::from(std::fs::read(media(name)).unwrap());
        let movie = movie(&file);
        let (mut configs, mut frames) = (Vec::new(), Vec::new());
        for track in &movie.tracks {
            let coding = Coding::of(&track.track.config);
            configs.push((0, coding.tag(0, true, 0, &coding.record)));
            for located in track.table.iter() {
                let sample = located.sample;
                let millis = |ticks: i64| track.track.timescale.rescale(ticks, Timescale::MILLIS).unwrap();
                let from = located.at as usize;
                let data = &file[from..from + sample.size as usize];
                let composition = millis(sample.composition_offset.into()) as i32;
                frames.push((millis(sample.dts) as u32, coding.tag(1, sample.key, composition, data)));
            }
        }
        frames.sort_by_key(|(timestamp, _)| *timestamp);
        configs.append(&mut frames);
        Self(configs)
    }
}

/// How a track is coded, in the words of Enhanced RTMP.
struct Coding {
    four: &'static [u8; 4],
    record: Vec<u8>,
    pictures: bool,
}

impl Coding {
    fn of(config: &Config) -> Self {
        let mut record = BytesMut::new();
        let (four, pictures) = match config {
            Config::Hevc(config) => {
                config.write(&mut record);
                (b"hvc1", true)
            }
            Config::Av1(config) => {
                config.write(&mut record);
                (b"av01", true)
            }
            Config::Opus(config) => {
                config.write(&mut record);
                (b"Opus", false)
            }
            other => panic!("no clip has {other:?}"),
        };
        let record = if pictures { record.to_vec() } else { opus_head(&record) };
        Self { four, record, pictures }
    }

    /// A message of packet type `kind`.
    fn tag(&self, kind: u8, key: bool, composition: i32, data: &[u8]) -> Body {
        let mut tag = BytesMut::new();
        let frame = if key { 1 } else { 2 };
        tag.put_u8(if self.pictures { 0x80 | frame << 4 | kind } else { 0x90 | kind });
        tag.put_slice(self.four);
        if kind == 1 && self.four == b"hvc1" {
            tag.put_slice(&composition.to_be_bytes()[1..]);
        }
        tag.put_slice(data);
        if self.pictures { Body::Video(tag.freeze()) } else { Body::Audio(tag.freeze()) }
    }
}

/// The header of Opus (RFC 7845 section 5.1) for what MP4 has in its place, the numbers of which have the other order of bytes.
fn opus_head(specific: &[u8]) -> Vec<u8> {
    let mut head = b"OpusHead\x01".to_vec();
    head.push(specific[1]);
    for number in [2..4, 4..8, 8..10] {
        head.extend(specific[number].iter().rev());
    }
    head.extend(&specific[10..]);
    head
}

fn movie(file: &Bytes) -> Movie {
    let mut walk = Walk::to_movie(file.len() as u64);
    loop {
        match walk.step().unwrap() {
            Step::Read(range) => {
                let end = (range.end as usize).min(file.len());
                walk.give(file.slice(range.start as usize..end));
            }
            Step::Found(found) => return Movie::read(found.at, found.bytes).unwrap(),
            Step::End => panic!("no movie"),
        }
    }
}
