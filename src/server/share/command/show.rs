//! `wireworks share show`: what a torrent says of itself.

use std::fmt::Write as _;

use indicatif::HumanBytes;
use serde_json::{Value, json};

use super::ShareError;
use super::source::{Known, Source};
use crate::proto::bittorrent::hash::InfoHash;
use crate::proto::bittorrent::magnet::Magnet;
use crate::proto::bittorrent::metainfo::{FileKind, Metainfo};

/// What a user may type after `wireworks share show`.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// A torrent file, its URL, or a magnet link
    #[arg(value_name = "TORRENT")]
    pub source: Source,

    /// Print JSON
    #[arg(long)]
    pub json: bool,

    /// Print the magnet link only
    #[arg(long, conflicts_with = "json")]
    pub magnet: bool,
}

/// What is printed.
///
/// # Errors
/// It is no torrent.
pub fn run(args: &Args) -> Result<String, ShareError> {
    let known = super::block_on(async { Ok(args.source.read().await?) })?;
    Ok(match &known {
        _ if args.magnet => format!("{}\n", link(&known)),
        Known::Metainfo(metainfo) if args.json => line(&of_metainfo(metainfo)),
        Known::Magnet(magnet) if args.json => line(&of_magnet(magnet)),
        Known::Metainfo(metainfo) => words_of_metainfo(metainfo),
        Known::Magnet(magnet) => words_of_magnet(magnet),
    })
}

/// The magnet link of a torrent.
#[must_use]
pub(super) fn magnet(metainfo: &Metainfo) -> Magnet {
    Magnet {
        name: Some(metainfo.info.name().to_owned()),
        trackers: metainfo.trackers.iter().flatten().cloned().collect(),
        web_seeds: metainfo.web_seeds.clone(),
        ..Magnet::of(metainfo.info.hash())
    }
}

fn link(known: &Known) -> Magnet {
    match known {
        Known::Metainfo(metainfo) => magnet(metainfo),
        Known::Magnet(magnet) => (**magnet).clone(),
    }
}

fn line(value: &Value) -> String {
    format!("{value}\n")
}

/// The names of a torrent, a line each.
pub(super) fn hashes(hash: InfoHash) -> String {
    let mut text = String::new();
    if let Some(hash) = hash.v1() {
        let _ = writeln!(text, "info hash    {hash}");
    }
    if let Some(hash) = hash.v2() {
        let _ = writeln!(text, "info hash v2 {hash}");
    }
    text
}

fn words_of_metainfo(metainfo: &Metainfo) -> String {
    let info = &metainfo.info;
    let layout = info.layout();
    let mut text = format!("name         {}\n{}", info.name(), hashes(info.hash()));
    let mut say = |name: &str, value: &dyn std::fmt::Display| {
        let _ = writeln!(text, "{name:12} {value}");
    };
    say("size", &format_args!("{} ({} bytes)", HumanBytes(layout.content()), layout.content()));
    let length = HumanBytes(layout.piece_length().into());
    say("pieces", &format_args!("{} of {length}", layout.pieces()));
    if info.is_private() {
        say("private", &"yes");
    }
    for (number, tier) in metainfo.trackers.iter().enumerate() {
        say(if number == 0 { "trackers" } else { "" }, &tier.join(", "));
    }
    for (name, seeds) in [("web seeds", &metainfo.web_seeds), ("http seeds", &metainfo.http_seeds)] {
        for (number, seed) in seeds.iter().enumerate() {
            say(if number == 0 { name } else { "" }, seed);
        }
    }
    for (number, (host, port)) in metainfo.nodes.iter().enumerate() {
        say(if number == 0 { "nodes" } else { "" }, &format_args!("{host}:{port}"));
    }
    for (name, value) in [("comment", &metainfo.comment), ("created by", &metainfo.created_by)] {
        if let Some(value) = value {
            say(name, &value.escape_debug());
        }
    }
    if let Some(date) = metainfo.created.and_then(|at| chrono::DateTime::from_timestamp(at, 0)) {
        say("created", &date.format("%Y-%m-%d %H:%M:%S UTC"));
    }
    say("files", &"");
    for file in layout.files().iter().filter(|file| !file.is_padding()) {
        let path = file.display_path();
        let _ = match &file.kind {
            FileKind::Link(target) => writeln!(text, "  {:>12}  {path} -> {}", "link", target.join("/")),
            _ => writeln!(text, "  {:>12}  {path}", file.length),
        };
    }
    text
}

fn words_of_magnet(magnet: &Magnet) -> String {
    let mut text = String::new();
    if let Some(name) = &magnet.name {
        let _ = writeln!(text, "name         {}", name.escape_debug());
    }
    text.push_str(&hashes(magnet.hash));
    let lists = [("trackers", &magnet.trackers), ("web seeds", &magnet.web_seeds), ("peers", &magnet.peers)];
    for (name, list) in lists {
        for (number, value) in list.iter().enumerate() {
            let _ = writeln!(text, "{:12} {value}", if number == 0 { name } else { "" });
        }
    }
    text
}

fn of_metainfo(metainfo: &Metainfo) -> Value {
    let info = &metainfo.info;
    let files = info.layout().files().iter().filter(|file| !file.is_padding());
    let files: Vec<Value> = files
        .map(|file| {
            let link = match &file.kind {
                FileKind::Link(target) => Some(target.join("/")),
                _ => None,
            };
            json!({ "path": file.display_path(), "length": file.length, "executable": file.executable, "link": link })
        })
        .collect();
    json!({
        "name": info.name(),
        "info_hash": info.hash().v1().map(|hash| hash.to_string()),
        "info_hash_v2": info.hash().v2().map(|hash| hash.to_string()),
        "magnet": magnet(metainfo).to_string(),
        "size": info.layout().content(),
        "piece_length": info.layout().piece_length(),
        "pieces": info.layout().pieces(),
        "private": info.is_private(),
        "trackers": metainfo.trackers,
        "web_seeds": metainfo.web_seeds,
        "http_seeds": metainfo.http_seeds,
        "nodes": metainfo.nodes.iter().map(|(host, port)| format!("{host}:{port}")).collect::<Vec<_>>(),
        "comment": metainfo.comment,
        "created_by": metainfo.created_by,
        "created": metainfo.created,
        "files": files,
    })
}

fn of_magnet(magnet: &Magnet) -> Value {
    json!({
        "name": magnet.name,
        "info_hash": magnet.hash.v1().map(|hash| hash.to_string()),
        "info_hash_v2": magnet.hash.v2().map(|hash| hash.to_string()),
        "magnet": magnet.to_string(),
        "trackers": magnet.trackers,
        "web_seeds": magnet.web_seeds,
        "peers": magnet.peers,
    })
}
