//! Dolby Digital Plus, Enhanced AC-3 (ETSI TS 102 366 annex E): the head of a syncframe (section E.1.2.2) and the record `dec3`
//! (section F.6).

use bytes::{BufMut, Bytes, BytesMut};

use super::Error;
use super::ac3::{CHANNELS, RATES, SYNC};
use super::bits::{BitWriter, Bits};

const WHAT: &str = "EC-3 syncframe";

/// The record does not say which of the halved rates, and nobody makes them.
const HALVED: Error = Error::Unsupported { what: "EC-3", feature: "a halved sample rate" };

/// Channels of each bit of `chan_loc`, from the lowest: pairs, and single ones.
const LOCATIONS: [u8; 9] = [2, 2, 1, 1, 2, 2, 2, 1, 1];

/// What the record says of one independent substream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Substream {
    /// `fscod`, 0 to 2.
    pub rate_code: u8,
    /// `bsid`, 16.
    pub bsid: u8,
    /// `asvc`: an associated service, not the main one.
    pub associated: bool,
    /// `bsmod`: what the sound is for.
    pub bsmod: u8,
    /// `acmod`: which channels there are.
    pub acmod: u8,
    /// `lfeon`: a channel of low frequencies.
    pub lfe: bool,
    /// `num_dep_sub`: substreams that add channels to it.
    pub dependent: u8,
    /// `chan_loc`: which channels these add; 0 when there are none.
    pub locations: u16,
}

/// What a decoder must know before the first sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `data_rate`, in kilobits a second.
    pub data_rate: u16,
    /// Independent substreams, 1 to 8.
    pub substreams: Vec<Substream>,
    /// What is behind them: signs of Dolby Atmos.
    pub extension: Bytes,
}

impl Config {
    /// Reads the contents of the box `dec3`.
    ///
    /// # Errors
    /// What is cut short.
    pub fn parse(record: &[u8]) -> Result<Self, Error> {
        let mut bits = Bits::new("EC3SpecificBox", record);
        let data_rate = bits.read(13)? as u16;
        let mut substreams = Vec::new();
        for _ in 0..=bits.read(3)? {
            let (rate_code, bsid) = (bits.small(2)?, bits.small(5)?);
            if rate_code == 3 {
                return Err(HALVED);
            }
            bits.skip(1)?;
            let (associated, bsmod, acmod, lfe) =
                (bits.flag()?, bits.small(3)?, bits.small(3)?, bits.flag()?);
            bits.skip(3)?;
            let dependent = bits.small(4)?;
            let locations = bits.read(if dependent > 0 { 9 } else { 1 })? as u16;
            substreams.push(Substream {
                rate_code,
                bsid,
                associated,
                bsmod,
                acmod,
                lfe,
                dependent,
                locations,
            });
        }
        Ok(Self { data_rate, substreams, extension: Bytes::copy_from_slice(bits.rest()) })
    }

    /// Appends the contents of the box `dec3`.
    pub fn write(&self, out: &mut BytesMut) {
        let mut bits = BitWriter::default();
        let substreams = &self.substreams[..self.substreams.len().min(8)];
        bits.put(self.data_rate.into(), 13);
        bits.put((substreams.len() as u32).saturating_sub(1), 3);
        for substream in substreams {
            bits.put(substream.rate_code.into(), 2);
            bits.put(substream.bsid.into(), 5);
            bits.put(0, 1);
            bits.put(substream.associated.into(), 1);
            bits.put(substream.bsmod.into(), 3);
            bits.put(substream.acmod.into(), 3);
            bits.put(substream.lfe.into(), 1);
            bits.put(0, 3);
            bits.put(substream.dependent.into(), 4);
            bits.put(substream.locations.into(), if substream.dependent > 0 { 9 } else { 1 });
        }
        out.put_slice(&bits.finish());
        out.put_slice(&self.extension);
    }

    /// Samples a second.
    #[must_use]
    pub fn sample_rate(&self) -> u32 {
        let code = self.substreams.first().map_or(0, |substream| substream.rate_code);
        RATES.get(usize::from(code)).copied().unwrap_or(RATES[0])
    }

    /// Channels of the main program, that of low frequencies among them.
    #[must_use]
    pub fn channels(&self) -> u8 {
        let Some(main) = self.substreams.first() else { return 0 };
        let locations = if main.dependent > 0 { main.locations } else { 0 };
        let added: u8 =
            LOCATIONS.iter().enumerate().map(|(bit, count)| count * (locations >> bit & 1) as u8).sum();
        CHANNELS[usize::from(main.acmod & 7)] + u8::from(main.lfe) + added
    }

    /// `ec-3`.
    #[must_use]
    pub fn codec_string(&self) -> String {
        "ec-3".to_owned()
    }
}

/// What a syncframe is to those beside it (`strmtyp`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A program of its own.
    Independent,
    /// It adds channels to the independent substream in front of it.
    Dependent,
    /// A program that was AC-3 before.
    Converted,
}

/// The head of a syncframe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// What it is to those beside it.
    pub kind: Kind,
    /// `substreamid`, 0 to 7.
    pub substream: u8,
    /// Bytes of the whole frame.
    pub size: usize,
    /// `fscod`, 0 to 2.
    pub rate_code: u8,
    /// Samples a second.
    pub rate: u32,
    /// Audio blocks of 256 samples: 1, 2, 3 or 6.
    pub blocks: u8,
    /// `acmod`: which channels there are.
    pub acmod: u8,
    /// `lfeon`: a channel of low frequencies.
    pub lfe: bool,
    /// `bsid`, 11 to 16.
    pub bsid: u8,
    /// `chanmap` of a dependent substream.
    pub map: u16,
}

impl Head {
    /// Reads the head at the front of `frame`. [`Head::BYTES`] are enough.
    ///
    /// # Errors
    /// What is cut short or out of its range; other codings of the same sync word, such as AC-3.
    pub fn parse(frame: &[u8]) -> Result<Self, Error> {
        let mut bits = Bits::new(WHAT, &frame[..frame.len().min(Self::BYTES)]);
        let sync = bits.read(16)?;
        if sync != u32::from(u16::from_be_bytes(SYNC)) {
            return Err(bits.wrong("syncword", sync.into()));
        }
        let kind = match bits.read(2)? {
            0 => Kind::Independent,
            1 => Kind::Dependent,
            2 => Kind::Converted,
            reserved => return Err(bits.wrong("strmtyp", reserved.into())),
        };
        let substream = bits.small(3)?;
        let size = (bits.read(11)? as usize + 1) * 2;
        let (rate_code, code) = (bits.small(2)?, bits.small(2)?);
        let Some(&rate) = RATES.get(usize::from(rate_code)) else { return Err(HALVED) };
        let blocks = [1, 2, 3, 6][usize::from(code)];
        let (acmod, lfe, bsid) = (bits.small(3)?, bits.flag()?, bits.small(5)?);
        if !(11..=16).contains(&bsid) {
            return Err(bits.wrong("bsid", bsid.into()));
        }
        let mut map = 0;
        if kind == Kind::Dependent {
            for _ in 0..if acmod == 0 { 2 } else { 1 } {
                bits.skip(5)?; // dialnorm
                if bits.flag()? {
                    bits.skip(8)?; // compr
                }
            }
            if bits.flag()? {
                map = bits.read(16)? as u16;
            }
        }
        Ok(Self { kind, substream, size, rate_code, rate, blocks, acmod, lfe, bsid, map })
    }

    /// Bytes of the longest head.
    pub const BYTES: usize = 13;

    /// Whether an access unit may begin here: the first substream of the first program.
    #[must_use]
    pub fn leads(&self) -> bool {
        self.kind != Kind::Dependent && self.substream == 0
    }
}

impl Config {
    /// The record for an access unit, of which `heads` are the heads, in order. `bsmod` stands behind what is read, and becomes 0:
    /// a main service.
    ///
    /// # Errors
    /// There is no head, or a dependent substream is in front.
    pub fn from_heads(heads: &[Head]) -> Result<Self, Error> {
        let (mut substreams, mut bytes): (Vec<Substream>, usize) = (Vec::new(), 0);
        for head in heads {
            bytes += head.size;
            if head.kind == Kind::Dependent {
                let Some(main) = substreams.last_mut() else {
                    return Err(Error::Unsupported {
                        what: WHAT,
                        feature: "a dependent substream of no other",
                    });
                };
                main.dependent += 1;
                // Bits 5 to 12 of the map, from its top, and the second channel of low frequencies.
                let pairs = (head.map >> 3 & 0xff).reverse_bits() >> 8;
                main.locations |= pairs | (head.map >> 1 & 1) << 8;
            } else if usize::from(head.substream) == substreams.len() {
                let Head { rate_code, bsid, acmod, lfe, .. } = *head;
                substreams.push(Substream {
                    rate_code,
                    bsid,
                    associated: false,
                    bsmod: 0,
                    acmod,
                    lfe,
                    dependent: 0,
                    locations: 0,
                });
            }
        }
        let Some(first) = heads.first() else { return Err(Error::Short { what: WHAT, at: 0 }) };
        let kilobits = bytes as u64 * 8 * u64::from(first.rate) / (1000 * 1536);
        Ok(Self { data_rate: kilobits.min(0x1fff) as u16, substreams, extension: Bytes::new() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAIN: Substream = Substream {
        rate_code: 0,
        bsid: 16,
        associated: false,
        bsmod: 0,
        acmod: 2,
        lfe: false,
        dependent: 0,
        locations: 0,
    };

    #[test]
    fn records_there_and_back() {
        let seven = Substream { acmod: 7, lfe: true, dependent: 1, locations: 2, ..MAIN };
        let quiet = Substream { rate_code: 2, associated: true, bsmod: 2, acmod: 1, ..MAIN };
        let table: [(&[u8], Config, u8, u32); 3] = [
            (
                &[0x06, 0x00, 0x20, 0x04, 0x00],
                Config { data_rate: 192, substreams: vec![MAIN], extension: Bytes::new() },
                2,
                48_000,
            ),
            (
                &[0x14, 0x00, 0x20, 0x0f, 0x02, 0x02, 0x01, 0x10],
                Config { data_rate: 640, substreams: vec![seven], extension: Bytes::from_static(&[1, 0x10]) },
                8,
                48_000,
            ),
            (
                &[0x03, 0x01, 0xa0, 0xa2, 0x00, 0x20, 0x04, 0x00],
                Config { data_rate: 96, substreams: vec![quiet, MAIN], extension: Bytes::new() },
                1,
                32_000,
            ),
        ];
        for (record, config, channels, rate) in table {
            assert_eq!(Config::parse(record), Ok(config.clone()), "{record:02x?}");
            assert_eq!((config.channels(), config.sample_rate()), (channels, rate), "{record:02x?}");
            assert_eq!(config.codec_string(), "ec-3");
            let mut out = BytesMut::new();
            config.write(&mut out);
            assert_eq!(&out[..], record);
            let needed = record.len() - config.extension.len();
            assert!((0..needed).all(|end| matches!(Config::parse(&record[..end]), Err(Error::Short { .. }))));
        }
    }

    fn frame(kind: u32, substream: u32, rate: u32, blocks: u32, map: Option<u32>) -> Vec<u8> {
        let mut out = BitWriter::default();
        out.put(0x0b77, 16);
        for (value, count) in
            [(kind, 2), (substream, 3), (383, 11), (rate, 2), (blocks, 2), (7, 3), (1, 1), (16, 5)]
        {
            out.put(value, count);
        }
        out.put(0, 5);
        out.put(1, 1);
        out.put(0, 8);
        out.put(u32::from(map.is_some()), 1);
        out.put(map.unwrap_or_default(), 16);
        out.put(0, 32);
        out.finish()
    }

    #[test]
    fn heads_of_frames() {
        for (kind, rate, blocks, expected) in
            [(0, 0, 3, (48_000, 6)), (2, 1, 0, (44_100, 1)), (0, 2, 1, (32_000, 2))]
        {
            let bytes = frame(kind, 0, rate, blocks, None);
            let head = Head::parse(&bytes).unwrap();
            assert_eq!((head.rate, head.blocks), expected);
            assert_eq!((head.size, head.acmod, head.lfe, head.map, head.leads()), (768, 7, true, 0, true));
            assert!((0..6).all(|end| matches!(Head::parse(&bytes[..end]), Err(Error::Short { .. }))));
        }
        for (bytes, field) in [
            (frame(3, 0, 0, 3, None), "strmtyp"),
            (vec![0x0b, 0x77, 0, 0, 0x14, 0x40, 0x40], "bsid"),
            (vec![0x77, 0x0b, 0], "syncword"),
        ] {
            assert!(
                matches!(Head::parse(&bytes), Err(Error::Value { field: f, .. }) if f == field),
                "{field}"
            );
        }
    }

    #[test]
    fn halved_rates_are_refused() {
        assert_eq!(Head::parse(&frame(0, 0, 3, 0, None)), Err(HALVED));
        assert_eq!(Config::parse(&[0x06, 0x00, 0xe0, 0x04, 0x00]), Err(HALVED));
    }

    #[test]
    fn gathered_from_an_access_unit() {
        let main = Head::parse(&frame(0, 0, 0, 3, None)).unwrap();
        // Ls, Rs, and the pair behind them: bits 3, 4 and 6 from the top.
        let more = Head::parse(&frame(1, 0, 0, 3, Some(0b0001_1010_0000_0000))).unwrap();
        let config = Config::from_heads(&[main, more]).unwrap();
        assert_eq!((config.data_rate, config.channels(), config.sample_rate()), (384, 8, 48_000));
        assert_eq!((config.substreams[0].dependent, config.substreams[0].locations), (1, 2));
        assert!(!more.leads());
        assert!(Config::from_heads(&[more]).is_err());
        assert!(Config::from_heads(&[]).is_err());
    }
}
