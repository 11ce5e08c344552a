//! The initialization segment: `ftyp`, and a `moov` that tells of tracks and of no sample (ISO/IEC 23000-19 section 7.3.1, RFC 8216bis
//! section 3.1.2).
//!
//! Durations are 0, which says that the fragments have it. An edit list is written for a track whose media do not begin where they are
//! presented, which is the priming of a sound; the reordering of pictures needs none, as fragments have composition offsets below 0.

use bytes::{BufMut, BytesMut};

use super::{edit, entry, write};
use crate::proto::hls::track::{Matrix, Shape, Timescale, Track};

/// Appends the initialization segment of `tracks`.
pub fn put(out: &mut BytesMut, tracks: &[Track]) {
    let movie = movie_timescale(tracks);
    write::boxed(out, b"ftyp", |out| {
        out.put_slice(b"iso6");
        out.put_u32(0);
        out.put_slice(b"iso6");
        // A file of CMAF has one track.
        if tracks.len() == 1 {
            out.put_slice(b"cmfc");
        }
        out.put_slice(b"mp41");
    });
    write::boxed(out, b"moov", |out| {
        put_movie_head(out, tracks, movie);
        for track in tracks {
            put_track(out, track, movie);
        }
        write::boxed(out, b"mvex", |out| {
            for track in tracks {
                write::full(out, b"trex", 0, 0, |out| {
                    out.put_u32(track.id);
                    out.put_u32(1);
                    out.put_bytes(0, 12);
                });
            }
        });
    });
}

/// The scale in which a pause in an edit list can be told, which is that of the first track that has one.
fn movie_timescale(tracks: &[Track]) -> Timescale {
    let told = tracks.iter().find(|track| track.edit.offset > 0 || track.edit.duration.is_some());
    told.or(tracks.first()).map_or(Timescale::MILLIS, |track| track.timescale)
}

fn put_matrix(out: &mut BytesMut, matrix: Matrix) {
    matrix.0.iter().for_each(|value| out.put_i32(*value));
}

fn put_movie_head(out: &mut BytesMut, tracks: &[Track], movie: Timescale) {
    write::full(out, b"mvhd", 0, 0, |out| {
        out.put_u64(0); // created, modified: unknown, so that the same input makes the same bytes
        out.put_u32(movie.ticks());
        out.put_u32(0);
        out.put_u32(0x0001_0000); // rate
        out.put_u16(0x0100); // volume
        out.put_bytes(0, 10);
        put_matrix(out, Matrix::UNITY);
        out.put_bytes(0, 24);
        let last = tracks.iter().map(|track| track.id).max().unwrap_or(0);
        out.put_u32(last.saturating_add(1));
    });
}

fn put_track(out: &mut BytesMut, track: &Track, movie: Timescale) {
    /// The track is played, and part of the presentation.
    const ENABLED_IN_MOVIE: u32 = 0x03;
    write::boxed(out, b"trak", |out| {
        write::full(out, b"tkhd", 0, ENABLED_IN_MOVIE, |out| {
            out.put_u64(0);
            out.put_u32(track.id);
            out.put_bytes(0, 16);
            let (group, volume) =
                if matches!(track.shape, Shape::Audio { .. }) { (1, 0x0100) } else { (0, 0) };
            out.put_u16(0); // layer
            out.put_u16(group); // of several sounds one is heard
            out.put_u16(volume);
            out.put_u16(0);
            put_matrix(out, track.matrix);
            let (width, height) = match track.shape {
                Shape::Video { width, height } => (width, height),
                Shape::Audio { .. } | Shape::Text => (0, 0),
            };
            out.put_u32(u32::from(width) << 16);
            out.put_u32(u32::from(height) << 16);
        });
        edit::put(out, &track.edit, movie, track.timescale);
        write::boxed(out, b"mdia", |out| put_media(out, track));
    });
}

fn put_media(out: &mut BytesMut, track: &Track) {
    write::full(out, b"mdhd", 0, 0, |out| {
        out.put_u64(0);
        out.put_u32(track.timescale.ticks());
        out.put_u32(0);
        out.put_u16(track.language.packed());
        out.put_u16(0);
    });
    let (handler, name): (&[u8; 4], &[u8]) = match track.shape {
        Shape::Video { .. } => (b"vide", b"Video\0"),
        Shape::Audio { .. } => (b"soun", b"Audio\0"),
        Shape::Text => (b"text", b"Text\0"),
    };
    write::full(out, b"hdlr", 0, 0, |out| {
        out.put_u32(0);
        out.put_slice(handler);
        out.put_bytes(0, 12);
        out.put_slice(name);
    });
    write::boxed(out, b"minf", |out| {
        match track.shape {
            Shape::Video { .. } => write::full(out, b"vmhd", 0, 1, |out| out.put_bytes(0, 8)),
            Shape::Audio { .. } => write::full(out, b"smhd", 0, 0, |out| out.put_u32(0)),
            Shape::Text => write::full(out, b"nmhd", 0, 0, |_| {}),
        }
        write::boxed(out, b"dinf", |out| {
            write::full(out, b"dref", 0, 0, |out| {
                out.put_u32(1);
                write::full(out, b"url ", 0, 1, |_| {});
            });
        });
        write::boxed(out, b"stbl", |out| {
            entry::put(out, track);
            write::full(out, b"stts", 0, 0, |out| out.put_u32(0));
            write::full(out, b"stsc", 0, 0, |out| out.put_u32(0));
            write::full(out, b"stsz", 0, 0, |out| out.put_u64(0));
            write::full(out, b"stco", 0, 0, |out| out.put_u32(0));
        });
    });
}

#[cfg(test)]
mod tests {
    use bytes::{Buf, Bytes};

    use super::super::movie::Movie;
    use super::*;
    use crate::proto::hls::codec::{aac, avc};
    use crate::proto::hls::track::{Config, Edit, Language};

    const AVC_C: &[u8] =
        b"\x01\x64\x00\x1f\xff\xe1\x00\x04\x67\x64\x00\x1f\x01\x00\x02\x68\xee\xfd\xf8\xf8\x00";

    fn video(id: u32) -> Track {
        Track {
            id,
            timescale: Timescale::new(12_800).unwrap(),
            config: Config::Avc(avc::Config::parse(AVC_C).unwrap()),
            in_band: false,
            shape: Shape::Video { width: 1920, height: 1080 },
            matrix: Matrix([0, 0x0001_0000, 0, -0x0001_0000, 0, 0, 1080 << 16, 0, 0x4000_0000]),
            language: Language::UNDETERMINED,
            edit: Edit::default(),
            extensions: Bytes::from_static(b"\0\0\0\x10pasp\0\0\0\x01\0\0\0\x01"),
        }
    }

    fn audio(id: u32, edit: Edit) -> Track {
        Track {
            id,
            timescale: Timescale::new(44_100).unwrap(),
            config: Config::Aac(aac::Config::parse(b"\x12\x10").unwrap()),
            in_band: false,
            shape: Shape::Audio { sample_rate: 44_100, channels: 2 },
            matrix: Matrix::UNITY,
            language: Language::new("deu").unwrap(),
            edit,
            extensions: Bytes::new(),
        }
    }

    fn text(id: u32) -> Track {
        Track {
            id,
            timescale: Timescale::MILLIS,
            config: Config::Wvtt(Bytes::from_static(b"WEBVTT")),
            in_band: false,
            shape: Shape::Text,
            matrix: Matrix::UNITY,
            language: Language::new("eng").unwrap(),
            edit: Edit::default(),
            extensions: Bytes::new(),
        }
    }

    /// `ftyp`, and what `moov` says.
    fn written(tracks: &[Track]) -> (Bytes, Movie) {
        let mut out = BytesMut::new();
        put(&mut out, tracks);
        let mut moov = out.freeze();
        let size = moov.clone().get_u32() as usize;
        let ftyp = moov.split_to(size);
        (ftyp, Movie::read(size as u64, moov).unwrap())
    }

    #[test]
    fn tracks_are_read_as_they_were_written() {
        let primed = Edit { offset: -1024, duration: None };
        let late = Edit { offset: 22_050, duration: Some(441_000) };
        let table = [
            vec![video(1)],
            vec![audio(7, primed)],
            vec![audio(7, late)],
            vec![video(1), audio(2, primed)],
            vec![video(3), audio(2, late), audio(9, primed), text(4)],
            vec![Track { in_band: true, ..video(u32::MAX) }],
        ];
        for tracks in table {
            let (_, movie) = written(&tracks);
            let read: Vec<Track> = movie.tracks.iter().map(|track| track.track.clone()).collect();
            assert_eq!(read, tracks);
            assert!(movie.fragmented && movie.skipped.is_empty());
            assert!(movie.tracks.iter().all(|track| track.table.is_empty()));
        }
    }

    #[test]
    fn brands_and_an_empty_movie() {
        assert_eq!(written(&[video(1)]).0, b"\0\0\0\x1cftypiso6\0\0\0\0iso6cmfcmp41"[..]);
        assert_eq!(written(&[video(1), text(2)]).0, b"\0\0\0\x18ftypiso6\0\0\0\0iso6mp41"[..]);
        assert!(written(&[]).1.tracks.is_empty());
    }

    #[test]
    fn boxes_have_the_sizes_of_their_fields() {
        let mut out = BytesMut::new();
        put(&mut out, &[video(1), audio(2, Edit { offset: 5, duration: None }), text(3)]);
        let table: [(&[u8; 4], u32, usize); 13] = [
            (b"mvhd", 108, 1),
            (b"tkhd", 92, 3),
            (b"mdhd", 32, 3),
            (b"elst", 16 + 2 * 20, 1),
            (b"vmhd", 20, 1),
            (b"smhd", 16, 1),
            (b"nmhd", 12, 1),
            (b"dref", 28, 3),
            (b"stts", 16, 3),
            (b"stsc", 16, 3),
            (b"stsz", 20, 3),
            (b"stco", 16, 3),
            (b"trex", 32, 3),
        ];
        for (name, size, count) in table {
            let found = out.windows(8).filter(|window| window[4..] == *name);
            let sizes: Vec<u32> = found.map(|mut window| window.get_u32()).collect();
            assert_eq!(sizes, vec![size; count], "{}", name.escape_ascii());
        }
    }

    #[test]
    fn no_edit_list_unless_media_are_moved() {
        let has_edits = |tracks: &[Track]| {
            let mut out = BytesMut::new();
            put(&mut out, tracks);
            out.windows(4).any(|window| window == b"elst")
        };
        assert!(!has_edits(&[video(1), audio(2, Edit::default())]));
        assert!(has_edits(&[video(1), audio(2, Edit { offset: -1, duration: None })]));
    }

    #[test]
    fn the_same_tracks_make_the_same_bytes() {
        let tracks = [video(1), audio(2, Edit::default())];
        let (mut first, mut second) = (BytesMut::new(), BytesMut::new());
        put(&mut first, &tracks);
        put(&mut second, &tracks);
        assert_eq!(first, second);
    }
}
