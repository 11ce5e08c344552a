//! Trackers of a torrent, and how they are written: as `trackers`, as `trackerStats`, and as `trackerList`.

use std::fmt::Write as _;

use serde::Serialize;

/// A tracker of a torrent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tracker<'a> {
    /// Its number among those of the torrent, by which requests name it.
    pub id: u32,
    /// Its tier, from 0 (BEP 12).
    pub tier: u32,
    /// Where it is asked.
    pub announce: &'a str,
    /// Whether another one of its tier is asked instead.
    pub is_backup: bool,
    /// What goes on in asking it for peers.
    pub announcing: TrackerState,
    /// How that went last.
    pub last_announce: Option<Asked<'a>>,
    /// What goes on in asking it for numbers (BEP 48).
    pub scraping: TrackerState,
    /// How that went last.
    pub last_scrape: Option<Asked<'a>>,
    /// Peers that have all, as it says.
    pub seeders: Option<u32>,
    /// Peers that have not, as it says.
    pub leechers: Option<u32>,
    /// How often it was downloaded, as it says.
    pub downloads: Option<u32>,
}

/// What goes on in asking a tracker (`tr_tracker_state`). Times are seconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TrackerState {
    /// 0: it is not asked again.
    #[default]
    Inactive,
    /// 1: it is asked again at that time.
    Waiting(u64),
    /// 2: it is its turn as soon as others have been asked.
    Queued,
    /// 3: it is being asked.
    Active,
}

/// How asking a tracker went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked<'a> {
    /// When it began.
    pub started: u64,
    /// When it was over.
    pub ended: u64,
    /// How it went.
    pub outcome: Outcome<'a>,
}

/// How asking a tracker went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome<'a> {
    /// It told of so many peers; 0 for numbers.
    Succeeded(u32),
    /// It was refused, or could not be understood, in these words.
    Failed(&'a str),
    /// It did not answer.
    TimedOut,
}

/// A tracker as `trackers` has it.
#[derive(Serialize)]
pub(super) struct Entry<'a> {
    announce: &'a str,
    id: u32,
    scrape: String,
    sitename: &'a str,
    tier: u32,
}

/// A tracker as `trackerStats` has it. A number that is not known is -1, a time that never was is 0.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Stats<'a> {
    announce: &'a str,
    announce_state: u8,
    download_count: i64,
    has_announced: bool,
    has_scraped: bool,
    host: String,
    id: u32,
    is_backup: bool,
    last_announce_peer_count: u32,
    last_announce_result: &'a str,
    last_announce_start_time: u64,
    last_announce_succeeded: bool,
    last_announce_time: u64,
    last_announce_timed_out: bool,
    last_scrape_result: &'a str,
    last_scrape_start_time: u64,
    last_scrape_succeeded: bool,
    last_scrape_time: u64,
    last_scrape_timed_out: bool,
    leecher_count: i64,
    next_announce_time: u64,
    next_scrape_time: u64,
    scrape: String,
    scrape_state: u8,
    seeder_count: i64,
    sitename: &'a str,
    tier: u32,
}

impl TrackerState {
    fn number(self) -> u8 {
        match self {
            Self::Inactive => 0,
            Self::Waiting(_) => 1,
            Self::Queued => 2,
            Self::Active => 3,
        }
    }

    fn next(self) -> u64 {
        match self {
            Self::Waiting(time) => time,
            Self::Inactive | Self::Queued | Self::Active => 0,
        }
    }
}

impl<'a> Outcome<'a> {
    fn text(self) -> &'a str {
        match self {
            Self::Succeeded(_) => "Success",
            Self::Failed(text) => text,
            Self::TimedOut => "Tracker did not respond",
        }
    }
}

impl<'a> Tracker<'a> {
    pub(super) fn entry(&self) -> Entry<'a> {
        Entry {
            announce: self.announce,
            id: self.id,
            scrape: scrape_url(self.announce),
            sitename: site(host_and_port(self.announce).0),
            tier: self.tier,
        }
    }

    pub(super) fn stats(&self) -> Stats<'a> {
        let (host, port) = host_and_port(self.announce);
        let (announced, scraped) = (self.last_announce, self.last_scrape);
        let outcome = |asked: Option<Asked<'a>>| asked.map(|asked| asked.outcome);
        let count = |count: Option<u32>| count.map_or(-1, i64::from);
        let succeeded = |asked| matches!(outcome(asked), Some(Outcome::Succeeded(_)));
        let peers = match outcome(announced) {
            Some(Outcome::Succeeded(peers)) => peers,
            _ => 0,
        };
        Stats {
            announce: self.announce,
            announce_state: self.announcing.number(),
            download_count: count(self.downloads),
            has_announced: announced.is_some(),
            has_scraped: scraped.is_some(),
            host: format!("{host}:{port}"),
            id: self.id,
            is_backup: self.is_backup,
            last_announce_peer_count: peers,
            last_announce_result: outcome(announced).map_or("", Outcome::text),
            last_announce_start_time: announced.map_or(0, |asked| asked.started),
            last_announce_succeeded: succeeded(announced),
            last_announce_time: announced.map_or(0, |asked| asked.ended),
            last_announce_timed_out: outcome(announced) == Some(Outcome::TimedOut),
            last_scrape_result: outcome(scraped).map_or("", Outcome::text),
            last_scrape_start_time: scraped.map_or(0, |asked| asked.started),
            last_scrape_succeeded: succeeded(scraped),
            last_scrape_time: scraped.map_or(0, |asked| asked.ended),
            last_scrape_timed_out: outcome(scraped) == Some(Outcome::TimedOut),
            leecher_count: count(self.leechers),
            next_announce_time: self.announcing.next(),
            next_scrape_time: self.scraping.next(),
            scrape: scrape_url(self.announce),
            scrape_state: self.scraping.number(),
            seeder_count: count(self.seeders),
            sitename: site(host),
            tier: self.tier,
        }
    }
}

/// `trackerList`: one URL a line, an empty line between tiers.
pub(super) fn list(trackers: &[Tracker<'_>]) -> String {
    let mut list = String::new();
    let mut last = trackers.first().map(|tracker| tracker.tier);
    for tracker in trackers {
        if last != Some(tracker.tier) {
            list.push('\n');
            last = Some(tracker.tier);
        }
        // Writing into a String does not fail.
        let _ = writeln!(list, "{}", tracker.announce);
    }
    list
}

/// Where a tracker is asked for numbers: `announce` in the last part of the path becomes `scrape`, and a tracker
/// without that word has no such place (BEP 48). Over UDP it is the same place (BEP 15).
fn scrape_url(announce: &str) -> String {
    if announce.starts_with("udp:") {
        return announce.to_owned();
    }
    // A slash in the query is none of the path.
    let path = announce.split(['?', '#']).next().unwrap_or_default();
    let last = path.rfind('/').map_or(0, |slash| slash + 1);
    let (head, last) = announce.split_at_checked(last).unwrap_or_default();
    last.strip_prefix("announce").map(|rest| format!("{head}scrape{rest}")).unwrap_or_default()
}

/// The host of a URL, and the port, or that of its scheme.
fn host_and_port(url: &str) -> (&str, &str) {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let address = authority.rsplit_once('@').map_or(authority, |(_, address)| address);
    let default = if scheme == "https" { "443" } else { "80" };
    match address.rsplit_once(':') {
        // The colon of an IPv6 address is in brackets.
        Some((host, port)) if !port.contains(']') => (host, port),
        _ => (address, default),
    }
}

/// What people call a site: `example` for `tracker.example.org` and `tracker.example.co.uk`. Transmission knows all
/// public suffixes; we take a short label in front of a country for one.
fn site(host: &str) -> &str {
    if host.starts_with('[') || host.parse::<std::net::Ipv4Addr>().is_ok() {
        return host;
    }
    let mut labels = host.rsplit('.');
    match (labels.next().unwrap_or(host), labels.next(), labels.next()) {
        (country, Some(second), Some(third)) if country.len() == 2 && second.len() <= 3 => third,
        (_, Some(second), _) => second,
        (only, None, _) => only,
    }
}
