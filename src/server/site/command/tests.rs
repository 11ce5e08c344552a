//! What lies over what, every range, and that what is printed is what is read.

use std::time::Duration;

use clap::{Args as _, Command};

use super::*;
use crate::net::addr::{Inherited, ListenAddr};
use crate::server::command::{ConfigError, Configured, OptionSet, default_of, key};
use crate::server::http::settings::Settings;

/// The configuration of a command line and the text of a file.
fn config(line: &str, file: &str) -> Result<Config, String> {
    layered(line, file, 0).map_err(|error| chain(&error))
}

fn layered(line: &str, file: &str, handed_over: usize) -> Result<Config, ConfigError> {
    layered_for(Site::Http, line, file, handed_over)
}

fn layered_for(site: Site, line: &str, file: &str, handed_over: usize) -> Result<Config, ConfigError> {
    #[derive(clap::Parser)]
    struct Door {
        #[command(flatten)]
        args: Args,
    }
    let words = ["wireworks"].into_iter().chain(line.split_whitespace());
    let mut args =
        <Door as clap::Parser>::try_parse_from(words).unwrap_or_else(|error| panic!("{error}")).args;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.toml");
    if !file.is_empty() {
        std::fs::write(&path, file).unwrap();
        args.file.config = Some(path);
    }
    Config::of(site).layered(args.file.config.as_deref(), &args.options, handed_over)
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text.push_str(": ");
        text.push_str(&error.to_string());
        next = error.source();
    }
    text
}

#[test]
fn nothing_said_is_the_default() {
    assert_eq!(config("", "").unwrap(), Config::default());
    assert_eq!(config("", "# nothing\n").unwrap(), Config::default());
}

#[test]
fn the_command_line_lies_over_the_file_over_the_defaults() {
    let file =
        "threads = 3\nhead-timeout = \"5s\"\nlisten = [\":1\", \":2\"]\nhidden = true\nlisting = false\n";
    let config = config("--head-timeout 7s --listen :3 public --hidden=false", file).unwrap();
    assert_eq!(config.server.threads, 3, "from the file");
    assert_eq!(config.settings.head_timeout, Duration::from_secs(7), "from the command line");
    assert_eq!(config.settings.idle_timeout, Settings::default().idle_timeout, "the default");
    assert_eq!(config.server.listen, [ListenAddr::Any(3)], "a list replaces a list");
    assert!(!config.files.hidden && !config.files.listing);
}

#[test]
fn sockets_handed_over_are_used_unless_somebody_says_where_to_listen() {
    let inherited = |index| ListenAddr::Inherited(Inherited::Index(index));
    let listen = |line, file| layered(line, file, 2).unwrap().server.listen;
    assert_eq!(listen("", ""), [inherited(0), inherited(1)]);
    assert_eq!(listen("--listen :80", ""), [ListenAddr::Any(80)]);
    assert_eq!(listen("", "listen = [\":80\"]"), [ListenAddr::Any(80)]);
}

#[test]
fn every_range_is_checked_and_named() {
    // Option, what is too little, the least, the most, what is too much; empty where nothing can be typed beyond.
    let rows = [
        ("max-connections", "", "0", "10000000", "10000001"),
        ("max-connections-per-address", "", "0", "10000000", "10000001"),
        ("threads", "0", "1", "1024", "1025"),
        ("handler-timeout", "", "0s", "1d", "25h"),
        ("head-timeout", "99ms", "100ms", "1d", "25h"),
        ("idle-timeout", "0", "100ms", "1d", "25h"),
        ("stall-timeout", "99ms", "100ms", "1d", "25h"),
        ("drain-timeout", "", "0s", "1d", "25h"),
        ("linger-timeout", "", "0s", "1h", "61m"),
        ("min-read-grace", "", "0s", "1h", "61m"),
        ("min-write-grace", "", "0s", "1h", "61m"),
        ("min-read-rate", "0B", "1B", "1GiB", "1025MiB"),
        ("min-write-rate", "0B", "1B", "1GiB", "1025MiB"),
        ("max-head", "1023B", "1KiB", "16MiB", "17MiB"),
        ("max-uri", "255B", "256B", "1MiB", "2MiB"),
        ("max-fields", "7", "8", "128", "129"),
        ("max-body", "", "0B", "1024TiB", "1025TiB"),
        ("max-chunk-extensions", "", "0B", "16MiB", "17MiB"),
        ("max-trailers", "1B", "2B", "16MiB", "17MiB"),
        ("max-requests-per-connection", "0", "1", "9223372036854775807", "9223372036854775808"),
        ("max-drain", "", "0B", "1TiB", "2TiB"),
        ("max-linger", "", "0B", "1GiB", "2GiB"),
        ("max-concurrent", "", "0", "1000000", "1000001"),
    ];
    for (name, below, least, most, above) in rows {
        for fine in [least, most] {
            assert!(config(&format!("--{name} {fine}"), "").is_ok(), "--{name} {fine}");
        }
        for bad in [below, above].into_iter().filter(|bad| !bad.is_empty()) {
            let error = config(&format!("--{name} {bad}"), "").unwrap_err();
            assert!(error.starts_with(&format!("--{name} cannot be ")), "{error}");
            assert!(error.ends_with(&format!("the least is {least}, the most {most}")), "{error}");
        }
    }
    let tls = "--tls-self-signed --tls-handshake-timeout";
    assert!(config(&format!("{tls} 100ms"), "").is_ok());
    assert!(config(&format!("{tls} 99ms"), "").unwrap_err().contains("--tls-handshake-timeout"));
}

#[test]
fn values_that_are_not_of_their_kind_are_named() {
    let rows = [
        ("--cors example.com", "--cors cannot be \"example.com\": "),
        ("--cors https://example.com/", "--cors cannot be "),
        ("--cors HTTPS://example.com", "--cors cannot be "),
        ("public --index a/b", "--index cannot be \"a/b\": "),
        ("public --index ..", "--index cannot be \"..\": "),
        ("public --cache-control \u{e9}", "--cache-control cannot be "),
        ("--server-header \u{7}", "--server-header cannot be "),
    ];
    for (line, expected) in rows {
        let error = config(line, "").unwrap_err();
        assert!(error.starts_with(expected), "{line}: {error}");
    }
    assert!(config("--cors https://example.com:8443 --cors *", "").is_ok());
}

#[test]
fn a_bad_value_in_a_file_names_the_file_too() {
    let error = config("", "max-fields = 1000\n").unwrap_err();
    assert!(error.starts_with("in ") && error.contains("w.toml: --max-fields cannot be 1000"), "{error}");
}

#[test]
fn options_that_need_another_say_so() {
    let rows = [
        ("--tls-cert a.pem", "1 of --tls-cert and 0 of --tls-key"),
        ("--tls-cert a.pem --tls-key a --tls-key b", "1 of --tls-cert and 2 of --tls-key"),
        ("--tls-client-ca ca.pem", "--tls-client-ca does nothing without --tls-cert"),
        ("--tls-handshake-timeout 1s", "--tls-handshake-timeout does nothing without --tls-cert"),
        (
            "--tls-self-signed --tls-client-auth optional",
            "--tls-client-auth does nothing without --tls-client-ca",
        ),
        ("--spa index.html", "--spa does nothing without DIR"),
        ("--no-listing", "--no-listing does nothing without DIR"),
        ("--index a", "--index does nothing without DIR"),
        ("--hidden", "--hidden does nothing without DIR"),
        ("--follow-symlinks", "--follow-symlinks does nothing without DIR"),
        ("--cache-control no-store", "--cache-control does nothing without DIR"),
        ("--no-precompressed", "--no-precompressed does nothing without DIR"),
        ("--access-log-format json", "--access-log-format does nothing without --access-log"),
    ];
    for (line, expected) in rows {
        let error = config(line, "").unwrap_err();
        assert!(error.starts_with(expected), "{line}: {error}");
    }
    assert!(config("--spa index.html", "dir = \"public\"").is_ok(), "the file has a folder");
    assert!(config("--access-log-format json --access-log -", "").is_ok());
}

#[test]
fn what_is_printed_parses_back_to_the_same() {
    let everything = "public --listen :80 --listen unix:/run/w.sock --listen fd:web --proxy-protocol-from 10.0.0.0/8,::1 \
        --max-connections 10 --max-connections-per-address 5 --threads 1023 --threading shared --tls-cert a --tls-key b \
        --tls-self-signed --tls-client-ca ca --tls-client-auth optional --tls-handshake-timeout 3s --no-listing --index a --index b --spa s \
        --hidden --follow-symlinks --cache-control no-store --no-precompressed --no-compress --cors * \
        --basic-auth Cargo.toml --bearer-auth README.md --rate-limit 5/m --max-concurrent 9 --security-headers --request-id \
        --server-header me --head-timeout 1s --idle-timeout 2s --stall-timeout 3s --handler-timeout 4s \
        --drain-timeout 5s --linger-timeout 6s --min-read-rate 7B --min-write-rate 8B --min-read-grace 9s --min-write-grace 8s \
        --max-head 8KiB --max-uri 1KiB --max-fields 9 --max-body 10MB --max-chunk-extensions 1 --max-trailers 2KiB \
        --max-requests-per-connection 3 --max-drain 4 --max-linger 5 --access-log - --access-log-format json \
        --metrics :9 --log json --log-level debug --subprotocol a --subprotocol b --origin https://a.test --deflate dedicated \
        --deflate-level 9 --deflate-window 10 --deflate-threshold 1 --max-deflate-contexts 7 --max-message 1MiB --max-unsent 1MiB \
        --ping-interval 0s --pong-timeout 3s --close-timeout 4s";
    let of_sockets = |line: &str, file: &str| layered_for(Site::Sockets, line, file, 0).unwrap();
    let defaults = Config::of(Site::Sockets).shown();
    for line in ["", everything] {
        let config = of_sockets(line, "");
        let printed = config.to_toml().unwrap();
        assert_eq!(of_sockets("", &printed), config, "{printed}");
        assert!(printed.contains("`wireworks ws serve`"));
    }
    // The line above has every option: none keeps its default.
    let (typed, defaults) =
        [of_sockets(everything, "").shown(), defaults].map(|options| options.table().unwrap()).into();
    for (name, value) in &typed {
        assert_ne!(defaults.get(name), Some(value), "{name} is missing in the test");
    }
}

#[test]
fn secrets_are_not_printed() {
    for line in
        ["--basic-auth me:secret --bearer-auth robot:secret", "--basic-auth secret --bearer-auth secret"]
    {
        let config = config(line, "").unwrap();
        let printed = config.to_toml().unwrap();
        for shown in [&printed, &format!("{config:?}")] {
            assert!(shown.contains("***") && !shown.contains("secret"), "{shown}");
        }
        assert!(printed.contains("\nbearer-auth = \"***\"\n"), "{printed}");
    }
}

#[test]
fn options_of_sockets_need_sockets() {
    let words = "--deflate does nothing without sockets: leave DIR out, or use `wireworks ws serve`";
    assert_eq!(config("public --deflate off", "").unwrap_err(), words);
    assert!(config("--deflate off", "").is_ok());
    assert!(layered_for(Site::Sockets, "public --deflate off", "", 0).is_ok());
    for (line, reason) in [
        (
            "--origin nowhere",
            "--origin cannot be \"nowhere\": write same, * or origins in lower case without a path, as in https://example.com",
        ),
        (
            "--origin * --origin https://a.test",
            "--origin cannot be \"*\": write same, * or origins in lower case without a path, as in https://example.com",
        ),
        (
            "--subprotocol a,b",
            "--subprotocol cannot be \"a,b\": it must be one word of letters, digits and -._",
        ),
        ("--deflate-window 8", "--deflate-window cannot be 8: the least is 9, the most 15"),
        ("--max-message 1", "--max-message cannot be 1B: the least is 125B, the most 4GiB"),
    ] {
        assert_eq!(config(line, "").unwrap_err(), reason);
    }
}

fn help() -> String {
    Args::with_defaults(Site::Http, Args::augment_args(Command::new("http"))).render_long_help().to_string()
}

#[test]
fn the_help_shows_the_defaults_of_the_code() {
    // Wrapped by the width of the terminal.
    let help = help().split_whitespace().collect::<Vec<_>>().join(" ");
    for default in [
        "127.0.0.1:8080",
        "32KiB",
        "30s",
        "75s",
        "1GiB",
        "index.html",
        "combined",
        "per-core",
        "65536",
        "info",
    ] {
        assert!(help.contains(&format!("[default: {default}]")), "{default}:\n{help}");
    }
    assert!(!help.contains("[default: true]") && !help.contains("[default: ]"));
}

#[test]
fn every_option_stands_under_a_heading() {
    let command = Args::augment_args(Command::new("http"));
    for arg in command.get_arguments().filter(|arg| !arg.is_positional()) {
        assert!(arg.get_help_heading().is_some(), "{}", arg.get_id());
        assert!(arg.get_help().is_some(), "{}", arg.get_id());
    }
}

#[test]
fn what_is_printed_names_every_option() {
    let printed = Config::default().to_toml().unwrap();
    let command = Options::augment_args(Command::new("wireworks"));
    for arg in command.get_arguments() {
        let key = key(arg);
        let lines = printed
            .lines()
            .filter(|line| line.starts_with(&format!("{key} = ")) || *line == format!("# {key} is not set"));
        assert_eq!(lines.count(), 1, "{key} in\n{printed}");
    }
}

#[test]
fn the_manual_names_every_option_and_its_limits_as_they_are() {
    let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let manual = ["http.md", "websocket.md"]
        .map(|page| std::fs::read_to_string(docs.join(page)).unwrap())
        .map(|page| page.split("\n## Connect\n").next().unwrap().to_owned()) // other commands
        .concat();
    let defaults = Config::default().shown().table().unwrap();
    let command = Args::augment_args(Command::new("http"));
    let mut rows = 0;
    for arg in command.get_arguments().filter(|arg| !arg.is_positional()) {
        let name = format!("--{}", arg.get_long().unwrap());
        assert!(manual.contains(&name), "{name} is in no page of docs");
        let start = format!("| `{name}` | ");
        for row in manual.lines().filter_map(|line| line.strip_prefix(&start)) {
            let default = default_of(arg, &defaults).unwrap_or_else(|| "none".into());
            assert!(row.starts_with(&format!("{default} | ")), "{name}: {row}, not {default}");
            rows += 1;
        }
    }
    assert!(rows >= 20, "the table of limits was not found");
}
