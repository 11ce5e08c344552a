//! A checked configuration of `wireworks hls live`: plain data, every value in its range, every default filled in.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::PathBuf;
use std::time::Duration;

use super::args::{Args, Options};
use crate::net::addr::ListenAddr;
use crate::proto::hls::live::settings::History;
use crate::server::command::{self, ConfigError, Configured, DAY, HOUR, ServerConfig, Typed, Unfit, Way};
use crate::server::hls::access::{PublisherConfig, ViewerConfig};
use crate::server::hls::live::ingest::tcp::TcpDoor;
use crate::server::hls::live::{Settings, StreamName};
use crate::server::hls::rtmp::RtmpConfig;
use crate::server::hls::upload::UploadConfig;
use crate::server::http::middleware::cors::Origins;
use crate::server::units::TimeSpan;

/// Where the server listens unless told otherwise: on this machine only.
pub const DEFAULT_LISTEN: ListenAddr =
    ListenAddr::Tcp(SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 8085)));

/// How far viewers can go back unless told otherwise.
const WINDOW: Duration = Duration::from_secs(30);

/// The longest that a segment may be: a player waits for three of them.
const LONGEST_SEGMENT: Duration = Duration::from_secs(60);

/// The shortest part: a picture or two, and a request and a reply for each viewer.
const SHORTEST_PART: Duration = Duration::from_millis(20);

/// The least memory.
const LEAST_MEMORY: u64 = 1 << 20;

/// The configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// What every server has.
    pub server: ServerConfig,
    /// What is decided about all streams, but for the three that follow.
    pub streams: Settings,
    /// How long parts should be; zero for none.
    pub part: Duration,
    /// How far viewers can go back.
    pub window: Duration,
    /// They can go back to the beginning.
    pub event: bool,
    /// Where feeds come over TCP.
    pub tcp: Vec<TcpDoor>,
    /// Where they come by RTMP.
    pub rtmp: RtmpConfig,
    /// Whether the stream demo is played.
    pub demo: bool,
    /// The stream that the standard input is.
    pub stdin: Option<StreamName>,
    /// Who may publish.
    pub publishers: PublisherConfig,
    /// Who may watch.
    pub viewers: ViewerConfig,
    /// The bucket that streams are put into.
    pub upload: UploadConfig,
    /// Pages that may play it.
    pub cors: Origins,
}

impl Default for Config {
    fn default() -> Self {
        let streams = Settings::default();
        Self {
            server: ServerConfig::listening(DEFAULT_LISTEN),
            part: streams.media.part.unwrap_or_default(),
            window: WINDOW,
            event: false,
            streams,
            tcp: Vec::new(),
            rtmp: RtmpConfig::default(),
            demo: false,
            stdin: None,
            publishers: PublisherConfig::default(),
            viewers: ViewerConfig::default(),
            upload: UploadConfig::default(),
            cors: Origins::Any,
        }
    }
}

impl Config {
    /// The command line over the file over the defaults. Sockets handed over by a service manager (`LISTEN_FDS`) are used
    /// where neither says where to listen.
    ///
    /// # Errors
    /// The first value that cannot be used, by the name of its option.
    pub fn load(args: &Args) -> Result<Self, ConfigError> {
        Self::default().under(args.file.config.as_deref(), &args.options)
    }

    /// The configuration as a TOML file with every value in it, and those that are not set as comments.
    ///
    /// # Errors
    /// A path that is not UTF-8, which TOML cannot hold.
    pub fn to_toml(&self) -> Result<String, ConfigError> {
        self.printed()
    }

    /// All that is decided about streams.
    #[must_use]
    pub fn settings(&self) -> Settings {
        let mut settings = self.streams.clone();
        settings.media.part = (!self.part.is_zero()).then_some(self.part);
        settings.media.history = if self.event { History::Event } else { History::Sliding(self.window) };
        settings
    }
}

impl Configured for Config {
    type Options = Options;

    fn command(&self) -> &'static str {
        "wireworks hls live"
    }

    fn server(&mut self) -> &mut ServerConfig {
        &mut self.server
    }

    fn walk(way: Way, o: &mut Options, c: &mut Self) -> Result<(), ConfigError> {
        way.value("tcp", &mut o.tcp, &mut c.tcp)?;
        RtmpConfig::walk(way, &mut o.rtmp, &mut c.rtmp)?;
        way.value("demo", &mut o.demo, &mut c.demo)?;
        PublisherConfig::walk(way, &mut o.publishers, &mut c.publishers)?;
        ViewerConfig::walk(way, &mut o.viewers, &mut c.viewers)?;
        UploadConfig::walk(way, &mut o.upload, &mut c.upload)?;
        way.maybe("stdin", &mut o.stdin, &mut c.stdin)?;
        let Settings { media, reconnect, linger, record, limits } = &mut c.streams;
        way.range("reconnect", &mut o.reconnect, reconnect, Duration::ZERO..=DAY)?;
        way.range("silence", &mut o.silence, &mut limits.silence, Duration::from_secs(1)..=HOUR)?;
        let second = Duration::from_secs(1);
        way.range("segment", &mut o.segment, &mut media.segment, second / 2..=LONGEST_SEGMENT)?;
        way.range("longest-segment", &mut o.longest_segment, &mut media.longest, second..=LONGEST_SEGMENT)?;
        way.range("part", &mut o.part, &mut c.part, Duration::ZERO..=LONGEST_SEGMENT)?;
        way.range("window", &mut o.window, &mut c.window, second..=DAY * 7)?;
        way.value("event", &mut o.event, &mut c.event)?;
        way.range("linger", &mut o.linger, linger, Duration::ZERO..=DAY)?;
        way.maybe::<PathBuf, PathBuf>("record", &mut o.record, record)?;
        way.value("cors", &mut o.cors, &mut c.cors)?;
        way.range("max-streams", &mut o.max_streams, &mut limits.streams, 1..=100_000)?;
        way.range("max-renditions", &mut o.max_renditions, &mut limits.renditions, 1..=100)?;
        way.range("memory", &mut o.memory, &mut limits.bytes, LEAST_MEMORY..=1 << 40)?;
        way.range("held", &mut o.held, &mut media.held, 1 << 16..=1 << 32)?;
        way.range("ahead", &mut o.ahead, &mut limits.ahead, Duration::ZERO..=DAY)?;
        command::listening(way, &mut o.listening, &mut c.server)?;
        command::logs(way, &mut o.logs, &mut c.server)
    }

    fn check(&self, typed: &Options) -> Result<(), ConfigError> {
        let media = &self.streams.media;
        let span =
            |least: Duration, most: Duration| (TimeSpan(least).to_string(), TimeSpan(most).to_string());
        let range = |name, value: Duration, (least, most)| {
            Err(ConfigError::Range { name, value: TimeSpan(value).to_string(), least, most })
        };
        if media.longest < media.segment {
            return range("longest-segment", media.longest, span(media.segment, LONGEST_SEGMENT));
        }
        if !self.part.is_zero() && !(SHORTEST_PART..=media.segment).contains(&self.part) {
            return range("part", self.part, span(SHORTEST_PART, media.segment));
        }
        let idle = [("rtmp-idle", typed.rtmp.rtmp_idle.is_some())];
        command::useful(&idle, self.rtmp.is_on(), "--rtmp or --rtmps")?;
        let tls = [("rtmps", !self.rtmp.listen_tls.is_empty())];
        command::useful(&tls, self.server.tls.is_on(), "--tls-cert or --tls-self-signed")?;
        self.server.check_use(&typed.listening)
    }
}

impl Typed<Vec<TcpDoor>> for Vec<String> {
    fn hold(&self) -> Result<Vec<TcpDoor>, Unfit> {
        let door = |text: &String| text.parse().map_err(|error| Unfit::new(text.as_str(), error));
        self.iter().map(door).collect()
    }

    fn show(held: &Vec<TcpDoor>) -> Self {
        held.iter().map(ToString::to_string).collect()
    }
}

impl Typed<StreamName> for String {
    fn hold(&self) -> Result<StreamName, Unfit> {
        self.parse().map_err(|error| Unfit::new(self.as_str(), error))
    }

    fn show(held: &StreamName) -> Self {
        held.to_string()
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn load(line: &[&str]) -> Result<Config, String> {
        let line = Line::try_parse_from([&["live"], line].concat()).map_err(|error| error.to_string())?;
        Config::default().layered(None, &line.args.options, 0).map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_typed_is_the_default_and_what_is_printed_is_read() {
        assert_eq!(load(&[]), Ok(Config::default()));
        assert_eq!(load(&[]).unwrap().settings(), Settings::default());
        let typed = [
            "--tcp",
            "stage/hd=127.0.0.1:9000",
            "--tcp",
            ":9001",
            "--stdin",
            "in",
            "--part",
            "0s",
            "--event",
            "--record",
            "/srv",
            "--ahead",
            "10s",
            "--rtmp",
            ":1935",
            "--rtmp-idle",
            "5s",
            "--demo",
            "--link-keys",
            "/keys",
            "--upload",
            "s3://bucket/cdn",
        ];
        let config = load(&typed).unwrap();
        assert_eq!((config.settings().media.part, config.settings().media.history), (None, History::Event));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("live.toml");
        std::fs::write(&path, config.to_toml().unwrap()).unwrap();
        assert_eq!(Config::default().layered(Some(&path), &Options::default(), 0).unwrap(), config);
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        for (line, name) in [
            (&["--segment", "100ms"][..], "--segment"),
            (&["--segment", "20s"], "--longest-segment"),
            (&["--part", "1ms"], "--part"),
            (&["--part", "3s"], "--part"),
            (&["--tcp", "a/b/c=:1"], "--tcp"),
            (&["--tcp", "nowhere"], "--tcp"),
            (&["--stdin", "../x"], "--stdin"),
            (&["--memory", "1k"], "--memory"),
            (&["--max-streams", "0"], "--max-streams"),
            (&["--rtmps", ":1936"], "--rtmps"),
            (&["--rtmp-idle", "5s"], "--rtmp-idle"),
            (&["--rtmp", ":1935", "--rtmp-idle", "5ms"], "--rtmp-idle"),
            (&["--upload", "bucket"], "--upload"),
        ] {
            let error = load(line).unwrap_err();
            assert!(error.contains(name), "{line:?}: {error}");
        }
    }
}
