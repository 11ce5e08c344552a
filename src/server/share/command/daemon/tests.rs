//! Every option, its range, its default, and what is printed.

use clap::{Args as _, Command, Parser};

use super::*;
use crate::proto::bittorrent::mse::Policy;
use crate::server::command::{Configured, OptionSet, SHARED, key, names_every_option};
use crate::server::share::settings::Transport;

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
        let path = folder.path().join("daemon.toml");
        std::fs::write(&path, file).unwrap();
        args.file.config = Some(path);
    }
    Config::load(&args).map_err(|error| crate::server::one_line(&error))
}

/// A line with every option, none of which has its default.
const EVERYTHING: &str = "-l :1 -l unix:/a --proxy-protocol-from 10.0.0.1 --max-connections 1 \
    --max-connections-per-address 1 --threads 1023 --threading shared --drain-timeout 1s --tls-cert a --tls-key b \
    --tls-self-signed --tls-client-ca c --tls-client-auth optional --tls-handshake-timeout 1s --data state \
    --folder files --watch inbox --allocate full --cache 1MiB --host nas.example --peer-listen 10.0.0.1:7000 \
    --max-peers 9 --encryption require --transport utp --dht-node 10.0.0.2:6881 --ip-filter list \
    --access-log - --metrics :9 --log json --log-level debug";

#[test]
fn what_is_printed_parses_back_to_the_same() {
    for line in ["", EVERYTHING, "--no-dht --basic-auth Cargo.toml"] {
        let config_of_line = config(line, "").unwrap();
        let printed = config_of_line.to_toml().unwrap();
        assert_eq!(config("", &printed).unwrap(), config_of_line, "{printed}");
        assert!(printed.contains("`wireworks share daemon`"));
    }
    let [typed, others, defaults] = [
        config(EVERYTHING, "").unwrap(),
        config("--no-dht --basic-auth me:secret", "").unwrap(),
        Config::default(),
    ]
    .map(|config| config.shown().table().unwrap());
    for arg in Options::augment_args(Command::new("daemon")).get_arguments() {
        let name = key(arg);
        let value = typed.get(&name).filter(|value| defaults.get(&name) != Some(value)).or(others.get(&name));
        assert_ne!(defaults.get(&name), value, "{name} is missing in the test");
    }
}

#[test]
fn each_option_reaches_the_client() {
    let settings = config(EVERYTHING, "").unwrap().peers.settings();
    assert_eq!(settings.listen, "10.0.0.1:7000".parse().unwrap());
    assert_eq!((settings.connections, settings.cache), (9, 1 << 20));
    assert_eq!((settings.encryption, settings.transport), (Policy::Require, Transport::Utp));
    assert_eq!(settings.dht, Some(vec!["10.0.0.2:6881".to_owned()]));
    assert_eq!(config("--no-dht", "").unwrap().peers.settings().dht, None);
}

#[test]
fn what_makes_no_sense_is_named() {
    for (line, expected) in [
        ("--encryption maybe", "--encryption cannot be \"maybe\": one of refuse, allow, prefer, require"),
        ("--max-peers 0", "--max-peers cannot be 0: the least is 1"),
        ("--no-dht --dht-node a:1", "--dht-node does nothing without the DHT"),
        ("--basic-auth me:secret --host nas", "--host does nothing without a server that asks nobody"),
        ("--tls-handshake-timeout 1s", "--tls-handshake-timeout does nothing without --tls-cert"),
    ] {
        let error = config(line, "").unwrap_err();
        assert!(error.starts_with(expected), "{line}: {error}");
    }
}

#[test]
fn the_manuals_name_every_option_and_its_default() {
    let command = Args::augment_args(Command::new("daemon"));
    assert!(command.get_arguments().all(|arg| arg.get_help_heading().is_some()));
    let defaults = Config::default().shown().table().unwrap();
    names_every_option(&command, &defaults, &["share-daemon.md#Options", SHARED]);
}
