//! `torrent-add` (section 3.4).

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::arguments::{Arguments, arguments};
use super::{AbsolutePath, Labels, Priority, Refusal};

/// Reads base64 with padding or without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A torrent to add.
#[derive(Clone, Debug, PartialEq)]
pub struct Add {
    /// Where it is.
    pub source: Source,
    /// What is to be done with it.
    pub options: AddOptions,
}

/// Where a torrent is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// At an address: a magnet link, a URL, or a file of the machine that the daemon runs on. It is as it was typed.
    Address(String),
    /// Here: the bytes of a metainfo file, which nobody has looked at.
    Metainfo(Vec<u8>),
}

arguments! {
    /// What is to be done with a torrent that is added.
    pub struct AddOptions {
        /// Cookies for the URL: `NAME=CONTENT; NAME=CONTENT`.
        "cookies" => cookies: String,
        /// The folder that its files are in.
        "download-dir" => download_dir: AbsolutePath,
        /// Whether it is not started; else what the session does.
        "paused" => paused: bool,
        /// Peers at most.
        "peer-limit" => peer_limit: u32,
        /// How much it matters.
        "bandwidthPriority" => priority: Priority,
        /// Files not to download. An empty list changes nothing, here and below.
        "files-unwanted" => files_unwanted: Vec<u32>,
        /// Files to download after all.
        "files-wanted" => files_wanted: Vec<u32>,
        /// Files that come last.
        "priority-low" => priority_low: Vec<u32>,
        /// Files between them.
        "priority-normal" => priority_normal: Vec<u32>,
        /// Files that come first.
        "priority-high" => priority_high: Vec<u32>,
        /// What it is marked with.
        "labels" => labels: Labels,
    }
}

impl Add {
    pub(super) fn read(arguments: &Arguments<'_>) -> Result<Self, Refusal> {
        let source = match (arguments.text("filename")?, arguments.text("metainfo")?) {
            (Some(address), _) => Source::Address(address),
            (None, Some(text)) => Source::Metainfo(decode(&text)?),
            (None, None) => return Err(Refusal::NoTorrent),
        };
        Ok(Self { source, options: AddOptions::read(arguments)? })
    }
}

/// Reads base64, which some clients break into lines.
fn decode(text: &str) -> Result<Vec<u8>, Refusal> {
    let digits = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect::<Vec<_>>();
    BASE64.decode(digits).map_err(|_| Refusal::Unrecognized)
}
