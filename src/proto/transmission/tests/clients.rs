//! What clients send. The requests of `transmission-remote` 3.00 (Debian 12) were caught on their way to a daemon.

use super::super::*;
use super::method;
use crate::proto::bittorrent::hash::Sha1;

/// What is typed behind `transmission-remote`, what it sends for that, and what it means.
#[test]
fn transmission_remote_starts_stops_and_removes() {
    let two = || Ids::Only(vec![Id::Number(2)]);
    let rows = [
        ("-t all -s", r#"{"arguments":{},"method":"torrent-start"}"#, Method::TorrentStart(Ids::All)),
        ("-t 2 -s", r#"{"arguments":{"ids":2},"method":"torrent-start"}"#, Method::TorrentStart(two())),
        (
            "-t 1,2 -S",
            r#"{"arguments":{"ids":[1,2]},"method":"torrent-stop"}"#,
            Method::TorrentStop(Ids::Only(vec![Id::Number(1), Id::Number(2)])),
        ),
        ("-t 2 -v", r#"{"arguments":{"ids":2},"method":"torrent-verify"}"#, Method::TorrentVerify(two())),
        (
            "-t 2 --reannounce",
            r#"{"arguments":{"ids":2},"method":"torrent-reannounce"}"#,
            Method::TorrentReannounce(two()),
        ),
        (
            "-t 2 -r",
            r#"{"arguments":{"delete-local-data":false,"ids":2},"method":"torrent-remove"}"#,
            Method::TorrentRemove { ids: two(), delete_local_data: false },
        ),
        (
            "-t 2 -rad",
            r#"{"arguments":{"delete-local-data":true,"ids":2},"method":"torrent-remove"}"#,
            Method::TorrentRemove { ids: two(), delete_local_data: true },
        ),
        (
            "-t 2 --move /srv/moved",
            r#"{"arguments":{"ids":2,"location":"/srv/moved","move":true},"method":"torrent-set-location"}"#,
            Method::TorrentSetLocation {
                ids: two(),
                location: AbsolutePath("/srv/moved".into()),
                move_files: true,
            },
        ),
        (
            "-t 2 --find /srv/data",
            r#"{"arguments":{"ids":2,"location":"/srv/data","move":false},"method":"torrent-set-location"}"#,
            Method::TorrentSetLocation {
                ids: two(),
                location: AbsolutePath("/srv/data".into()),
                move_files: false,
            },
        ),
        ("-si", r#"{"method":"session-get","tag":0}"#, Method::SessionGet(Vec::new())),
        ("-st", r#"{"method":"session-stats","tag":1}"#, Method::SessionStats),
        ("-pt", r#"{"method":"port-test","tag":7}"#, Method::PortTest),
        ("--blocklist-update", r#"{"method":"blocklist-update"}"#, Method::BlocklistUpdate),
        ("--exit", r#"{"method":"session-close"}"#, Method::SessionClose),
    ];
    for (command, body, expected) in rows {
        assert_eq!(method(body), expected, "transmission-remote {command}");
    }
}

#[test]
fn transmission_remote_adds() {
    let magnet = "magnet:?xt=urn:btih:0123456789abcdef0123456789abcdef01234567&dn=some+name";
    let body = format!(r#"{{"arguments":{{"filename":"{magnet}"}},"method":"torrent-add","tag":8}}"#);
    let added = Add { source: Source::Address(magnet.into()), options: AddOptions::default() };
    assert_eq!(method(&body), Method::TorrentAdd(Box::new(added)));

    let body = r#"{"arguments":{"metainfo":"ZDQ6aW5mb2RlZQ=="},"method":"torrent-add","tag":8}"#;
    let added = Add { source: Source::Metainfo(b"d4:infodee".to_vec()), options: AddOptions::default() };
    assert_eq!(method(body), Method::TorrentAdd(Box::new(added)));
}

/// What `-l`, `-i`, `-if`, `-ip`, `-ic` and `-it` ask for.
#[test]
fn transmission_remote_asks_for_fields() {
    const LIST: &str = r#"["error","errorString","eta","id","isFinished","leftUntilDone","name","peersGettingFromUs",
        "peersSendingToUs","rateDownload","rateUpload","sizeWhenDone","status","uploadRatio"]"#;
    const INFO: &str = r#"["activityDate", "addedDate", "bandwidthPriority", "comment", "corruptEver", "creator",
        "dateCreated", "desiredAvailable", "doneDate", "downloadDir", "downloadedEver",
        "downloadLimit", "downloadLimited", "error", "errorString", "eta", "hashString",
        "haveUnchecked", "haveValid", "honorsSessionLimits", "id", "isFinished", "isPrivate",
        "labels", "leftUntilDone", "magnetLink", "name", "peersConnected", "peersGettingFromUs",
        "peersSendingToUs", "peer-limit", "pieceCount", "pieceSize", "rateDownload", "rateUpload",
        "recheckProgress", "secondsDownloading", "secondsSeeding", "seedRatioMode",
        "seedRatioLimit", "sizeWhenDone", "startDate", "status", "totalSize", "uploadedEver",
        "uploadLimit", "uploadLimited", "webseeds", "webseedsSendingToUs"]"#;
    let rows = [
        ("-l", LIST, 14, &[][..]),
        ("-i", INFO, 49, &[Detail::Magnet][..]),
        ("-if", r#"["files","name","priorities","wanted"]"#, 4, &[Detail::Files]),
        ("-ip", r#"["peers"]"#, 1, &[Detail::Peers]),
        ("-ic", r#"["pieces","pieceCount"]"#, 2, &[Detail::Pieces]),
        ("-it", r#"["trackerStats"]"#, 1, &[Detail::Trackers]),
    ];
    let details = [
        Detail::Files,
        Detail::Peers,
        Detail::Trackers,
        Detail::Pieces,
        Detail::Availability,
        Detail::Magnet,
    ];
    for (command, names, count, needed) in rows {
        let body = format!(r#"{{"arguments":{{"fields":{names},"ids":-1}},"method":"torrent-get","tag":4}}"#);
        let Method::TorrentGet(get) = method(&body) else { panic!("{command}") };
        assert_eq!((get.ids, get.format), (Ids::Only(Vec::new()), Format::Objects), "no torrent is -1");
        assert_eq!(get.fields.as_slice().len(), count, "{command}: each name is known");
        for detail in details {
            assert_eq!(get.fields.needs(detail), needed.contains(&detail), "{command}: {detail:?}");
        }
    }
    let body = r#"{"arguments":{"fields":["id"],"ids":"recently-active"},"method":"torrent-get","tag":4}"#;
    let fields = Fields::named(["id"]);
    let get = Get { ids: Ids::RecentlyActive, fields, format: Format::Objects };
    assert_eq!(method(body), Method::TorrentGet(get), "-t active -l");
}

#[test]
fn transmission_remote_changes_torrents() {
    type Change = fn(&mut TorrentChange);
    let rows: [(&str, &str, Change); 22] = [
        ("-L a,b", r#""labels":["a","b"]"#, |c| c.labels = Some(Labels(vec!["a".into(), "b".into()]))),
        ("-g 0,1", r#""files-wanted":[0,1]"#, |c| c.files_wanted = Some(FileIndexes::Only(vec![0, 1]))),
        ("-g all", r#""files-wanted":[]"#, |c| c.files_wanted = Some(FileIndexes::All)),
        ("-G 1", r#""files-unwanted":[1]"#, |c| c.files_unwanted = Some(FileIndexes::Only(vec![1]))),
        ("-ph 0 -pn 1", r#""priority-high":[0],"priority-normal":[1]"#, |c| {
            c.priority_high = Some(FileIndexes::Only(vec![0]));
            c.priority_normal = Some(FileIndexes::Only(vec![1]));
        }),
        ("-pl all", r#""priority-low":[]"#, |c| c.priority_low = Some(FileIndexes::All)),
        ("-d 50", r#""downloadLimit":50,"downloadLimited":true"#, |c| {
            (c.download_limit, c.download_limited) = (Some(50), Some(true));
        }),
        ("-D", r#""downloadLimited":false"#, |c| c.download_limited = Some(false)),
        ("-u 30", r#""uploadLimit":30,"uploadLimited":true"#, |c| {
            (c.upload_limit, c.upload_limited) = (Some(30), Some(true));
        }),
        ("-U", r#""uploadLimited":false"#, |c| c.upload_limited = Some(false)),
        ("-sr 2.5", r#""seedRatioLimit":2.5000,"seedRatioMode":1"#, |c| {
            (c.seed_ratio_limit, c.seed_ratio_mode) = (Some(2.5), Some(SeedMode::Own));
        }),
        ("-srd", r#""seedRatioMode":0"#, |c| c.seed_ratio_mode = Some(SeedMode::Session)),
        ("-SR", r#""seedRatioMode":2"#, |c| c.seed_ratio_mode = Some(SeedMode::Unlimited)),
        ("-pr 33", r#""peer-limit":33"#, |c| c.peer_limit = Some(33)),
        ("-Bh", r#""bandwidthPriority":1"#, |c| c.priority = Some(Priority::High)),
        ("-Bn", r#""bandwidthPriority":0"#, |c| c.priority = Some(Priority::Normal)),
        ("-Bl", r#""bandwidthPriority":-1"#, |c| c.priority = Some(Priority::Low)),
        ("-hl", r#""honorsSessionLimits":true"#, |c| c.honors_session_limits = Some(true)),
        ("-HL", r#""honorsSessionLimits":false"#, |c| c.honors_session_limits = Some(false)),
        ("-td http://x/announce", r#""trackerAdd":["http://x/announce"]"#, |c| {
            c.tracker_add = Some(vec!["http://x/announce".into()]);
        }),
        ("-tr 0", r#""trackerRemove":[0]"#, |c| c.tracker_remove = Some(vec![0])),
        // Of other clients.
        ("(replace)", r#""trackerReplace":[0,"http://y/announce"]"#, |c| {
            c.tracker_replace = Some(vec![(0, "http://y/announce".into())]);
        }),
    ];
    for (command, arguments, change) in rows {
        let mut expected = TorrentChange::default();
        change(&mut expected);
        let expected = Method::TorrentSet(Ids::Only(vec![Id::Number(2)]), Box::new(expected));
        let body = format!(r#"{{"arguments":{{"ids":2,{arguments}}},"method":"torrent-set"}}"#);
        assert_eq!(method(&body), expected, "transmission-remote -t 2 {command}");
    }
}

#[test]
fn transmission_remote_changes_the_session() {
    type Change = fn(&mut SettingsChange);
    let rows: [(&str, &str, Change); 34] = [
        ("-d 500", r#""speed-limit-down":500,"speed-limit-down-enabled":true"#, |c| {
            (c.speed_limit_down, c.speed_limit_down_enabled) = (Some(500), Some(true));
        }),
        ("-D", r#""speed-limit-down-enabled":false"#, |c| c.speed_limit_down_enabled = Some(false)),
        ("-u 20", r#""speed-limit-up":20,"speed-limit-up-enabled":true"#, |c| {
            (c.speed_limit_up, c.speed_limit_up_enabled) = (Some(20), Some(true));
        }),
        ("-U", r#""speed-limit-up-enabled":false"#, |c| c.speed_limit_up_enabled = Some(false)),
        ("-as", r#""alt-speed-enabled":true"#, |c| c.alt_speed_enabled = Some(true)),
        ("-AS", r#""alt-speed-enabled":false"#, |c| c.alt_speed_enabled = Some(false)),
        ("-asd 10", r#""alt-speed-down":10"#, |c| c.alt_speed_down = Some(10)),
        ("-asu 5", r#""alt-speed-up":5"#, |c| c.alt_speed_up = Some(5)),
        ("--alt-speed-time-begin 0830", r#""alt-speed-time-begin":510"#, |c| {
            c.alt_speed_time_begin = Some(MinuteOfDay(510));
        }),
        ("--alt-speed-time-end 1730", r#""alt-speed-time-end":1050"#, |c| {
            c.alt_speed_time_end = Some(MinuteOfDay(1050));
        }),
        ("--alt-speed-days 2-6", r#""alt-speed-time-day":124"#, |c| c.alt_speed_time_day = Some(Days(124))),
        ("-asc", r#""alt-speed-time-enabled":true"#, |c| c.alt_speed_time_enabled = Some(true)),
        ("-ASC", r#""alt-speed-time-enabled":false"#, |c| c.alt_speed_time_enabled = Some(false)),
        ("-c /srv/inc", r#""incomplete-dir":"/srv/inc","incomplete-dir-enabled":true"#, |c| {
            c.incomplete_dir = Some(AbsolutePath("/srv/inc".into()));
            c.incomplete_dir_enabled = Some(true);
        }),
        ("-C", r#""incomplete-dir-enabled":false"#, |c| c.incomplete_dir_enabled = Some(false)),
        ("-w /srv", r#""download-dir":"/srv""#, |c| c.download_dir = Some(AbsolutePath("/srv".into()))),
        ("-m", r#""port-forwarding-enabled":true"#, |c| c.port_forwarding_enabled = Some(true)),
        ("-M", r#""port-forwarding-enabled":false"#, |c| c.port_forwarding_enabled = Some(false)),
        ("-o", r#""dht-enabled":true"#, |c| c.dht_enabled = Some(true)),
        ("-x", r#""pex-enabled":true"#, |c| c.pex_enabled = Some(true)),
        ("-Y", r#""lpd-enabled":false"#, |c| c.lpd_enabled = Some(false)),
        ("-er", r#""encryption":"required""#, |c| c.encryption = Some(Encryption::Required)),
        ("-ep", r#""encryption":"preferred""#, |c| c.encryption = Some(Encryption::Preferred)),
        ("-et", r#""encryption":"tolerated""#, |c| c.encryption = Some(Encryption::Tolerated)),
        ("-e 8", r#""cache-size-mb":8"#, |c| c.cache_size_mb = Some(8)),
        ("-p 51888", r#""peer-port":51888"#, |c| c.peer_port = Some(51888)),
        ("-P", r#""peer-port-random-on-start":true"#, |c| c.peer_port_random_on_start = Some(true)),
        ("-pr 77", r#""peer-limit-global":77"#, |c| c.peer_limit_global = Some(77)),
        ("-gsr 1.2", r#""seedRatioLimit":1.2000,"seedRatioLimited":true"#, |c| {
            (c.seed_ratio_limit, c.seed_ratio_limited) = (Some(1.2), Some(true));
        }),
        ("-GSR", r#""seedRatioLimited":false"#, |c| c.seed_ratio_limited = Some(false)),
        ("--no-utp", r#""utp-enabled":false"#, |c| c.utp_enabled = Some(false)),
        (
            "--torrent-done-script /bin/true",
            r#""script-torrent-done-enabled":true,"script-torrent-done-filename":"/bin/true""#,
            |c| {
                c.script_torrent_done_enabled = Some(true);
                c.script_torrent_done_filename = Some("/bin/true".into());
            },
        ),
        ("--trash-torrent", r#""trash-original-torrent-files":true"#, |c| {
            c.trash_original_torrent_files = Some(true);
        }),
        ("--start-paused", r#""start-added-torrents":false"#, |c| c.start_added_torrents = Some(false)),
    ];
    for (command, arguments, change) in rows {
        let mut expected = SettingsChange::default();
        change(&mut expected);
        let body = format!(r#"{{"arguments":{{{arguments}}},"method":"session-set"}}"#);
        assert_eq!(method(&body), Method::SessionSet(Box::new(expected)), "transmission-remote {command}");
    }
}

/// Sonarr and Radarr know torrents by their hashes, and ask for few fields.
#[test]
fn sonarr() {
    let hash = "61960C004287EC6E2B612CBE7E12757016A9200A";
    let ids = Ids::Only(vec![Id::Hash(hash.parse::<Sha1>().unwrap())]);
    let body = r#"{"method":"torrent-get","arguments":{"fields":["id","hashString","name","downloadDir","totalSize",
        "leftUntilDone","isFinished","eta","status","secondsDownloading","secondsSeeding","errorString","uploadedEver",
        "downloadedEver","seedRatioLimit","seedRatioMode","seedIdleLimit","seedIdleMode","fileCount","file-count",
        "labels"]}}"#;
    let Method::TorrentGet(get) = method(body) else { panic!() };
    assert_eq!((get.ids, get.fields.as_slice().len()), (Ids::All, 20), "fileCount is Vuze's");
    let body = format!(
        r#"{{"method":"torrent-set","arguments":{{"ids":["{hash}"],"seedRatioLimit":1.5,"seedRatioMode":1,
        "seedIdleLimit":90,"seedIdleMode":1}}}}"#
    );
    let change = TorrentChange {
        seed_ratio_limit: Some(1.5),
        seed_ratio_mode: Some(SeedMode::Own),
        seed_idle_limit: Some(90),
        seed_idle_mode: Some(SeedMode::Own),
        ..TorrentChange::default()
    };
    assert_eq!(method(&body), Method::TorrentSet(ids.clone(), Box::new(change)));
    let body = format!(r#"{{"method":"queue-move-top","arguments":{{"ids":["{hash}"]}}}}"#);
    assert_eq!(method(&body), Method::QueueMoveTop(ids.clone()));
    let body =
        format!(r#"{{"method":"torrent-remove","arguments":{{"ids":["{hash}"],"delete-local-data":true}}}}"#);
    assert_eq!(method(&body), Method::TorrentRemove { ids, delete_local_data: true });
    let body = r#"{"method":"torrent-add","arguments":{"filename":"http://indexer/1.torrent",
        "download-dir":"/tv/sonarr","paused":false,"labels":["tv"]}}"#;
    let options = AddOptions {
        download_dir: Some(AbsolutePath("/tv/sonarr".into())),
        paused: Some(false),
        labels: Some(Labels(vec!["tv".into()])),
        ..AddOptions::default()
    };
    let source = Source::Address("http://indexer/1.torrent".into());
    assert_eq!(method(body), Method::TorrentAdd(Box::new(Add { source, options })));
}

/// Transmission's own page asks for tables, and sends what version 17 does not have.
#[test]
fn transmissions_page() {
    let body = r#"{"arguments":{"fields":["id","addedDate","file-count","name","primary-mime-type","totalSize"],
        "format":"table","ids":"recently-active"},"method":"torrent-get"}"#;
    let fields = ["id", "addedDate", "file-count", "name", "primary-mime-type", "totalSize"];
    let get = Get { ids: Ids::RecentlyActive, fields: Fields::named(fields), format: Format::Table };
    assert_eq!(method(body), Method::TorrentGet(get));
    let body =
        r#"{"arguments":{"ids":[3],"name":"other","path":"folder/a.txt"},"method":"torrent-rename-path"}"#;
    let expected =
        Method::TorrentRenamePath { id: Id::Number(3), path: "folder/a.txt".into(), name: "other".into() };
    assert_eq!(method(body), expected);
    let body = r#"{"arguments":{"path":"/srv"},"method":"free-space"}"#;
    assert_eq!(method(body), Method::FreeSpace(AbsolutePath("/srv".into())));
    assert_eq!(method(r#"{"arguments":{"ipProtocol":"ipv6"},"method":"port-test"}"#), Method::PortTest);
    let body = r#"{"arguments":{"ids":[1],"trackerList":"http://a/announce\nudp://b:1\n\n\nhttp://c/announce\n"},
        "method":"torrent-set"}"#;
    let tiers = vec![vec!["http://a/announce".into(), "udp://b:1".into()], vec!["http://c/announce".into()]];
    let change = TorrentChange { tracker_list: Some(TrackerTiers(tiers)), ..TorrentChange::default() };
    assert_eq!(method(body), Method::TorrentSet(Ids::Only(vec![Id::Number(1)]), Box::new(change)));
}

/// Flood, TrguiNG and others: forms that are sent whole, with `null` for what was not filled in.
#[test]
fn forms() {
    let body = r#"{"method":"torrent-add","arguments":{"metainfo":"ZGU\n=","cookies":null,"download-dir":"",
        "paused":true,"peer-limit":50,"bandwidthPriority":0,"files-unwanted":[],"files-wanted":[0,2],
        "priority-high":[2]}}"#;
    let options = AddOptions {
        paused: Some(true),
        peer_limit: Some(50),
        priority: Some(Priority::Normal),
        files_unwanted: Some(Vec::new()),
        files_wanted: Some(vec![0, 2]),
        priority_high: Some(vec![2]),
        ..AddOptions::default()
    };
    let source = Source::Metainfo(b"de".to_vec());
    assert_eq!(method(body), Method::TorrentAdd(Box::new(Add { source, options })));
    // A session that is sent back as it came: what cannot be set is passed over.
    let body = r#"{"method":"session-set","arguments":{"version":"4.0.6","rpc-version":17,"units":{},"session-id":"x",
        "blocklist-size":0,"config-dir":"c","download-dir-free-space":1,"incomplete-dir":"","alt-speed-up":50}}"#;
    let change = SettingsChange { alt_speed_up: Some(50), ..SettingsChange::default() };
    assert_eq!(method(body), Method::SessionSet(Box::new(change)));
    let body =
        r#"{"method":"torrent-start-now","arguments":{"ids":["aaaaaaaaaabbbbbbbbbbaaaaaaaaaabbbbbbbbbb"]}}"#;
    assert!(matches!(method(body), Method::TorrentStartNow(Ids::Only(ids)) if ids.len() == 1));
}

/// Each method of sections 3 and 4, and an argument that no method has.
#[test]
fn all_methods() {
    let ids = || Ids::Only(vec![Id::Number(1)]);
    let rows = [
        ("torrent-start", Method::TorrentStart(ids())),
        ("torrent-start-now", Method::TorrentStartNow(ids())),
        ("torrent-stop", Method::TorrentStop(ids())),
        ("torrent-verify", Method::TorrentVerify(ids())),
        ("torrent-reannounce", Method::TorrentReannounce(ids())),
        ("torrent-set", Method::TorrentSet(ids(), Box::default())),
        ("torrent-remove", Method::TorrentRemove { ids: ids(), delete_local_data: false }),
        ("session-get", Method::SessionGet(Vec::new())),
        ("session-set", Method::SessionSet(Box::default())),
        ("session-stats", Method::SessionStats),
        ("session-close", Method::SessionClose),
        ("blocklist-update", Method::BlocklistUpdate),
        ("port-test", Method::PortTest),
        ("queue-move-top", Method::QueueMoveTop(ids())),
        ("queue-move-up", Method::QueueMoveUp(ids())),
        ("queue-move-down", Method::QueueMoveDown(ids())),
        ("queue-move-bottom", Method::QueueMoveBottom(ids())),
        ("group-get", Method::GroupGet(Vec::new())),
    ];
    for (name, expected) in rows {
        let body =
            format!(r#"{{"method":"{name}","arguments":{{"ids":[1],"bogus":[{{}}]}},"bogus":1,"tag":2}}"#);
        assert_eq!(method(&body), expected, "{body}");
    }
}

#[test]
fn groups() {
    let all = Method::GroupGet(Vec::new());
    let slow = Method::GroupGet(vec!["slow".into()]);
    assert_eq!(method(r#"{"method":"group-get"}"#), all);
    assert_eq!(method(r#"{"method":"group-get","arguments":{"group":null}}"#), all);
    assert_eq!(method(r#"{"method":"group-get","arguments":{"group":"slow"}}"#), slow);
    assert_eq!(method(r#"{"method":"group-get","arguments":{"name":["slow"]}}"#), slow);
    let body = r#"{"method":"group-set","arguments":{"name":" slow ","honorsSessionLimits":true,"speed-limit-down":10,
        "speed-limit-down-enabled":true,"speed-limit-up":5,"speed-limit-up-enabled":0}}"#;
    let change = GroupChange {
        honors_session_limits: Some(true),
        speed_limit_down: Some(10),
        speed_limit_down_enabled: Some(true),
        speed_limit_up: Some(5),
        speed_limit_up_enabled: Some(false),
    };
    assert_eq!(method(body), Method::GroupSet { name: "slow".into(), change });
}
