//! The vocabulary of tracks and samples: what every demultiplexer gives, and every multiplexer takes.
//!
//! A time is a number of ticks of a [`Timescale`], in 64 bits with a sign, and stays in the scale of its track: a duration that is
//! not a whole number of ticks elsewhere is never added up elsewhere. [`Timescale::rescale`] is for absolute times, each rounded
//! once, so that nothing drifts. Decode and presentation times are apart as ISO/IEC 14496-12 has them: a sample is presented at its
//! decode time, plus its composition offset, plus what the edit list of its track says.

use std::cmp::Ordering;
use std::num::NonZeroU32;

use bytes::Bytes;

use super::codec::{aac, ac3, av1, avc, eac3, hevc, opus};

/// The largest time that a demultiplexer gives, in ticks either way: sums of two of them fit in 64 bits.
pub const MAX_TICKS: i64 = 1 << 61;

/// Ticks in a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Timescale(NonZeroU32);

impl Timescale {
    /// The clock of MPEG-TS timestamps, and of PTS in `X-TIMESTAMP-MAP`.
    pub const MPEG: Self = Self::of(90_000);
    /// Thousandths of a second.
    pub const MILLIS: Self = Self::of(1000);
    /// Millionths of a second.
    pub const MICROS: Self = Self::of(1_000_000);

    const fn of(ticks: u32) -> Self {
        match NonZeroU32::new(ticks) {
            Some(ticks) => Self(ticks),
            None => Self(NonZeroU32::MIN),
        }
    }

    /// So many ticks a second; `None` for 0.
    #[must_use]
    pub fn new(ticks: u32) -> Option<Self> {
        NonZeroU32::new(ticks).map(Self)
    }

    /// Ticks in a second.
    #[must_use]
    pub const fn ticks(self) -> u32 {
        self.0.get()
    }

    /// The time `ticks` of this scale in ticks of `to`, to the nearest, and upwards from the middle; `None` when 64 bits do not hold it.
    #[must_use]
    pub fn rescale(self, ticks: i64, to: Self) -> Option<i64> {
        if self == to {
            return Some(ticks);
        }
        let (from, to) = (i128::from(self.ticks()), i128::from(to.ticks()));
        i64::try_from((2 * i128::from(ticks) * to + from).div_euclid(2 * from)).ok()
    }

    /// The order of `ticks` of this scale and `others` of the scale `other`, exactly.
    #[must_use]
    pub fn compare(self, ticks: i64, other: Self, others: i64) -> Ordering {
        let ours = i128::from(ticks) * i128::from(other.ticks());
        ours.cmp(&(i128::from(others) * i128::from(self.ticks())))
    }

    /// `ticks` in seconds, for showing and for playlists: not to be added up.
    #[must_use]
    pub fn seconds(self, ticks: i64) -> f64 {
        ticks as f64 / f64::from(self.ticks())
    }
}

/// How a track is coded: the configuration of its decoder.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Config {
    /// H.264 (ISO/IEC 14496-15 section 5).
    Avc(avc::Config),
    /// H.265 (ISO/IEC 14496-15 section 8).
    Hevc(hevc::Config),
    /// AV1 (AV1 Codec ISO Media File Format Binding).
    Av1(av1::Config),
    /// AAC (ISO/IEC 14496-3).
    Aac(aac::Config),
    /// Opus (Encapsulation of Opus in ISO Base Media File Format).
    Opus(opus::Config),
    /// Dolby Digital (ETSI TS 102 366).
    Ac3(ac3::Config),
    /// Dolby Digital Plus (ETSI TS 102 366 annex E).
    Eac3(eac3::Config),
    /// WebVTT in samples (ISO/IEC 14496-30); the text in front of its first cue.
    Wvtt(Bytes),
}

impl Config {
    /// What a player names the codec (RFC 6381), as `CODECS` of a playlist lists it. Parameter sets that come in band (see
    /// [`Track::in_band`]) change the first four letters: ask the track.
    #[must_use]
    pub fn codec_string(&self) -> String {
        match self {
            Self::Avc(config) => config.codec_string(),
            Self::Hevc(config) => config.codec_string(),
            Self::Av1(config) => config.codec_string(),
            Self::Aac(config) => config.codec_string(),
            Self::Opus(config) => config.codec_string(),
            Self::Ac3(config) => config.codec_string(),
            Self::Eac3(config) => config.codec_string(),
            Self::Wvtt(_) => "wvtt".to_owned(),
        }
    }
}

/// What a track gives to the senses, and its measures there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Pictures.
    Video {
        /// Columns of coded samples, as the container has them.
        width: u16,
        /// Rows of coded samples.
        height: u16,
    },
    /// Sound.
    Audio {
        /// Samples a second, as the container has them.
        sample_rate: u32,
        /// Channels, likewise.
        channels: u16,
    },
    /// Text that is shown.
    Text,
}

/// A language by three letters (ISO 639-2/T).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Language([u8; 3]);

impl Language {
    /// Not told.
    pub const UNDETERMINED: Self = Self(*b"und");

    /// The language with that code; `None` unless it is three small letters.
    #[must_use]
    pub fn new(code: &str) -> Option<Self> {
        let code: [u8; 3] = code.as_bytes().try_into().ok()?;
        code.iter().all(u8::is_ascii_lowercase).then_some(Self(code))
    }

    /// The language of 15 bits of `mdhd` (ISO/IEC 14496-12 section 8.4.2). A number of an old Macintosh's is not told.
    #[must_use]
    pub fn from_packed(packed: u16) -> Self {
        let letter = |shift: u16| 0x60 + (packed >> shift & 0x1f) as u8;
        let code = [letter(10), letter(5), letter(0)];
        if code.iter().all(u8::is_ascii_lowercase) { Self(code) } else { Self::UNDETERMINED }
    }

    /// The 15 bits of `mdhd`.
    #[must_use]
    pub fn packed(self) -> u16 {
        self.0.iter().fold(0, |packed, letter| packed << 5 | u16::from(letter & 0x1f))
    }

    /// The code.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("und")
    }
}

/// How the media of a track lie on its timeline (ISO/IEC 14496-12 section 8.6.6): one span, moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Edit {
    /// What is added to a time of the media to get a time of presentation, in ticks of the track. It is below 0 where the first
    /// samples are for the decoder only (priming of a sound), or are reordered.
    pub offset: i64,
    /// How long the media are presented, in ticks of the track, at least 1; `None` when to their end. An MP4 says it in ticks of the movie, often
    /// thousandths of a second: it may be that much too short or too long.
    pub duration: Option<u64>,
}

/// How pictures are turned, mirrored and moved when they are shown (ISO/IEC 14496-12 section 6.2.2): three rows of three numbers, the
/// first two of each in 16.16 bits and the last in 2.30. Telephones film sideways, and say so here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Matrix(pub [i32; 9]);

impl Matrix {
    /// Pictures are shown as they are.
    pub const UNITY: Self = Self([0x0001_0000, 0, 0, 0, 0x0001_0000, 0, 0, 0, 0x4000_0000]);

    /// Whether width and height change places.
    #[must_use]
    pub fn is_sideways(&self) -> bool {
        let [a, b, _, c, d, ..] = self.0;
        a == 0 && d == 0 && b != 0 && c != 0
    }
}

impl Default for Matrix {
    fn default() -> Self {
        Self::UNITY
    }
}

/// A track.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Track {
    /// Its number: not 0, and no other track of the file has it. In MPEG-TS, its PID.
    pub id: u32,
    /// What its times count.
    pub timescale: Timescale,
    /// How it is coded.
    pub config: Config,
    /// Whether parameter sets may also stand in front of key frames (`avc3`, `hev1`), not only in [`Track::config`].
    pub in_band: bool,
    /// What it is, and its measures.
    pub shape: Shape,
    /// How its pictures are shown.
    pub matrix: Matrix,
    /// The language that is spoken or written.
    pub language: Language,
    /// Where its media lie on the timeline.
    pub edit: Edit,
    /// Boxes behind the configuration of an MP4's sample entry, as they stood: colours, shape of a pixel, bit rates. Empty in others.
    pub extensions: Bytes,
}

impl Track {
    /// What a player names the codec (RFC 6381), as `CODECS` of a playlist lists it.
    #[must_use]
    pub fn codec_string(&self) -> String {
        let name = self.config.codec_string();
        let in_band = match self.config {
            Config::Avc(_) if self.in_band => "avc3",
            Config::Hevc(_) if self.in_band => "hev1",
            _ => return name,
        };
        let rest = name.find('.').map_or("", |dot| &name[dot..]);
        format!("{in_band}{rest}")
    }

    /// When a sample of the track is presented, in ticks; below 0 when it is only decoded.
    #[must_use]
    pub fn presented_at(&self, sample: &Sample) -> i64 {
        sample.pts().saturating_add(self.edit.offset)
    }
}

/// A sample without its bytes: a picture, or a frame of sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// When it is decoded, in ticks of its track; not beyond [`MAX_TICKS`] either way.
    pub dts: i64,
    /// What is added to `dts` to get its place among the media.
    pub composition_offset: i32,
    /// Ticks until the next sample is decoded.
    pub duration: u32,
    /// Bytes.
    pub size: u32,
    /// Whether decoding can begin here.
    pub key: bool,
}

impl Sample {
    /// When it is composed: its time among the media, before any edit.
    #[must_use]
    pub fn pts(&self) -> i64 {
        self.dts.saturating_add(i64::from(self.composition_offset))
    }

    /// When the next sample is decoded.
    #[must_use]
    pub fn end(&self) -> i64 {
        self.dts.saturating_add(i64::from(self.duration))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scale(ticks: u32) -> Timescale {
        Timescale::new(ticks).unwrap()
    }

    #[test]
    fn times_in_another_scale() {
        // ticks, from, to, ticks there
        let table = [
            (0, 90_000, 1000, Some(0)),
            (90_000, 90_000, 1000, Some(1000)),
            (44, 90_000, 1000, Some(0)),
            (45, 90_000, 1000, Some(1)),
            (-45, 90_000, 1000, Some(0)),
            (-46, 90_000, 1000, Some(-1)),
            (1001, 30_000, 90_000, Some(3003)),
            (1024, 44_100, 90_000, Some(2090)),
            (1024, 48_000, 90_000, Some(1920)),
            (i64::MAX, 1, 2, None),
            (i64::MIN, 1, 2, None),
            (i64::MAX, 7, 7, Some(i64::MAX)),
            (i64::MAX, u32::MAX, 1, Some(2_147_483_648)),
            (i64::MAX / 2, 1, 2, Some(i64::MAX - 1)),
        ];
        for (ticks, from, to, there) in table {
            assert_eq!(scale(from).rescale(ticks, scale(to)), there, "{ticks} of {from} in {to}");
        }
        assert_eq!(Timescale::new(0), None);
        assert_eq!((Timescale::MPEG.ticks(), Timescale::MILLIS.ticks()), (90_000, 1000));
    }

    #[test]
    fn absolute_times_do_not_drift() {
        // A day of AAC at 44.1 kHz: the last frame begins within half a tick of where it should.
        let frames = 24 * 3600 * 44_100 / 1024;
        let there = scale(44_100).rescale(frames * 1024, Timescale::MPEG).unwrap();
        let exact = frames as f64 * 1024.0 / 44_100.0 * 90_000.0;
        assert!((there as f64 - exact).abs() <= 0.5, "{there} is not {exact}");
        // A finer scale and back is the same time.
        for ticks in -5000..5000 {
            let fine = scale(24_000).rescale(ticks, Timescale::MPEG).unwrap();
            assert_eq!(Timescale::MPEG.rescale(fine, scale(24_000)), Some(ticks));
        }
    }

    #[test]
    fn the_order_of_times_is_exact() {
        let table = [
            (1, 3, 333_333_333, 1_000_000_000, Ordering::Greater),
            (1, 3, 333_333_334, 1_000_000_000, Ordering::Less),
            (30, 30, 90_000, 90_000, Ordering::Equal),
            (-1, 3, 0, 1, Ordering::Less),
            (i64::MAX, 1, i64::MAX, u32::MAX, Ordering::Greater),
            (i64::MIN, u32::MAX, i64::MAX, 1, Ordering::Less),
        ];
        for (ticks, of, others, other, order) in table {
            assert_eq!(
                scale(of).compare(ticks, scale(other), others),
                order,
                "{ticks}/{of}, {others}/{other}"
            );
            assert_eq!(scale(other).compare(others, scale(of), ticks), order.reverse());
        }
        assert_eq!(scale(30_000).seconds(45_045), 1.5015);
    }

    #[test]
    fn languages() {
        for code in ["und", "eng", "deu", "aaa", "zzz", "qaa"] {
            let language = Language::new(code).unwrap();
            assert_eq!(language.as_str(), code);
            assert_eq!(Language::from_packed(language.packed()), language);
        }
        for code in ["", "en", "ENG", "en1", "engl", "\u{e9}n"] {
            assert_eq!(Language::new(code), None, "{code}");
        }
        assert_eq!(Language::UNDETERMINED.packed(), 0x55c4);
        // Macintosh numbers, nothing, and the bit that is not used.
        assert_eq!(Language::from_packed(0), Language::UNDETERMINED);
        assert_eq!(Language::from_packed(11), Language::UNDETERMINED);
        assert_eq!(Language::from_packed(0x7fff), Language::UNDETERMINED);
        assert_eq!(Language::from_packed(0x8000 | 0x15c7).as_str(), "eng");
    }

    #[test]
    fn pictures_that_are_turned() {
        const ONE: i32 = 0x0001_0000;
        let table = [
            ([ONE, 0, 0, ONE], false),
            ([-ONE, 0, 0, -ONE], false),
            ([-ONE, 0, 0, ONE], false),
            ([0, ONE, -ONE, 0], true),
            ([0, -ONE, ONE, 0], true),
            ([0, 0, 0, 0], false),
        ];
        for ([a, b, c, d], sideways) in table {
            assert_eq!(Matrix([a, b, 0, c, d, 0, 0, 0, 0]).is_sideways(), sideways, "{a} {b} {c} {d}");
        }
        assert_eq!(Matrix::default(), Matrix::UNITY);
    }

    #[test]
    fn a_sample_is_decoded_composed_and_presented() {
        let sample = Sample { dts: 3000, composition_offset: -1000, duration: 1500, size: 7, key: true };
        assert_eq!((sample.pts(), sample.end()), (2000, 4500));
        let config = Config::Wvtt(Bytes::from_static(b"WEBVTT"));
        assert_eq!(config.codec_string(), "wvtt");
        let track = Track {
            id: 1,
            timescale: Timescale::MILLIS,
            config,
            in_band: false,
            shape: Shape::Text,
            matrix: Matrix::UNITY,
            language: Language::UNDETERMINED,
            edit: Edit { offset: -2500, duration: None },
            extensions: Bytes::new(),
        };
        assert_eq!(track.presented_at(&sample), -500);
        assert_eq!(track.codec_string(), "wvtt");
        let last =
            Sample { dts: MAX_TICKS, composition_offset: i32::MAX, duration: u32::MAX, size: 0, key: false };
        assert!(last.pts() < 2 * MAX_TICKS && last.end() < 2 * MAX_TICKS);
    }
}
