//! Files of a chat, over real sockets: uploaded, linked to, shown, counted and removed.

pub(crate) mod bucket;
mod full;
mod hostile;
mod links;
mod removal;
mod uploads;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use wireworks::net::addr::ListenAddr;
use wireworks::net::client::Connector;
use wireworks::net::workers::{Blocking, BlockingConfig};
use wireworks::proto::chat::event;
use wireworks::proto::chat::id::{AccountId, Millis};
use wireworks::server::chat::media::{Digest, Media, MediaOptions};
use wireworks::server::http::Server;
use wireworks::server::http::settings::Settings;
use wireworks::server::process::Running;

use crate::support::response::Response;
use crate::support::wire::Wire;

const ME: AccountId = AccountId(7);
const HOUR: Duration = Duration::from_secs(3600);

/// A server of files in a folder of its own.
struct Files {
    media: Media,
    address: SocketAddr,
    folder: tempfile::TempDir,
    running: Option<Running>,
    runtime: tokio::runtime::Runtime,
}

impl Files {
    fn new() -> Self {
        Self::with(|_| {}, Settings::default())
    }

    fn with(change: impl FnOnce(&mut MediaOptions), settings: Settings) -> Self {
        Self::within(tempfile::tempdir().unwrap(), change, settings)
    }

    fn within(folder: tempfile::TempDir, change: impl FnOnce(&mut MediaOptions), settings: Settings) -> Self {
        let mut options = MediaOptions::new(folder.path().join("media"));
        change(&mut options);
        let workers = Blocking::new(BlockingConfig { threads: 2, ..BlockingConfig::default() });
        let media = Media::open(options, Connector::new(), workers).unwrap();
        let server = Server::new(media.routes()).listen("127.0.0.1:0").threads(1).settings(settings);
        let running = server.start().unwrap();
        let ListenAddr::Tcp(address) = running.addresses()[0].address else { panic!("no TCP address") };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { media, address, folder, running: Some(running), runtime }
    }

    /// Stops the server, and starts another one in the same folder.
    fn restart(mut self, change: impl FnOnce(&mut MediaOptions)) -> Self {
        self.running.take().unwrap().stop().unwrap();
        let folder = std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap());
        Self::within(folder, change, Settings::default())
    }

    fn permit(&self) -> String {
        self.media.permit(ME, None, now()).token
    }

    /// Sends one request on a connection of its own, with the permit of [`ME`] if it is an upload.
    fn send(&self, line: &str, fields: &str, body: &[u8]) -> Response {
        let mut wire = Wire::connect(self.address);
        wire.send(format!("{line} HTTP/1.1\r\nHost: a\r\n{fields}Content-Length: {}\r\n\r\n", body.len()));
        wire.send(body);
        wire.read_response_to(line.split(' ').next().unwrap())
    }

    fn upload(&self, body: &[u8]) -> Response {
        let fields = format!("Authorization: Bearer {}\r\n", self.permit());
        self.send("PUT /media?name=a.bin", &fields, body)
    }

    /// Uploads a file that has to be taken.
    #[track_caller]
    fn keep(&self, body: &[u8]) -> event::Media {
        let response = self.upload(body);
        assert!(matches!(response.status, 200 | 201), "{}: {}", response.status, response.text());
        serde_json::from_slice(&response.body).unwrap()
    }

    fn link(&self, media: &event::Media) -> String {
        self.media.link(&media.digest.parse().unwrap(), HOUR, now())
    }

    fn get(&self, target: &str, fields: &str) -> Response {
        let mut wire = Wire::connect(self.address);
        wire.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
        wire.read_response()
    }

    fn describe(&self, digest: &str) -> Option<event::Media> {
        self.runtime.block_on(self.media.describe(digest)).unwrap()
    }

    /// Files below a folder of the data, in any order.
    fn files(&self, below: &str) -> Vec<PathBuf> {
        let mut files = Vec::new();
        walk(&self.folder.path().join("media").join(below), &mut files);
        files
    }
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() { walk(&path, files) } else { files.push(path) }
    }
}

fn now() -> Millis {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis().try_into().unwrap()
}

fn sha256(bytes: &[u8]) -> String {
    let hash = ring::digest::digest(&ring::digest::SHA256, bytes);
    Digest::new(hash.as_ref().try_into().unwrap()).to_string()
}

/// A picture of one colour.
fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let picture = image::RgbImage::from_pixel(width, height, image::Rgb([200, 100, 50]));
    picture.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}
