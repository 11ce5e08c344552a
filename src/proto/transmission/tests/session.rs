//! What is told of a session, and what can be set of it.

use serde_json::{Map, Value, json};

use super::super::*;

/// All fields of section 4.1 in version 17, by the specification and by what Transmission 3.00 answers.
const FIELDS: &[&str] = &[
    "alt-speed-down",
    "alt-speed-enabled",
    "alt-speed-time-begin",
    "alt-speed-time-day",
    "alt-speed-time-enabled",
    "alt-speed-time-end",
    "alt-speed-up",
    "blocklist-enabled",
    "blocklist-size",
    "blocklist-url",
    "cache-size-mb",
    "config-dir",
    "default-trackers",
    "dht-enabled",
    "download-dir",
    "download-dir-free-space",
    "download-queue-enabled",
    "download-queue-size",
    "encryption",
    "idle-seeding-limit",
    "idle-seeding-limit-enabled",
    "incomplete-dir",
    "incomplete-dir-enabled",
    "lpd-enabled",
    "peer-limit-global",
    "peer-limit-per-torrent",
    "peer-port",
    "peer-port-random-on-start",
    "pex-enabled",
    "port-forwarding-enabled",
    "queue-stalled-enabled",
    "queue-stalled-minutes",
    "rename-partial-files",
    "rpc-version",
    "rpc-version-minimum",
    "rpc-version-semver",
    "script-torrent-added-enabled",
    "script-torrent-added-filename",
    "script-torrent-done-enabled",
    "script-torrent-done-filename",
    "script-torrent-done-seeding-enabled",
    "script-torrent-done-seeding-filename",
    "seed-queue-enabled",
    "seed-queue-size",
    "seedRatioLimit",
    "seedRatioLimited",
    "session-id",
    "speed-limit-down",
    "speed-limit-down-enabled",
    "speed-limit-up",
    "speed-limit-up-enabled",
    "start-added-torrents",
    "trash-original-torrent-files",
    "units",
    "utp-enabled",
    "version",
];

fn session() -> Session {
    let settings = Settings {
        alt_speed_time_begin: MinuteOfDay(510),
        alt_speed_time_day: Days(124),
        download_dir: "/srv".into(),
        encryption: Encryption::Required,
        incomplete_dir: "/inc".into(),
        peer_port: 51413,
        seed_ratio_limit: 2.0,
        ..Settings::default()
    };
    let version = "4.0.6 (wireworks)".into();
    Session { settings, blocklist_size: 3, session_id: "abc".into(), version, ..Session::default() }
}

#[test]
fn all_fields_are_there() {
    let fields = session().fields(&[]);
    let mut names = fields.keys().map(String::as_str).collect::<Vec<_>>();
    names.sort_unstable();
    let mut expected = FIELDS.to_vec();
    expected.sort_unstable();
    assert_eq!(names, expected);
    for (name, value) in [
        ("alt-speed-time-begin", json!(510)),
        ("alt-speed-time-day", json!(124)),
        ("encryption", json!("required")),
        ("rpc-version", json!(17)),
        ("rpc-version-minimum", json!(14)),
        ("rpc-version-semver", json!("5.3.0")),
        ("seedRatioLimit", json!(2.0)),
        ("blocklist-size", json!(3)),
        ("version", json!("4.0.6 (wireworks)")),
        (
            "units",
            json!({
                "memory-bytes": 1024, "memory-units": ["KiB", "MiB", "GiB", "TiB"],
                "size-bytes": 1000, "size-units": ["kB", "MB", "GB", "TB"],
                "speed-bytes": 1000, "speed-units": ["kB/s", "MB/s", "GB/s", "TB/s"],
            }),
        ),
    ] {
        assert_eq!(fields[name], value, "{name}");
    }
}

#[test]
fn some_fields_are_asked_for() {
    let names = ["version", "bogus", "peer-port", "version"].map(String::from);
    let fields = Value::Object(session().fields(&names));
    assert_eq!(fields, json!({"peer-port": 51413, "version": "4.0.6 (wireworks)"}));
    assert_eq!(session().fields(&["bogus".into()]), Map::new());
}

/// What a session tells can be sent back, field by field, and is one change; but not what cannot be set.
#[test]
fn what_is_told_can_be_set() {
    let fixed = [
        "blocklist-size",
        "config-dir",
        "download-dir-free-space",
        "rpc-version",
        "rpc-version-minimum",
        "rpc-version-semver",
        "session-id",
        "units",
        "version",
    ];
    for (name, value) in session().fields(&[]) {
        let body = json!({"method": "session-set", "arguments": {name.clone(): value}}).to_string();
        let Method::SessionSet(change) = Request::read(body.as_bytes()).unwrap().method else { panic!() };
        let changes = *change != SettingsChange::default();
        assert_eq!(changes, !fixed.contains(&name.as_str()), "{name}");
    }
}

#[test]
fn stats() {
    let stats = Stats {
        active_torrent_count: 1,
        download_speed: 2,
        paused_torrent_count: 3,
        torrent_count: 4,
        upload_speed: 5,
        cumulative: Transfer {
            downloaded_bytes: 6,
            files_added: 7,
            seconds_active: 8,
            session_count: 9,
            uploaded_bytes: 10,
        },
        current: Transfer::default(),
    };
    let answer = serde_json::from_slice::<Value>(&Answer::to(None).stats(&stats)).unwrap();
    let expected = json!({
        "activeTorrentCount": 1, "downloadSpeed": 2, "pausedTorrentCount": 3, "torrentCount": 4, "uploadSpeed": 5,
        "cumulative-stats": {
            "downloadedBytes": 6, "filesAdded": 7, "secondsActive": 8, "sessionCount": 9, "uploadedBytes": 10,
        },
        "current-stats": {
            "downloadedBytes": 0, "filesAdded": 0, "secondsActive": 0, "sessionCount": 0, "uploadedBytes": 0,
        },
    });
    assert_eq!(answer, json!({"arguments": expected, "result": "success"}));
}
