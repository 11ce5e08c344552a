//! What `torrent-get` tells of torrents.

use std::cell::Cell;

use serde_json::{Value, json};

use super::super::*;
use crate::proto::bittorrent::hash::Sha1;

/// A torrent, and how often each method of its view was called.
#[derive(Default)]
struct Known {
    calls: Cell<[u32; 6]>,
    labels: Vec<String>,
    web_seeds: Vec<String>,
}

/// A torrent of which no more is known than this.
struct Bare(Torrent<'static>);

impl Known {
    fn new() -> Self {
        let web_seeds = vec!["http://w/".into()];
        Self { labels: vec!["a".into(), "b".into()], web_seeds, ..Self::default() }
    }

    fn count(&self, method: usize) {
        let mut calls = self.calls.get();
        calls[method] += 1;
        self.calls.set(calls);
    }
}

fn peer() -> Peer<'static> {
    Peer {
        address: "10.0.0.7:6881".parse().unwrap(),
        client: "aria2 1.36",
        source: PeerSource::Incoming,
        progress: 0.5,
        rate_to_client: 1000,
        rate_to_peer: 20,
        client_is_choked: false,
        client_is_interested: true,
        peer_is_choked: false,
        peer_is_interested: true,
        is_optimistic: false,
        is_encrypted: true,
        is_utp: false,
    }
}

fn tracker(announce: &str) -> Tracker<'_> {
    Tracker {
        id: 0,
        tier: 0,
        announce,
        is_backup: false,
        announcing: TrackerState::Inactive,
        last_announce: None,
        scraping: TrackerState::Inactive,
        last_scrape: None,
        seeders: None,
        leechers: None,
        downloads: None,
    }
}

impl View for Known {
    fn torrent(&self) -> Torrent<'_> {
        Torrent {
            comment: "c",
            creator: "w",
            download_dir: "/srv",
            torrent_file: "/t",
            mime_type: "video/mp4",
            group: "g",
            labels: &self.labels,
            web_seeds: &self.web_seeds,
            is_private: true,
            status: Status::Download,
            error: Some(TorrentError::TrackerError("no")),
            metadata: 1.0,
            verified: 0.25,
            eta: Eta::Seconds(95),
            eta_idle: Eta::Unknown,
            is_finished: true,
            is_stalled: true,
            queue_position: 4,
            piece_count: 10,
            piece_size: 100,
            file_count: 2,
            manual_announce: Some(60),
            sizes: Sizes {
                total: 1000,
                wanted: 800,
                left: 200,
                verified: 600,
                unverified: 50,
                available: 150,
            },
            traffic: Traffic {
                downloaded: 610,
                uploaded: 305,
                corrupt: 10,
                download_rate: 7,
                upload_rate: 8,
                ratio: Some(0.5),
                seconds_downloading: 11,
                seconds_seeding: 12,
            },
            dates: Dates {
                created: Some(1),
                added: Some(2),
                started: Some(3),
                active: Some(4),
                done: Some(5),
                edited: Some(6),
            },
            limits: Limits {
                priority: Priority::High,
                download: SpeedLimit { limit: 50, enabled: true },
                upload: SpeedLimit { limit: 30, enabled: false },
                honors_session: true,
                peers: 33,
                ratio: Seeding { limit: 2.5, mode: SeedMode::Own },
                idle: Seeding { limit: 30, mode: SeedMode::Unlimited },
            },
            swarm: Swarm {
                connected: 21,
                getting_from_us: 22,
                sending_to_us: 23,
                web_seeds_sending: 24,
                from: PeersFrom { cache: 1, dht: 2, incoming: 3, lpd: 4, ltep: 5, pex: 6, tracker: 7 },
            },
            ..Torrent::new(9, Sha1([0xab; 20]), "folder")
        }
    }

    fn files(&self) -> Vec<File<'_>> {
        self.count(0);
        let file = |path, length, have, wanted, priority| File { path, length, have, wanted, priority };
        vec![
            file("folder/a", 700, 600, true, Priority::Low),
            file("folder/b", 300, 50, false, Priority::High),
        ]
    }

    fn peers(&self) -> Vec<Peer<'_>> {
        self.count(1);
        vec![peer()]
    }

    fn trackers(&self) -> Vec<Tracker<'_>> {
        self.count(2);
        let asked = |outcome| Some(Asked { started: 100, ended: 101, outcome });
        vec![
            Tracker {
                announcing: TrackerState::Waiting(1900),
                last_announce: asked(Outcome::Succeeded(42)),
                scraping: TrackerState::Active,
                last_scrape: asked(Outcome::TimedOut),
                seeders: Some(12),
                leechers: Some(5),
                downloads: Some(99),
                ..tracker("http://tracker.example.org:6969/announce?key=a/b")
            },
            Tracker { id: 1, is_backup: true, ..tracker("udp://t2.example.co.uk:1337") },
            Tracker {
                id: 2,
                tier: 1,
                announcing: TrackerState::Queued,
                last_announce: asked(Outcome::Failed("gone")),
                ..tracker("https://[fd00::1]/tr")
            },
        ]
    }

    fn pieces(&self) -> Vec<u8> {
        self.count(3);
        vec![0xfc, 0x40]
    }

    fn availability(&self) -> Vec<Option<u32>> {
        self.count(4);
        vec![None, Some(0), Some(3)]
    }

    fn magnet(&self) -> String {
        self.count(5);
        "magnet:?xt=urn:btih:ab".into()
    }
}

impl View for Bare {
    fn torrent(&self) -> Torrent<'_> {
        self.0.clone()
    }

    fn files(&self) -> Vec<File<'_>> {
        Vec::new()
    }

    fn peers(&self) -> Vec<Peer<'_>> {
        Vec::new()
    }

    fn trackers(&self) -> Vec<Tracker<'_>> {
        Vec::new()
    }

    fn pieces(&self) -> Vec<u8> {
        Vec::new()
    }

    fn availability(&self) -> Vec<Option<u32>> {
        Vec::new()
    }

    fn magnet(&self) -> String {
        String::new()
    }
}

/// Each field of section 3.3: its name, its value of a torrent that is known well, and of one of which nothing is
/// known but its hash. The latter are those that Transmission 3.00 gives for a magnet link, but for its default limits
/// and its dates.
#[test]
fn each_field() {
    let rows = [
        ("activityDate", json!(4), json!(0)),
        ("addedDate", json!(2), json!(0)),
        ("availability", json!([-1, 0, 3]), json!([])),
        ("bandwidthPriority", json!(1), json!(0)),
        ("comment", json!("c"), json!("")),
        ("corruptEver", json!(10), json!(0)),
        ("creator", json!("w"), json!("")),
        ("dateCreated", json!(1), json!(0)),
        ("desiredAvailable", json!(150), json!(0)),
        ("doneDate", json!(5), json!(0)),
        ("downloadDir", json!("/srv"), json!("")),
        ("downloadLimit", json!(50), json!(0)),
        ("downloadLimited", json!(true), json!(false)),
        ("downloadedEver", json!(610), json!(0)),
        ("editDate", json!(6), json!(0)),
        ("error", json!(2), json!(0)),
        ("errorString", json!("no"), json!("")),
        ("eta", json!(95), json!(-1)),
        ("etaIdle", json!(-2), json!(-1)),
        ("file-count", json!(2), json!(0)),
        (
            "fileStats",
            json!([
                {"bytesCompleted": 600, "priority": -1, "wanted": true},
                {"bytesCompleted": 50, "priority": 1, "wanted": false},
            ]),
            json!([]),
        ),
        (
            "files",
            json!([
                {"bytesCompleted": 600, "length": 700, "name": "folder/a"},
                {"bytesCompleted": 50, "length": 300, "name": "folder/b"},
            ]),
            json!([]),
        ),
        ("group", json!("g"), json!("")),
        ("hashString", json!("ab".repeat(20)), json!("0".repeat(40))),
        ("haveUnchecked", json!(50), json!(0)),
        ("haveValid", json!(600), json!(0)),
        ("honorsSessionLimits", json!(true), json!(false)),
        ("id", json!(9), json!(1)),
        ("isFinished", json!(true), json!(false)),
        ("isPrivate", json!(true), json!(false)),
        ("isStalled", json!(true), json!(false)),
        ("labels", json!(["a", "b"]), json!([])),
        ("leftUntilDone", json!(200), json!(0)),
        ("magnetLink", json!("magnet:?xt=urn:btih:ab"), json!("")),
        ("manualAnnounceTime", json!(60), json!(-1)),
        ("maxConnectedPeers", json!(33), json!(0)),
        ("metadataPercentComplete", json!(1.0), json!(0.0)),
        ("name", json!("folder"), json!("")),
        ("peer-limit", json!(33), json!(0)),
        (
            "peers",
            json!([{
                "address": "10.0.0.7", "clientIsChoked": false, "clientIsInterested": true, "clientName": "aria2 1.36",
                "flagStr": "DUEI", "isDownloadingFrom": true, "isEncrypted": true, "isIncoming": true, "isUTP": false,
                "isUploadingTo": true, "peerIsChoked": false, "peerIsInterested": true, "port": 6881, "progress": 0.5,
                "rateToClient": 1000, "rateToPeer": 20,
            }]),
            json!([]),
        ),
        ("peersConnected", json!(21), json!(0)),
        (
            "peersFrom",
            json!({
                "fromCache": 1, "fromDht": 2, "fromIncoming": 3, "fromLpd": 4, "fromLtep": 5, "fromPex": 6,
                "fromTracker": 7,
            }),
            json!({
                "fromCache": 0, "fromDht": 0, "fromIncoming": 0, "fromLpd": 0, "fromLtep": 0, "fromPex": 0,
                "fromTracker": 0,
            }),
        ),
        ("peersGettingFromUs", json!(22), json!(0)),
        ("peersSendingToUs", json!(23), json!(0)),
        ("percentComplete", json!(0.65), json!(0.0)),
        ("percentDone", json!(0.75), json!(0.0)),
        ("pieceCount", json!(10), json!(0)),
        ("pieceSize", json!(100), json!(0)),
        ("pieces", json!("/EA="), json!("")),
        ("primary-mime-type", json!("video/mp4"), json!("application/octet-stream")),
        ("priorities", json!([-1, 1]), json!([])),
        ("queuePosition", json!(4), json!(0)),
        ("rateDownload", json!(7), json!(0)),
        ("rateUpload", json!(8), json!(0)),
        ("recheckProgress", json!(0.25), json!(0.0)),
        ("secondsDownloading", json!(11), json!(0)),
        ("secondsSeeding", json!(12), json!(0)),
        ("seedIdleLimit", json!(30), json!(0)),
        ("seedIdleMode", json!(2), json!(0)),
        ("seedRatioLimit", json!(2.5), json!(0.0)),
        ("seedRatioMode", json!(1), json!(0)),
        ("sizeWhenDone", json!(800), json!(0)),
        ("startDate", json!(3), json!(0)),
        ("status", json!(4), json!(0)),
        ("torrentFile", json!("/t"), json!("")),
        ("totalSize", json!(1000), json!(0)),
        (
            "trackerList",
            json!(
                [
                    "http://tracker.example.org:6969/announce?key=a/b\n",
                    "udp://t2.example.co.uk:1337\n\nhttps://[fd00::1]/tr\n"
                ]
                .concat()
            ),
            json!(""),
        ),
        ("trackerStats", tracker_stats(), json!([])),
        (
            "trackers",
            json!([
                {
                    "announce": "http://tracker.example.org:6969/announce?key=a/b", "id": 0,
                    "scrape": "http://tracker.example.org:6969/scrape?key=a/b", "sitename": "example", "tier": 0,
                },
                {
                    "announce": "udp://t2.example.co.uk:1337", "id": 1, "scrape": "udp://t2.example.co.uk:1337",
                    "sitename": "example", "tier": 0,
                },
                {"announce": "https://[fd00::1]/tr", "id": 2, "scrape": "", "sitename": "[fd00::1]", "tier": 1},
            ]),
            json!([]),
        ),
        ("uploadLimit", json!(30), json!(0)),
        ("uploadLimited", json!(false), json!(false)),
        ("uploadRatio", json!(0.5), json!(-1.0)),
        ("uploadedEver", json!(305), json!(0)),
        ("wanted", json!([1, 0]), json!([])),
        ("webseeds", json!(["http://w/"]), json!([])),
        ("webseedsSendingToUs", json!(24), json!(0)),
    ];
    assert_eq!(rows.len(), Field::ALL.len());
    for (name, known, unknown) in rows {
        assert_eq!(Known::new().field(name), Some(known), "{name}");
        assert_eq!(
            Bare(Torrent::new(1, Sha1([0; 20]), "")).field(name),
            Some(unknown),
            "{name} of a torrent that is not known"
        );
    }
    assert_eq!(Known::new().field("bogus"), None);
}

fn tracker_stats() -> Value {
    let first = json!({
        "announce": "http://tracker.example.org:6969/announce?key=a/b", "announceState": 1, "downloadCount": 99,
        "hasAnnounced": true, "hasScraped": true, "host": "tracker.example.org:6969", "id": 0, "isBackup": false,
        "lastAnnouncePeerCount": 42, "lastAnnounceResult": "Success", "lastAnnounceStartTime": 100,
        "lastAnnounceSucceeded": true, "lastAnnounceTime": 101, "lastAnnounceTimedOut": false,
        "lastScrapeResult": "Tracker did not respond", "lastScrapeStartTime": 100, "lastScrapeSucceeded": false,
        "lastScrapeTime": 101, "lastScrapeTimedOut": true, "leecherCount": 5, "nextAnnounceTime": 1900,
        "nextScrapeTime": 0, "scrape": "http://tracker.example.org:6969/scrape?key=a/b", "scrapeState": 3,
        "seederCount": 12, "sitename": "example", "tier": 0,
    });
    // As Transmission 3.00 has one that it has not asked yet; the host was a URL there, and there was no `sitename`.
    let second = json!({
        "announce": "udp://t2.example.co.uk:1337", "announceState": 0, "downloadCount": -1, "hasAnnounced": false,
        "hasScraped": false, "host": "t2.example.co.uk:1337", "id": 1, "isBackup": true, "lastAnnouncePeerCount": 0,
        "lastAnnounceResult": "", "lastAnnounceStartTime": 0, "lastAnnounceSucceeded": false, "lastAnnounceTime": 0,
        "lastAnnounceTimedOut": false, "lastScrapeResult": "", "lastScrapeStartTime": 0, "lastScrapeSucceeded": false,
        "lastScrapeTime": 0, "lastScrapeTimedOut": false, "leecherCount": -1, "nextAnnounceTime": 0,
        "nextScrapeTime": 0, "scrape": "udp://t2.example.co.uk:1337", "scrapeState": 0, "seederCount": -1,
        "sitename": "example", "tier": 0,
    });
    let mut third = second.clone();
    for (name, value) in [
        ("announce", json!("https://[fd00::1]/tr")),
        ("announceState", json!(2)),
        ("hasAnnounced", json!(true)),
        ("host", json!("[fd00::1]:443")),
        ("id", json!(2)),
        ("isBackup", json!(false)),
        ("lastAnnounceResult", json!("gone")),
        ("lastAnnounceStartTime", json!(100)),
        ("lastAnnounceTime", json!(101)),
        ("scrape", json!("")),
        ("sitename", json!("[fd00::1]")),
        ("tier", json!(1)),
    ] {
        third[name] = value;
    }
    json!([first, second, third])
}

#[test]
fn sites_are_called_by_their_names() {
    for (announce, site, host) in [
        ("http://tracker.example.org/announce", "example", "tracker.example.org:80"),
        ("https://example.org/announce", "example", "example.org:443"),
        ("udp://bt.example.co.uk:6969", "example", "bt.example.co.uk:6969"),
        ("http://user:key@t.example.net:1/announce", "example", "t.example.net:1"),
        ("http://localhost:8080/announce", "localhost", "localhost:8080"),
        ("http://10.0.0.1:8080/announce", "10.0.0.1", "10.0.0.1:8080"),
        ("", "", ":80"),
        ("://", "", ":80"),
    ] {
        let stats = serde_json::to_value(tracker(announce).stats()).unwrap();
        assert_eq!((&stats["sitename"], &stats["host"]), (&json!(site), &json!(host)), "{announce}");
    }
}

#[test]
fn places_for_numbers() {
    // The examples of BEP 48, and those of others.
    for (announce, scrape) in [
        ("http://example.com/announce", "http://example.com/scrape"),
        ("http://example.com/x/announce", "http://example.com/x/scrape"),
        ("http://example.com/announce.php", "http://example.com/scrape.php"),
        ("http://example.com/a", ""),
        ("http://example.com/announce?x2%0644", "http://example.com/scrape?x2%0644"),
        ("http://example.com/announce?x=2/4", "http://example.com/scrape?x=2/4"),
        ("http://example.com/x%064announce", ""),
        ("http://example.com/announce/", ""),
        ("udp://example.com:80", "udp://example.com:80"),
        ("é", ""),
    ] {
        let entry = serde_json::to_value(tracker(announce).entry()).unwrap();
        assert_eq!(entry["scrape"], scrape, "{announce}");
    }
}

#[test]
fn letters_of_peers() {
    let quiet =
        Peer { client_is_interested: false, peer_is_interested: false, is_encrypted: false, ..peer() };
    let rows = [
        (Peer { source: PeerSource::Tracker, ..peer() }, "DUE"),
        (Peer { source: PeerSource::Pex, client_is_choked: true, peer_is_choked: true, ..peer() }, "duEX"),
        (Peer { source: PeerSource::Dht, is_utp: true, is_optimistic: true, ..quiet }, "TOK?H"),
        (Peer { client_is_choked: true, peer_is_choked: true, ..quiet }, "I"),
    ];
    for (peer, letters) in rows {
        assert_eq!(serde_json::to_value(peer).unwrap()["flagStr"], letters);
    }
}

#[test]
fn numbers_that_are_none() {
    let torrent = || Torrent::new(1, Sha1([0; 20]), "");
    let none = Sizes::default();
    for (ratio, number) in
        [(None, -1.0), (Some(f64::INFINITY), -2.0), (Some(f64::NAN), -2.0), (Some(1.5), 1.5)]
    {
        let traffic = Traffic { ratio, ..Traffic::default() };
        let odd = Bare(Torrent { traffic, ..torrent() });
        assert_eq!(odd.field("uploadRatio"), Some(json!(number)));
    }
    let over =
        Sizes { total: 10, wanted: 10, left: 20, verified: u64::MAX, unverified: u64::MAX, available: 0 };
    for (sizes, metadata, done, complete) in
        [(none, 0.5, 0.0, 0.0), (none, 1.0, 1.0, 1.0), (over, 1.0, 0.0, 1.0)]
    {
        let odd = Bare(Torrent { sizes, metadata, ..torrent() });
        assert_eq!(odd.field("percentDone"), Some(json!(done)));
        assert_eq!(odd.field("percentComplete"), Some(json!(complete)));
    }
}

fn get(fields: &[&str], ids: Ids, format: Format) -> Get {
    Get { ids, fields: Fields::named(fields.iter().copied()), format }
}

#[test]
fn rows_and_tables() {
    let views = [Known::new(), Known::new()];
    let text = |get: &Get, views: &[Known]| {
        String::from_utf8(Answer::to(None).torrents(get, views, &[5, 6])).unwrap()
    };
    let fields = &["name", "bogus", "id"];
    assert_eq!(
        text(&get(fields, Ids::All, Format::Objects), &views),
        r#"{"arguments":{"torrents":[{"name":"folder","id":9},{"name":"folder","id":9}]},"result":"success"}"#
    );
    assert_eq!(
        text(&get(fields, Ids::All, Format::Table), &views),
        r#"{"arguments":{"torrents":[["name","id"],["folder",9],["folder",9]]},"result":"success"}"#
    );
    assert_eq!(
        text(&get(fields, Ids::RecentlyActive, Format::Table), &[]),
        r#"{"arguments":{"removed":[5,6],"torrents":[["name","id"]]},"result":"success"}"#
    );
    assert_eq!(
        text(&get(&["bogus"], Ids::All, Format::Objects), &views),
        r#"{"arguments":{"torrents":[{},{}]},"result":"success"}"#
    );
}

#[test]
fn what_is_not_asked_for_is_not_gathered() {
    let calls = |fields: &[&str]| {
        let known = Known::new();
        let get = get(fields, Ids::All, Format::Objects);
        assert!(!Answer::to(None).torrents(&get, &[&known], &[]).is_empty());
        known.calls.get()
    };
    let cheap = Field::ALL.iter().filter(|field| field.detail().is_none()).map(|field| field.name());
    assert_eq!(calls(&cheap.collect::<Vec<_>>()), [0; 6]);
    let all = Field::ALL.iter().map(|field| field.name()).collect::<Vec<_>>();
    assert_eq!(calls(&all), [1; 6], "each at most once");
    for (fields, method) in [
        (&["files", "fileStats", "wanted", "priorities"][..], 0),
        (&["peers"], 1),
        (&["trackers", "trackerStats", "trackerList"], 2),
        (&["pieces"], 3),
        (&["availability"], 4),
        (&["magnetLink"], 5),
    ] {
        let mut expected = [0; 6];
        expected[method] = 1;
        assert_eq!(calls(fields), expected, "{fields:?}");
    }
}

/// A list of 10,000 torrents in a front end: 20 fields of each.
#[test]
fn many_torrents() {
    let known = Known::new();
    let fields =
        Field::ALL.iter().filter(|field| field.detail().is_none()).take(20).map(|field| field.name());
    let get = get(&fields.collect::<Vec<_>>(), Ids::All, Format::Table);
    let answer = Answer::to(None).torrents(&get, &vec![&known; 10_000], &[]);
    let answer = serde_json::from_slice::<Value>(&answer).unwrap();
    assert_eq!(answer["arguments"]["torrents"].as_array().unwrap().len(), 10_001);
    assert_eq!(known.calls.get(), [0; 6]);
}
