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
        let path = folder.path().join("rpc.toml");
        std::fs::write(&path, file).unwrap();
        args.file.config = Some(path);
    }
    Config::load(&args).map_err(|error| {
        let cause = std::error::Error::source(&error).map_or(String::new(), |cause| format!(": {cause}"));
        format!("{error}{cause}")
    })
}

#[test]
fn the_command_line_lies_over_the_file_over_the_defaults() {
    assert_eq!(config("", "").unwrap(), Config::default());
    let file = "max-calls = 3\nlisten = [\":1\"]\nping-interval = \"1s\"\ntls-self-signed = true\n";
    let config = config("-l :2 --ping-interval 0s --tls-self-signed=false", file).unwrap();
    assert_eq!((config.settings.max_calls, &*config.server.listen), (3, &[ListenAddr::Any(2)][..]));
    assert_eq!(config.settings.patience.busy_interval, None);
    assert!(!config.server.tls.self_signed && config.settings.patience.idle_interval.is_some());
}

#[test]
fn every_range_is_checked_and_named() {
    // Option, what is too little, the least, the most, what is too much; empty where nothing can be typed beyond.
    let rows = [
        ("max-connections", "", "0", "10000000", "10000001"),
        ("max-connections-per-address", "", "0", "10000000", "10000001"),
        ("threads", "0", "1", "1024", "1025"),
        ("drain-timeout", "", "0s", "1d", "25h"),
        ("max-deadline", "99ms", "100ms", "1d", "25h"),
        ("hello-timeout", "99ms", "100ms", "1h", "61m"),
        ("ping-interval", "", "0s", "1d", "25h"),
        ("idle-ping-interval", "", "0s", "1d", "25h"),
        ("pong-timeout", "99ms", "100ms", "1h", "61m"),
        ("min-ping-interval", "", "0s", "1h", "61m"),
        ("close-timeout", "99ms", "100ms", "1h", "61m"),
        ("max-calls", "0", "1", "2147483647", "2147483648"),
        ("max-message", "4095B", "4KiB", "2147483647B", "2GiB"),
        ("max-metadata", "511B", "512B", "65535B", "64KiB"),
        ("max-unsent", "63KiB", "64KiB", "4GiB", "5GiB"),
    ];
    for (name, below, least, most, above) in rows {
        for fine in [least, most].into_iter().filter(|fine| !fine.is_empty()) {
            let outcome = config(&format!("--{name} {fine}"), "");
            assert!(outcome.is_ok(), "--{name} {fine}: {outcome:?}");
        }
        for bad in [below, above].into_iter().filter(|bad| !bad.is_empty()) {
            let error = config(&format!("--{name} {bad}"), "").unwrap_err();
            assert!(error.starts_with(&format!("--{name} cannot be {bad}: the least is {least}")), "{error}");
            assert!(error.ends_with(&format!(", the most {most}")), "{error}");
        }
    }
    assert!(config("", "max-calls = 0\n").unwrap_err().contains("rpc.toml: --max-calls cannot be 0: "));
    assert!(
        config("", "max-call = 1\n").unwrap_err().contains("rpc.toml:1: there is no option `max-call`; ")
    );
    assert!(config("", "max-calls-at-work = 0\n").unwrap_err().contains("rpc.toml:1: invalid value"));
}

#[test]
fn options_that_would_do_nothing_are_refused() {
    let pairs = "2 of --tls-cert and 1 of --tls-key: each certificate needs its key, in the same order";
    let unix = "does nothing without a TCP address: Unix sockets stay plain";
    for (line, expected) in [
        ("--tls-cert a --tls-cert b --tls-key k", pairs),
        ("--tls-client-ca ca", "--tls-client-ca does nothing without --tls-cert or --tls-self-signed"),
        ("--tls-handshake-timeout 1s", "--tls-handshake-timeout does nothing without --tls-cert"),
        (
            "--tls-self-signed --tls-client-auth optional",
            "--tls-client-auth does nothing without --tls-client",
        ),
        ("--access-log-format json", "--access-log-format does nothing without --access-log"),
        ("-l unix:/a --tls-self-signed", &format!("--tls-self-signed {unix}")),
        ("-l unix:/a --tls-cert c --tls-key k", &format!("--tls-cert {unix}")),
    ] {
        let error = config(line, "").unwrap_err();
        assert!(error.starts_with(expected), "{line}: {error}");
    }
    assert!(config("-l unix:/a -l :1 --tls-self-signed", "").is_ok());
}

/// A line with every option, none of which has its default.
const EVERYTHING: &str = "-l :1 -l unix:/a --proxy-protocol-from ::1 --max-connections 1 --max-connections-per-address 1 \
    --threads 1023 --threading shared --drain-timeout 1s --tls-cert a --tls-key b --tls-self-signed --tls-client-ca c \
    --tls-client-auth optional --tls-handshake-timeout 1s --max-connection-age 1h --max-deadline 2h --hello-timeout 1s \
    --ping-interval 1s --idle-ping-interval 0s --pong-timeout 1s --min-ping-interval 1s --close-timeout 1s --rate-limit 5/m \
    --max-calls 1 --max-calls-at-work 1 --max-message 1MiB --max-metadata 1KiB --max-unsent 1MiB --compress-from 1KiB \
    --access-log - --access-log-format json --metrics :9 --log json --log-level debug";

#[test]
fn what_is_printed_parses_back_to_the_same() {
    for line in ["", EVERYTHING] {
        let config_of_line = config(line, "").unwrap();
        let printed = config_of_line.to_toml().unwrap();
        assert_eq!(config("", &printed).unwrap(), config_of_line, "{printed}");
        assert!(printed.contains("`wireworks rpc serve`"));
    }
    let [typed, defaults] =
        [config(EVERYTHING, "").unwrap(), Config::default()].map(|config| config.shown().table().unwrap());
    for arg in Options::augment_args(Command::new("serve")).get_arguments() {
        let name = key(arg);
        let value = typed.get(&name).unwrap_or_else(|| panic!("{name} is missing in the test"));
        assert_ne!(defaults.get(&name), Some(value), "{name} is missing in the test");
    }
}

#[test]
fn each_option_reaches_the_configuration() {
    let config = config(EVERYTHING, "").unwrap();
    let Config { server, settings, .. } = &config;
    let second = Duration::from_secs(1);
    assert_eq!(server.connections.per_address, 1);
    assert_eq!((server.tls.handshake_timeout, server.drain_timeout), (second, second));
    let patience = settings.patience;
    assert_eq!((patience.hello_timeout, patience.pong_timeout), (second, second));
    assert_eq!((patience.busy_interval, patience.idle_interval), (Some(second), None));
    assert_eq!((settings.min_ping_interval, settings.close_timeout), (second, second));
    assert_eq!((settings.max_metadata, settings.max_unsent, settings.max_calls), (1 << 10, 1 << 20, 1));
    assert_eq!(config.max_connection_age, Some(Duration::from_secs(3600)));
}

#[test]
fn the_manual_names_every_option_and_its_default() {
    let command = Args::augment_args(Command::new("serve"));
    assert!(command.get_arguments().all(|arg| arg.get_help_heading().is_some()));
    let defaults = Config::default().shown().table().unwrap();
    names_every_option(&command, &defaults, &["rpc.md#Options of the server", SHARED]);
}
