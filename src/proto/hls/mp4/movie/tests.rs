use super::super::tests::build::{self, audio, boxed, moov, tables, trak, trak_with, video, worded};
use super::*;
use crate::proto::hls::track::Sample;

fn read(bytes: &[u8]) -> Result<Movie, Fault> {
    Movie::read(0, Bytes::copy_from_slice(bytes))
}

fn two_tracks() -> (Vec<Sample>, Vec<u8>) {
    let samples = build::samples(&mut fastrand::Rng::with_seed(1), 10);
    let boxes = tables(&samples, 10, &[5000]);
    let whole = moov(&[&trak(&video(1), &boxes), &trak(&audio(2), &boxes)]);
    (samples, whole)
}

#[test]
fn tracks_and_their_samples() {
    let (samples, whole) = two_tracks();
    let movie = read(&whole).unwrap();
    assert_eq!(movie.timescale.ticks(), 1000);
    let tracks: Vec<&Track> = movie.tracks.iter().map(|track| &track.track).collect();
    assert_eq!(tracks, [&video(1), &audio(2)]);
    assert!(!movie.fragmented && movie.skipped.is_empty());
    assert!(movie.track(2).is_some() && movie.track(3).is_none());
    for track in &movie.tracks {
        assert!(track.table.iter().map(|located| located.sample).eq(samples.iter().copied()));
    }
}

#[test]
fn heads_of_64_bits_and_edits() {
    let mvhd = worded(b"mvhd", &[1 << 24, 0, 0, 0, 0, 600, 0, 0]);
    let mdhd = worded(b"mdhd", &[1 << 24, 0, 0, 0, 0, 48_000, 0, 0, 0x10a0_0000 << 1]);
    let tkhd = worded(
        b"tkhd",
        &[&[1 << 24, 0, 0, 0, 0, 9][..], &[0; 7], &[0, 1 << 16, 0, u32::MAX << 16, 0, 0, 7, 0, 1 << 30]]
            .concat(),
    );
    let edts = boxed(b"edts", &[&worded(b"elst", &[0, 2, 300, u32::MAX, 1 << 16, 600, 1024, 1 << 16])]);
    let mut stsd = bytes::BytesMut::new();
    entry::put(&mut stsd, &audio(9));
    let stbl = boxed(b"stbl", &[&stsd, &worded(b"stsz", &[0, 0, 0])]);
    let hdlr = boxed(b"hdlr", &[&[0; 8], b"soun", &[0; 13]]);
    let mdia = boxed(b"mdia", &[&mdhd, &hdlr, &boxed(b"minf", &[&stbl])]);
    let trak = boxed(b"trak", &[&boxed(b"udta", &[b"\0\0\0\0"]), &edts, &tkhd, &mdia]);
    let trex = worded(b"trex", &[0, 9, 1, 1024, 7, 0x0100_0000]);
    let whole = boxed(b"moov", &[&mvhd, &trak, &boxed(b"mvex", &[&worded(b"mehd", &[0, 0]), &trex])]);
    let movie = read(&whole).unwrap();
    let track = movie.track(9).unwrap();
    assert_eq!(track.track.edit, Edit { offset: 24_000 - 1024, duration: Some(48_000) });
    assert_eq!(track.defaults, Defaults { duration: 1024, size: 7, flags: 0x0100_0000 });
    assert_eq!(track.track.matrix.0, [0, 1 << 16, 0, -1 << 16, 0, 0, 7, 0, 1 << 30]);
    assert!(movie.fragmented && track.table.is_empty());
}

#[test]
fn tracks_that_are_not_understood_are_named() {
    let stsd = boxed(b"stsd", &[&[0, 0, 0, 0, 0, 0, 0, 1], &boxed(b"tmcd", &[&[0; 20]])]);
    let time_code = trak_with(&audio(3), &boxed(b"stbl", &[&stsd]));
    let (_, whole) = two_tracks();
    let both = [&whole[8..], &time_code].concat();
    let movie = read(&boxed(b"moov", &[&both])).unwrap();
    assert_eq!(movie.tracks.len(), 2);
    let skipped =
        Skipped { id: 3, handler: FourCc(*b"soun"), coding: FourCc(*b"tmcd"), defaults: Defaults::default() };
    assert_eq!(movie.skipped, [skipped]);
}

#[test]
fn faults_say_what_and_where() {
    let (_, whole) = two_tracks();
    let at = |name: &[u8; 4]| whole.windows(4).position(|window| window == name).unwrap();
    let with = |at: usize, bytes: &[u8]| {
        let mut changed = whole.clone();
        changed[at..at + bytes.len()].copy_from_slice(bytes);
        read(&changed).unwrap_err()
    };
    let renamed = |name: &[u8; 4]| with(at(name), b"free");
    let missing =
        |name: &[u8; 4], around: &[u8; 4]| Wrong::Missing { name: FourCc(*name), around: FourCc(*around) };
    for (name, around) in [
        (b"mvhd", b"moov"),
        (b"tkhd", b"trak"),
        (b"mdia", b"trak"),
        (b"mdhd", b"mdia"),
        (b"hdlr", b"mdia"),
        (b"minf", b"mdia"),
        (b"stbl", b"minf"),
        (b"stsd", b"stbl"),
        (b"stts", b"stbl"),
    ] {
        assert_eq!(renamed(name).wrong, missing(name, around));
    }
    let value = |name: &[u8; 4], field, value| Wrong::Value { name: FourCc(*name), field, value };
    assert_eq!(with(at(b"mvhd") + 16, &[0; 4]), value(b"mvhd", "timescale", 0).at(at(b"mvhd") as u64 + 16));
    assert_eq!(with(at(b"tkhd") + 16, &[0; 4]), value(b"tkhd", "track_ID", 0).at(at(b"tkhd") as u64 + 16));
    assert_eq!(
        with(at(b"tkhd") + 16, &[0, 0, 0, 2]).wrong,
        value(b"trak", "track_ID", 2),
        "it is the other's"
    );
    assert_eq!(with(at(b"mdhd") + 4, &[2]).wrong, Wrong::Version { name: FourCc(*b"mdhd"), version: 2 });
    assert_eq!(with(at(b"url ") + 4, &[0; 4]), Wrong::Elsewhere.at(at(b"url ") as u64 + 4));
    assert_eq!(with(at(b"avc1"), b"encv").wrong, Wrong::Encrypted(FourCc(*b"encv")));
    assert_eq!(with(4, b"moof").wrong, missing(b"moov", b"moof"));
    let many = vec![boxed(b"trak", &[]); MAX_TRACKS + 1].concat();
    assert_eq!(read(&moov(&[&many])).unwrap_err().wrong, Wrong::Tracks(MAX_TRACKS));
}

#[test]
fn cut_or_changed_anywhere_it_is_a_fault_or_a_movie() {
    let (_, whole) = two_tracks();
    for cut in 0..whole.len() {
        assert!(read(&whole[..cut]).is_err(), "cut at {cut}");
        // The box ends where the file does, and those in it do not.
        let mut shorter = whole[..cut].to_vec();
        if let Some(size) = shorter.get_mut(..4) {
            size.copy_from_slice(&(cut as u32).to_be_bytes());
            let _ = read(&shorter);
        }
    }
    for at in 0..whole.len() {
        for change in [0xff, 0x80, 0x01] {
            let mut changed = whole.clone();
            changed[at] ^= change;
            if let Ok(movie) = read(&changed) {
                for track in &movie.tracks {
                    assert!(track.table.iter().take(1000).count() <= track.table.len() as usize);
                }
            }
        }
    }
}
