//! Sample entries: how the samples of a track are coded (`stsd`, ISO/IEC 14496-12 section 8.5.2; the boxes of each coding in ISO/IEC
//! 14496-15, the bindings of AV1 and Opus, and ETSI TS 102 366 annex F).

mod read;
mod write;

use bytes::Bytes;

pub(super) use self::read::read;
pub(super) use self::write::put;
use crate::proto::hls::track::{Config, Shape};

/// A sample entry that is understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) config: Config,
    pub(super) in_band: bool,
    pub(super) shape: Shape,
    pub(super) extensions: Bytes,
    /// Which of the references of `dref` says where the samples are, from 1.
    pub(super) reference: u16,
}

/// Boxes behind a configuration that are kept as they stand, because they go for any container of the coding: colours and light,
/// the shape and the visible part of pictures, interlacing, bit rates, Dolby Vision.
const KEPT: &[&[u8; 4]] = &[
    b"amve", b"btrt", b"clap", b"clli", b"colr", b"dvcC", b"dvvC", b"dvwC", b"fiel", b"hvcE", b"mdcv",
    b"pasp",
];

/// Names of entries whose samples are encrypted (ISO/IEC 23001-7, and older schemes).
const ENCRYPTED: &[&[u8; 4]] = &[b"drmi", b"drms", b"enca", b"encs", b"enct", b"encv"];

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::super::read::Body;
    use super::super::{FourCc, Wrong};
    use super::*;
    use crate::proto::hls::codec::avc;
    use crate::proto::hls::track::{Edit, Language, Matrix, Timescale, Track};

    const AVC_C: &[u8] =
        b"\x01\x64\x00\x1f\xff\xe1\x00\x04\x67\x64\x00\x1f\x01\x00\x02\x68\xee\xfd\xf8\xf8\x00";

    fn scale() -> Timescale {
        Timescale::new(48_000).unwrap()
    }

    fn boxed(name: &[u8; 4], inside: &[u8]) -> Vec<u8> {
        [&(inside.len() as u32 + 8).to_be_bytes()[..], name, inside].concat()
    }

    /// `stsd` of `entries`.
    fn stsd(version: u8, entries: &[Vec<u8>]) -> Body {
        let inside =
            [&[version, 0, 0, 0][..], &(entries.len() as u32).to_be_bytes(), &entries.concat()].concat();
        Body::new(FourCc(*b"stsd"), 8, inside.into())
    }

    fn video(name: &[u8; 4], boxes: &[u8]) -> Vec<u8> {
        let mut inside = vec![0; 78];
        inside[7] = 1;
        inside[24..28].copy_from_slice(&[0x05, 0x00, 0x02, 0xd0]);
        inside.extend(boxes);
        boxed(name, &inside)
    }

    fn audio(name: &[u8; 4], version: u8, boxes: &[u8]) -> Vec<u8> {
        let mut inside = vec![0; 28];
        (inside[7], inside[9], inside[17]) = (1, version, 2);
        inside[24..26].copy_from_slice(&44_100u16.to_be_bytes());
        inside.extend(vec![0; [0, 16, 36][usize::from(version)]]);
        if version == 2 {
            inside[32..40].copy_from_slice(&96_000f64.to_be_bytes());
            inside[43] = 6;
        }
        inside.extend(boxes);
        boxed(name, &inside)
    }

    fn esds() -> Vec<u8> {
        let mut out = BytesMut::new();
        super::super::esds::put_aac(&mut out, b"\x12\x10");
        out.to_vec()
    }

    fn track(entry: Entry) -> Track {
        Track {
            id: 1,
            timescale: scale(),
            config: entry.config,
            in_band: entry.in_band,
            shape: entry.shape,
            matrix: Matrix::UNITY,
            language: Language::UNDETERMINED,
            edit: Edit::default(),
            extensions: entry.extensions,
        }
    }

    #[test]
    fn pictures_with_what_stands_behind_their_configuration() {
        let (colr, pasp) =
            (boxed(b"colr", b"nclx\0\x01\0\x01\0\x01\0"), boxed(b"pasp", b"\0\0\0\x04\0\0\0\x03"));
        let uuid = boxed(b"uuid", &[7; 20]);
        let quicktime = boxed(b"colr", b"nclc\0\x01\0\x01\0\x01");
        for (name, in_band) in [(b"avc1", false), (b"avc3", true)] {
            let boxes = [&colr[..], &boxed(b"avcC", AVC_C), &uuid, &quicktime, &pasp].concat();
            let entry = read(stsd(0, &[video(name, &boxes)]), scale()).unwrap().unwrap();
            assert!(
                matches!(&entry.config, Config::Avc(config) if *config == avc::Config::parse(AVC_C).unwrap())
            );
            assert_eq!((entry.in_band, entry.reference), (in_band, 1));
            assert_eq!(entry.shape, Shape::Video { width: 1280, height: 720 });
            assert_eq!(entry.extensions, [&colr[..], &pasp].concat());
        }
    }

    #[test]
    fn sound_as_mp4_and_as_quicktime_have_it() {
        let inside_wave =
            boxed(b"wave", &[boxed(b"frma", b"mp4a"), esds(), vec![0, 0, 0, 8, 0, 0, 0, 0]].concat());
        let with_srat = [boxed(b"srat", b"\0\0\0\0\0\x01\x77\0"), esds()].concat();
        // version of stsd, entry, rate, channels
        let table = [
            (0, audio(b"mp4a", 0, &esds()), 44_100, 2),
            (0, audio(b"mp4a", 1, &inside_wave), 44_100, 2),
            (0, audio(b"mp4a", 2, &inside_wave), 96_000, 6),
        ];
        for (version, entry, rate, channels) in table {
            let entry = read(stsd(version, &[entry]), scale()).unwrap().unwrap();
            assert!(matches!(entry.config, Config::Aac(_)));
            assert_eq!(entry.shape, Shape::Audio { sample_rate: rate, channels });
        }
        // In version 1 of stsd, version 1 of an entry has no more fields, and the rate may be in a box.
        let mut entry = audio(b"mp4a", 0, &with_srat);
        entry[17] = 1;
        let entry = read(stsd(1, &[entry]), scale()).unwrap().unwrap();
        assert_eq!(entry.shape, Shape::Audio { sample_rate: 96_000, channels: 2 });
        // A rate that does not fit its field is that of the media.
        let mut entry = audio(b"mp4a", 0, &esds());
        entry[32..34].copy_from_slice(&[0, 0]);
        let entry = read(stsd(0, &[entry]), scale()).unwrap().unwrap();
        assert_eq!(entry.shape, Shape::Audio { sample_rate: 48_000, channels: 2 });
    }

    #[test]
    fn entries_that_are_not_ours() {
        let mp3 = b"\0\0\0\0\x03\x12\0\x01\0\x04\x0d\x6b\x15\0\0\0\0\0\0\0\0\0\0\0";
        let unknown = [
            video(b"mp4v", b""),
            boxed(b"tmcd", &[0; 30]),
            audio(b"mp4a", 0, &boxed(b"esds", mp3)),
            boxed(b"tx3g", &[]),
        ];
        for entry in unknown {
            let name = FourCc(entry[4..8].try_into().unwrap());
            assert_eq!(read(stsd(0, &[entry]), scale()).unwrap(), Err(name));
        }
        assert_eq!(read(stsd(0, &[]), scale()).unwrap(), Err(FourCc(*b"none")));
    }

    #[test]
    fn faults_are_where_they_are() {
        let avc_c = boxed(b"avcC", AVC_C);
        let encrypted = read(stsd(0, &[video(b"encv", &avc_c)]), scale()).unwrap_err();
        assert_eq!(encrypted, Wrong::Encrypted(FourCc(*b"encv")).at(16));
        let missing = read(stsd(0, &[video(b"avc1", b"")]), scale()).unwrap_err();
        assert_eq!(missing, Wrong::Missing { name: FourCc(*b"avcC"), around: FourCc(*b"avc1") }.at(24));
        let bad = read(stsd(0, &[video(b"avc1", &boxed(b"avcC", b"\x01"))]), scale()).unwrap_err();
        assert!(matches!(bad.wrong, Wrong::Config { name: FourCc([b'a', b'v', b'c', b'C']), .. }), "{bad}");
        assert_eq!(bad.at, 16 + 8 + 78 + 8);
        let changes = stsd(0, &[video(b"avc1", &avc_c), audio(b"mp4a", 0, &esds())]);
        assert_eq!(read(changes, scale()).unwrap_err().wrong, Wrong::Descriptions(FourCc(*b"avc1")));
        let same = stsd(0, &[video(b"avc1", &avc_c), video(b"avc1", &avc_c)]);
        assert!(read(same, scale()).unwrap().is_ok());
        for cut in 0..86 {
            assert!(
                read(stsd(0, &[boxed(b"avc1", &video(b"avc1", &avc_c)[8..cut.max(8)])]), scale()).is_err()
            );
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let pasp = boxed(b"pasp", b"\0\0\0\x04\0\0\0\x03");
        let dops = boxed(b"dOps", b"\0\x02\x01\x38\0\0\xbb\x80\0\0\0");
        let wvtt =
            boxed(b"wvtt", &[&[0, 0, 0, 0, 0, 0, 0, 1][..], &boxed(b"vttC", b"WEBVTT\nX: y")].concat());
        let entries = [
            video(b"avc1", &[boxed(b"avcC", AVC_C), pasp.clone()].concat()),
            video(b"avc3", &boxed(b"avcC", AVC_C)),
            video(b"av01", &[boxed(b"av1C", b"\x81\x05\x0c\0"), pasp].concat()),
            audio(b"mp4a", 0, &[esds(), boxed(b"btrt", &[1; 12])].concat()),
            audio(b"Opus", 0, &dops),
            audio(b"ac-3", 0, &boxed(b"dac3", b"\x10\x3d\x40")),
            audio(b"ec-3", 0, &boxed(b"dec3", b"\x0c\0\x20\x0f\0")),
            wvtt,
        ];
        for bytes in entries {
            let shown = bytes.escape_ascii().to_string();
            let entry = read(stsd(0, &[bytes]), scale()).unwrap().unwrap();
            let mut out = BytesMut::new();
            put(&mut out, &track(entry.clone()));
            let mut stsd = Body::of_box(0, out.freeze()).unwrap();
            assert_eq!(stsd.name, FourCc(*b"stsd"));
            stsd = Body::new(stsd.name, 8, stsd.rest());
            assert_eq!(read(stsd, scale()).unwrap(), Ok(entry), "{shown}");
        }
    }
}
