//! Every option, its range, its default, and what is printed.

use std::time::Duration;

use clap::{Args as _, Command, Parser};

use super::*;
use crate::server::command::{Configured, OptionSet, SHARED, key, names_every_option};

#[derive(Parser)]
struct Door {
    #[command(flatten)]
    args: Args,
}

/// The configuration of a command line and the text of a file.
fn config(line: &str, file: &str) -> Result<Config, String> {
    let words = ["wireworks"].into_iter().chain(line.split_whitespace());
    let mut args = Door::try_parse_from(words).unwrap_or_else(|error| panic!("{error}")).args;
    let folder = tempfile::tempdir().unwrap();
    if !file.is_empty() {
        let path = folder.path().join("tracker.toml");
        std::fs::write(&path, file).unwrap();
        args.file.config = Some(path);
    }
    Config::load(&args).map_err(|error| crate::server::one_line(&error))
}

#[test]
fn the_command_line_lies_over_the_file_over_the_defaults() {
    assert_eq!(config("", "").unwrap(), Config::default());
    let file = "interval = \"10m\"\nudp = [\":1\"]\nbelieve = []\nmax-torrents = 5\n";
    let held = config("--udp none --max-torrents 6", file).unwrap();
    assert_eq!((held.udp.clone(), held.limits.torrents), (Udp::None, 6));
    assert!(held.believe.is_empty());
    assert_eq!(held.limits().expiry, Duration::from_secs(15 * 60), "one and a half intervals");
    assert_eq!(Config::default().limits(), crate::proto::bittorrent::tracker::server::Limits::default());
    let fast = config("--interval 10s --max-requests-per-minute 0", "").unwrap().limits();
    assert_eq!((fast.min_interval, fast.requests_per_minute), (Duration::from_secs(10), u16::MAX));
}

#[test]
fn every_range_is_checked_and_named() {
    // Option, what is too little, the least, the most, what is too much; empty where nothing can be typed beyond.
    let rows = [
        ("numwant", "", "0", "2000", "2001"),
        ("max-numwant", "", "0", "2000", "2001"),
        ("full-scrape", "", "0", "100000000", "100000001"),
        ("interval", "999ms", "1s", "1d", "25h"),
        ("max-requests-per-minute", "", "0", "65535", ""),
        ("max-peers-per-address", "0", "1", "100000000", "100000001"),
        ("max-peers-per-torrent", "0", "1", "100000000", "100000001"),
        ("max-peers", "0", "1", "100000000", "100000001"),
        ("max-torrents", "0", "1", "100000000", "100000001"),
        ("min-interval", "", "0s", "30m", "31m"),
        ("expiry", "29m", "30m", "7d", "8d"),
    ];
    for (name, below, least, most, above) in rows {
        for fine in [least, most] {
            let outcome = config(&format!("--{name} {fine}"), "");
            assert!(outcome.is_ok(), "--{name} {fine}: {outcome:?}");
        }
        for bad in [below, above].into_iter().filter(|bad| !bad.is_empty()) {
            let error = config(&format!("--{name} {bad}"), "").unwrap_err();
            let expected = format!("--{name} cannot be {bad}: the least is {least}, the most {most}");
            assert_eq!(error, expected);
        }
    }
}

#[test]
fn what_makes_no_sense_is_named() {
    for (line, expected) in [
        ("--udp same --udp :1", "--udp cannot be \"same\": it stands alone"),
        ("--udp unix:/a", "--udp cannot be \"unix:/a\": packets come to"),
        ("--udp nowhere", "--udp cannot be \"nowhere\": \"nowhere\" has no port"),
        ("--believe nobody", "--believe cannot be \"nobody\": \"nobody\" is not an IP address or prefix"),
        ("--tls-handshake-timeout 1s", "--tls-handshake-timeout does nothing without --tls-cert"),
    ] {
        let error = config(line, "").unwrap_err();
        assert!(error.starts_with(expected), "{line}: {error}");
    }
}

/// A line with every option, none of which has its default.
const EVERYTHING: &str = "-l :1 -l unix:/a --udp :2 --udp [::1]:3 --proxy-protocol-from 10.0.0.1 --max-connections 1 \
    --max-connections-per-address 1 --threads 1023 --threading shared --drain-timeout 1s --tls-cert a --tls-key b \
    --tls-self-signed --tls-client-ca c --tls-client-auth optional --tls-handshake-timeout 1s --allow list \
    --believe 192.0.2.0/24 --numwant 1 --max-numwant 2 --full-scrape 3 --interval 20m --min-interval 2m --expiry 2h \
    --max-requests-per-minute 4 --max-peers-per-address 5 --max-peers-per-torrent 6 --max-peers 7 --max-torrents 8 \
    --access-log - --metrics :9 --log json --log-level debug";

#[test]
fn what_is_printed_parses_back_to_the_same() {
    for line in ["", EVERYTHING] {
        let config_of_line = config(line, "").unwrap();
        let printed = config_of_line.to_toml().unwrap();
        assert_eq!(config("", &printed).unwrap(), config_of_line, "{printed}");
        assert!(printed.contains("`wireworks share tracker`"));
    }
    let [typed, defaults] =
        [config(EVERYTHING, "").unwrap(), Config::default()].map(|config| config.shown().table().unwrap());
    for arg in Options::augment_args(Command::new("tracker")).get_arguments() {
        let name = key(arg);
        let value = typed.get(&name).unwrap_or_else(|| panic!("{name} is missing in the test"));
        assert_ne!(defaults.get(&name), Some(value), "{name} is missing in the test");
    }
}

#[test]
fn each_option_reaches_the_tracker() {
    let config = config(EVERYTHING, "").unwrap();
    let limits = config.limits();
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    assert_eq!(
        (limits.interval, limits.min_interval, limits.expiry),
        (minutes(20), minutes(2), minutes(120))
    );
    assert_eq!((limits.numwant, limits.max_numwant, limits.full_scrape), (1, 2, 3));
    assert_eq!((limits.requests_per_minute, limits.peers_per_address), (4, 5));
    assert_eq!((limits.peers_per_torrent, limits.peers, limits.torrents), (6, 7, 8));
    assert_eq!(config.udp, Udp::At(vec![ListenAddr::Any(2), "[::1]:3".parse().unwrap()]));
    let believed = config.believed();
    for (ip, expected) in [("192.0.2.9", true), ("10.0.0.1", true), ("10.0.0.2", false), ("127.0.0.1", false)]
    {
        assert_eq!(believed.contains(ip.parse().unwrap()), expected, "{ip}");
    }
}

#[test]
fn packets_come_to_the_ports_of_http() {
    let mut config = Config::default();
    config.server.listen = ["127.0.0.1:0", "127.0.0.1:0"].map(|text| text.parse().unwrap()).into();
    config.server.threads = 2;
    let mut process = Process::new(config.server.threading, 2, Duration::ZERO);
    prepare(&config, &mut process).unwrap();
    let names: Vec<_> = process.addresses.iter().map(|address| address.server).collect();
    assert_eq!(names, [NAME, NAME, "tracker-udp", "tracker-udp"]);
    let addresses: Vec<_> = process.addresses.iter().map(|address| &address.address).collect();
    assert_eq!(addresses[..2], addresses[2..]);
    config.udp = Udp::At(vec![addresses[2].clone()]);
    let error = prepare(&config, &mut Process::new(config.server.threading, 1, Duration::ZERO)).unwrap_err();
    assert!(error.to_string().starts_with("by UDP: cannot listen on 127.0.0.1:"), "{error}");
    config.allow = Some("/nonexistent/list".into());
    let error = prepare(&config, &mut Process::new(config.server.threading, 1, Duration::ZERO)).unwrap_err();
    assert_eq!(error.to_string(), "cannot read /nonexistent/list");
}

#[test]
fn the_manuals_name_every_option_and_its_default() {
    let command = Args::augment_args(Command::new("tracker"));
    assert!(command.get_arguments().all(|arg| arg.get_help_heading().is_some()));
    let defaults = Config::default().shown().table().unwrap();
    names_every_option(&command, &defaults, &["share-tracker.md#Options", SHARED]);
}
