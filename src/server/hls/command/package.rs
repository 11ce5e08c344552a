//! `wireworks hls package`: its arguments.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::proto::hls::playlist::media::Date;
pub use crate::server::hls::package::{PackageError, run};
use crate::server::hls::tools::Ladder;
use crate::server::units::TimeSpan;

/// What a user may type after `wireworks hls package`.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// Media, one a rendition: MP4, MPEG-TS or WebVTT, as a file, an http(s) URL, or - for the standard input
    #[arg(required = true, value_name = "INPUT")]
    pub inputs: Vec<String>,

    /// Folder to write; one that holds a package already is replaced when the new one is whole
    #[arg(long, short = 'o', value_name = "DIR")]
    pub out: PathBuf,

    /// Audio renditions, and what is said of each.
    #[arg(
        help = "An audio rendition: INPUT[,name=TEXT][,lang=TAG][,default]; may be repeated",
        long,
        value_name = "SPEC"
    )]
    pub audio: Vec<Spec>,

    /// Subtitles, and what is said of each.
    #[arg(
        help = "Subtitles in WebVTT: INPUT[,name=TEXT][,lang=TAG][,default][,forced]; may be repeated",
        long,
        value_name = "SPEC"
    )]
    pub subtitles: Vec<Spec>,

    /// What segments are
    #[arg(long, value_enum, default_value_t)]
    pub format: Container,

    /// How long segments are at least; they are cut at key frames
    #[arg(long, value_name = "DURATION", default_value_t = TimeSpan(Duration::from_secs(6)))]
    pub segment: TimeSpan,

    /// Where the sound of files with pictures goes
    #[arg(long, value_enum, default_value_t)]
    pub sound: Sound,

    /// Write one file a rendition, of which segments are byte ranges
    #[arg(long)]
    pub single_file: bool,

    /// File name of the initialization sections of fMP4 [default: init.mp4]
    #[arg(long, value_name = "NAME", value_parser = file_name, conflicts_with = "single_file")]
    pub init: Option<String>,

    /// Put an index (sidx) in front of each fMP4 segment
    #[arg(long)]
    pub index: bool,

    /// The date of the first picture, for EXT-X-PROGRAM-DATE-TIME: 2026-01-31T12:00:00Z
    #[arg(long, value_name = "DATE", value_parser = date)]
    pub date_time: Option<Date>,

    /// A fact about the presentation, for EXT-X-SESSION-DATA: com.example.title=Text; may be repeated
    #[arg(long, value_name = "ID=VALUE", value_parser = pair)]
    pub session_data: Vec<(String, String)>,

    /// Make renditions of the input, which may be anything that the ffmpeg program reads: auto, or their heights such as 720,480,240
    #[arg(long, value_name = "auto|HEIGHTS")]
    pub ladder: Option<Ladder>,

    /// Write pictures for a seek bar, one each 10 s or so long, by the ffmpeg program: sprites, and an index in WebVTT
    #[arg(long, value_name = "DURATION", num_args = 0..=1, require_equals = true, default_missing_value = "10s")]
    pub thumbnails: Option<TimeSpan>,

    /// How segments are encrypted.
    #[command(flatten)]
    pub encryption: Encryption,

    /// Draw no progress bar
    #[arg(long, short = 'q')]
    pub quiet: bool,
}

/// How segments are encrypted.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Encryption {
    /// Encrypt segments by AES-128, with keys made for the occasion unless --key-file has one
    #[arg(long)]
    pub encrypt: bool,

    /// The key: 16 bytes, or 32 hexadecimal digits; with --key-rotate, the secret that keys are derived from
    #[arg(long, value_name = "FILE", requires = "encrypt")]
    pub key_file: Option<PathBuf>,

    /// Use another key after so many segments
    #[arg(long, value_name = "N", requires = "encrypt", value_parser = clap::value_parser!(u64).range(1..))]
    pub key_rotate: Option<u64>,

    /// Where players get keys; {key} stands for the number of the key. Without it, keys are in the folder keys of the output
    #[arg(long, value_name = "URI", requires = "encrypt", value_parser = quotable)]
    pub key_uri: Option<String>,

    /// Folder for the keys, with --key-uri: players do not get them from the output then
    #[arg(long, value_name = "DIR", requires = "key_uri")]
    pub keys_out: Option<PathBuf>,

    /// The initialization vector of all segments: 32 hexadecimal digits; without it, that of a segment is its number
    #[arg(long, value_name = "HEX", requires = "encrypt", value_parser = vector)]
    pub iv: Option<[u8; 16]>,
}

/// What segments are.
#[derive(clap::ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Container {
    /// Fragmented MP4 (CMAF)
    #[default]
    Fmp4,
    /// MPEG-TS
    Ts,
}

/// Where the sound of files with pictures goes.
#[derive(clap::ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sound {
    /// Into the segments of the pictures for MPEG-TS, and into renditions of its own for fMP4 or when there are several
    #[default]
    Auto,
    /// Into the segments of the pictures, unless there are audio renditions besides
    Muxed,
    /// Into renditions of its own
    Apart,
}

/// An input, and what is said of it: `de.m4a,lang=de,name=Deutsch,default`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spec {
    /// A file, a URL, or `-`.
    pub input: String,
    /// Its name for people.
    pub name: Option<String>,
    /// Its language, by BCP 47.
    pub language: Option<String>,
    /// Whether it is played when nobody chooses.
    pub default: bool,
    /// Whether it has to be shown.
    pub forced: bool,
}

impl FromStr for Spec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut spec = Self::default();
        // What stands at the end and is understood; a file may have commas in its name.
        let mut input = text;
        while let Some((before, word)) = input.rsplit_once(',') {
            match word.split_once('=') {
                Some(("name", name)) if spec.name.is_none() => spec.name = Some(quotable(name)?),
                Some(("lang", tag)) if spec.language.is_none() => spec.language = Some(quotable(tag)?),
                None if word == "default" => spec.default = true,
                None if word == "forced" => spec.forced = true,
                _ => break,
            }
            input = before;
        }
        if input.is_empty() {
            return Err("it names no input".to_owned());
        }
        input.clone_into(&mut spec.input);
        Ok(spec)
    }
}

fn date(text: &str) -> Result<Date, String> {
    Date::parse_from_rfc3339(text).map_err(|_| "a date looks like 2026-01-31T12:00:00Z".to_owned())
}

fn pair(text: &str) -> Result<(String, String), String> {
    let text = quotable(text)?;
    let pair = text.split_once('=').filter(|(id, _)| !id.is_empty());
    let pair = pair.map(|(id, value)| (id.to_owned(), value.to_owned()));
    pair.ok_or_else(|| "it looks like ID=VALUE".to_owned())
}

/// What can stand in quotation marks in a playlist (section 4.2).
fn quotable(text: &str) -> Result<String, String> {
    match text.chars().any(|char| char == '"' || char.is_control()) {
        true => Err("a playlist cannot have quotation marks or line ends there".to_owned()),
        false => Ok(text.to_owned()),
    }
}

/// A name of a file that is none of the others in a folder of a rendition.
fn file_name(text: &str) -> Result<String, String> {
    let plain = |char: char| char.is_ascii_alphanumeric() || matches!(char, '.' | '-' | '_');
    let is_taken = text.ends_with(".m3u8") || text.ends_with(".m4s");
    match !text.is_empty() && !text.starts_with('.') && text.chars().all(plain) && !is_taken {
        true => Ok(text.to_owned()),
        false => {
            Err("it is a name of letters, digits, '.', '-' and '_', and no other file has it".to_owned())
        }
    }
}

fn vector(text: &str) -> Result<[u8; 16], String> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    u128::from_str_radix(digits, 16)
        .ok()
        .filter(|_| digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .map(u128::to_be_bytes)
        .ok_or_else(|| "it has 32 hexadecimal digits".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_with_what_is_said_of_them() {
        let spec = |input: &str, name: Option<&str>, language: Option<&str>, default, forced| Spec {
            input: input.into(),
            name: name.map(str::to_owned),
            language: language.map(str::to_owned),
            default,
            forced,
        };
        for (text, expected) in [
            ("a.m4a", spec("a.m4a", None, None, false, false)),
            ("a.m4a,lang=de,name=Deutsch", spec("a.m4a", Some("Deutsch"), Some("de"), false, false)),
            ("a, b.vtt,forced,default", spec("a, b.vtt", None, None, true, true)),
            ("a,x=1,lang=pt-BR", spec("a,x=1", None, Some("pt-BR"), false, false)),
            ("a,lang=de,lang=en", spec("a,lang=de", None, Some("en"), false, false)),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
        for wrong in ["a,name=\"b\"", "a,lang=d\ne"] {
            assert!(wrong.parse::<Spec>().is_err(), "{wrong}");
        }
        for wrong in ["", ",lang=de", "lang=de,default"] {
            assert_eq!(wrong.parse::<Spec>().is_ok(), wrong == "lang=de,default", "{wrong}");
        }
    }

    #[test]
    fn names_of_files() {
        assert_eq!(file_name("start-1_b.mp4"), Ok("start-1_b.mp4".to_owned()));
        for wrong in ["", ".init", "../init.mp4", "a b", "index.m3u8", "00001.m4s", "a\"b"] {
            assert!(file_name(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn vectors_and_pairs() {
        assert_eq!(vector(&"0f".repeat(16)), Ok([0x0f; 16]));
        assert_eq!(vector(&format!("0x{}", "a0".repeat(16))), Ok([0xa0; 16]));
        for wrong in ["", "00", &"0g".repeat(16), &format!("+{}", "0".repeat(31)), &"0".repeat(33)] {
            assert!(vector(wrong).is_err(), "{wrong}");
        }
        assert_eq!(pair("a=b=c"), Ok(("a".into(), "b=c".into())));
        assert!(pair("=b").is_err() && pair("ab").is_err() && pair("a=\"b\"").is_err());
        assert!(date("2026-01-31T12:00:00Z").is_ok() && date("2026-01-31").is_err());
    }
}
