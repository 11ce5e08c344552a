//! Edit lists (`elst`, ISO/IEC 14496-12 section 8.6.6): where the media of a track lie on its timeline.
//!
//! HLS has no edit lists that cut and paste, and players hardly do: what is understood is a pause, and then one span of the media. That is what
//! encoders write for the priming of a sound and for reordered pictures. Parts that follow each other in the media count as one.

use bytes::{BufMut, BytesMut};

use super::read::Body;
use super::{Fault, FourCc, Wrong, write};
use crate::proto::hls::track::{Edit, MAX_TICKS, Timescale};

/// The rate of media that are played as they are, in 16.16 bits.
const AS_IT_IS: u32 = 0x0001_0000;

/// What `elst` says, by the timescales of the movie and of the media.
pub(super) fn read(mut elst: Body, movie: Timescale, media: Timescale) -> Result<Edit, Fault> {
    let (version, _) = elst.full(1)?;
    let at = elst.at();
    let count = elst.u32()?;
    let mut list = List { movie, media, pause: 0, span: None, ended: false };
    for index in 0..count {
        let entry_at = elst.at();
        let entry = match version {
            0 => elst.u32().and_then(|duration| Ok((u64::from(duration), i64::from(elst.i32()?)))),
            _ => elst.u64().and_then(|duration| Ok((duration, elst.u64()?.cast_signed()))),
        };
        let room = u64::from(index);
        let lies = |_| Wrong::Count { name: FourCc(*b"elst"), count: u64::from(count), room }.at(at);
        let (duration, media_time) = entry.map_err(lies)?;
        let rate = elst.u32().map_err(lies)?;
        list.add(duration, media_time, rate).map_err(|wrong| wrong.at(entry_at))?;
    }
    list.edit().map_err(|wrong| wrong.at(at))
}

/// An edit list, as far as it was read.
struct List {
    movie: Timescale,
    media: Timescale,
    /// How long nothing is presented at first, in ticks of the movie.
    pause: i64,
    span: Option<Span>,
    /// Whether there was a pause behind the span.
    ended: bool,
}

/// A span of the media.
#[derive(Clone, Copy)]
struct Span {
    /// Where it begins, in ticks of the media.
    start: i64,
    /// How long it is, in ticks of the movie; `None` when to the end.
    duration: Option<i64>,
}

impl List {
    fn add(&mut self, duration: u64, media_time: i64, rate: u32) -> Result<(), Wrong> {
        let ticks = |ticks| i64::try_from(ticks).ok().filter(|ticks| *ticks <= MAX_TICKS).ok_or(OVERFLOW);
        let duration = ticks(duration)?;
        if media_time == -1 {
            match self.span {
                None => self.pause = self.pause.checked_add(duration).ok_or(OVERFLOW)?,
                Some(_) => self.ended = true,
            }
            return Ok(());
        }
        if !(0..=MAX_TICKS).contains(&media_time) {
            return Err(Wrong::Value { name: FourCc(*b"elst"), field: "media_time", value: media_time });
        }
        match rate {
            AS_IT_IS => {}
            0 => return Err(Wrong::Edits("holds a picture")),
            _ => return Err(Wrong::Edits("changes the speed")),
        }
        let whole = (duration != 0).then_some(duration);
        self.span = Some(match self.span {
            None => Span { start: media_time, duration: whole },
            Some(_) if self.ended => return Err(Wrong::Edits("pauses between parts of the media")),
            Some(span) => self.joined(span, media_time, whole)?,
        });
        Ok(())
    }

    /// `span`, and the one from `media_time` on behind it.
    fn joined(&self, span: Span, media_time: i64, whole: Option<i64>) -> Result<Span, Wrong> {
        let apart = Wrong::Edits("plays parts of the media that do not follow each other");
        let Some(duration) = span.duration else { return Err(apart) };
        let length = self.movie.rescale(duration, self.media).ok_or(OVERFLOW)?;
        let end = span.start.checked_add(length).ok_or(OVERFLOW)?;
        // A duration is only as exact as the ticks of the movie are.
        let exact = i64::from(self.media.ticks() / self.movie.ticks()) + 1;
        if end.abs_diff(media_time) > exact.unsigned_abs() {
            return Err(apart);
        }
        let duration = whole.map(|more| duration.checked_add(more).ok_or(OVERFLOW)).transpose()?;
        Ok(Span { duration, ..span })
    }

    fn edit(&self) -> Result<Edit, Wrong> {
        let media = |ticks: i64| {
            self.movie.rescale(ticks, self.media).filter(|ticks| *ticks <= MAX_TICKS).ok_or(OVERFLOW)
        };
        let pause = media(self.pause)?;
        let Some(span) = self.span else { return Ok(Edit { offset: pause, duration: None }) };
        // Too short for a tick is not the 0 that means the end.
        let duration = span.duration.map(|ticks| media(ticks).map(|ticks| ticks.max(1).unsigned_abs()));
        let duration = duration.transpose()?;
        Ok(Edit { offset: pause - span.start, duration })
    }
}

const OVERFLOW: Wrong = Wrong::Overflow(FourCc(*b"elst"));

/// Appends `edts` for `edit`, or nothing when the media are presented as they are. Times that are ticks of the movie are rounded to
/// them.
pub(super) fn put(out: &mut BytesMut, edit: &Edit, movie: Timescale, media: Timescale) {
    if *edit == Edit::default() {
        return;
    }
    let ticks = |ticks: i64| media.rescale(ticks, movie).unwrap_or(i64::MAX).max(0).unsigned_abs();
    let pause = ticks(edit.offset.max(0));
    let duration = edit.duration.map_or(0, |length| ticks(i64::try_from(length).unwrap_or(i64::MAX)).max(1));
    write::boxed(out, b"edts", |out| {
        write::full(out, b"elst", 1, 0, |out| {
            out.put_u32(if pause > 0 { 2 } else { 1 });
            if pause > 0 {
                out.put_u64(pause);
                out.put_i64(-1);
                out.put_u32(AS_IT_IS);
            }
            out.put_u64(duration);
            out.put_i64(edit.offset.min(0).saturating_neg());
            out.put_u32(AS_IT_IS);
        });
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOVIE: u32 = 1000;
    const MEDIA: u32 = 48_000;

    fn scales() -> (Timescale, Timescale) {
        (Timescale::new(MOVIE).unwrap(), Timescale::new(MEDIA).unwrap())
    }

    /// Duration, time among the media, and rate.
    type Entry = (u64, i64, u32);

    /// An edit list of version 1, and of version 0.
    fn both(entries: &[Entry]) -> [Vec<u8>; 2] {
        let count = (entries.len() as u32).to_be_bytes();
        let mut long = [&[1, 0, 0, 0][..], &count].concat();
        let mut short = [&[0; 4][..], &count].concat();
        for (duration, media_time, rate) in entries {
            long.extend(
                [&duration.to_be_bytes()[..], &media_time.to_be_bytes(), &rate.to_be_bytes()].concat(),
            );
            short.extend((*duration as u32).to_be_bytes());
            short.extend((*media_time as i32).to_be_bytes());
            short.extend(rate.to_be_bytes());
        }
        [long, short]
    }

    fn read_bytes(bytes: Vec<u8>) -> Result<Edit, Fault> {
        read(Body::new(FourCc(*b"elst"), 100, bytes.into()), scales().0, scales().1)
    }

    #[test]
    fn one_span_moved() {
        let on = AS_IT_IS;
        let table: &[(&[Entry], i64, Option<u64>)] = &[
            (&[], 0, None),
            (&[(0, 0, on)], 0, None),
            (&[(0, 1024, on)], -1024, None),
            (&[(2000, 1024, on)], -1024, Some(96_000)),
            (&[(500, -1, on), (2000, 0, on)], 24_000, Some(96_000)),
            (&[(500, -1, on), (250, -1, 0), (0, 36_001, on)], -1, None),
            (&[(500, -1, on)], 24_000, None),
            // Parts that follow each other, to the exactness of the ticks of the movie.
            (&[(1000, 0, on), (1000, 48_000, on)], 0, Some(96_000)),
            (&[(1000, 7, on), (1000, 48_040, on), (0, 96_007, on)], -7, None),
            // A pause behind everything changes nothing.
            (&[(1000, 0, on), (9, -1, on)], 0, Some(48_000)),
        ];
        for (entries, offset, duration) in table {
            for bytes in both(entries) {
                assert_eq!(
                    read_bytes(bytes),
                    Ok(Edit { offset: *offset, duration: *duration }),
                    "{entries:?}"
                );
            }
        }
    }

    #[test]
    fn lists_that_cut_and_paste_are_refused_at_their_entry() {
        let on = AS_IT_IS;
        let apart = Wrong::Edits("plays parts of the media that do not follow each other");
        let table: &[(&[Entry], Wrong)] = &[
            (&[(1000, 0, on), (1000, 0, on)], apart.clone()),
            (&[(1000, 0, on), (1000, 48_050, on)], apart.clone()),
            (&[(0, 0, on), (1000, 48_000, on)], apart),
            (
                &[(1000, 0, on), (7, -1, on), (0, 48_000, on)],
                Wrong::Edits("pauses between parts of the media"),
            ),
            (&[(1000, 0, on), (1000, 48_000, 0)], Wrong::Edits("holds a picture")),
            (&[(1000, 0, on), (1000, 0, 0x0002_0000)], Wrong::Edits("changes the speed")),
            (
                &[(0, -1, on), (0, -2, on)],
                Wrong::Value { name: FourCc(*b"elst"), field: "media_time", value: -2 },
            ),
        ];
        for (entries, wrong) in table {
            let at = 108 + 20 * (entries.len() as u64 - 1);
            assert_eq!(read_bytes(both(entries)[0].clone()), Err(wrong.clone().at(at)), "{entries:?}");
        }
    }

    #[test]
    fn lists_that_lie() {
        for (duration, time) in [(u64::MAX, 0), (1 << 62, -1), (1, i64::MAX), (MAX_TICKS.unsigned_abs(), 0)] {
            assert!(read_bytes(both(&[(duration, time, AS_IT_IS)])[0].clone()).is_err(), "{duration} {time}");
        }
        let whole = both(&[(1, 0, AS_IT_IS), (0, 48, AS_IT_IS)]);
        for bytes in &whole {
            for cut in 0..bytes.len() {
                assert!(read_bytes(bytes[..cut].to_vec()).is_err());
            }
        }
        let count = Wrong::Count { name: FourCc(*b"elst"), count: 2, room: 1 };
        assert_eq!(read_bytes(whole[0][..30].to_vec()), Err(count.at(104)));
    }

    #[test]
    fn a_duration_below_a_tick_is_not_that_to_the_end() {
        let (coarse, fine) = (Timescale::new(1).unwrap(), Timescale::new(1_000_000).unwrap());
        let bytes = both(&[(7, 0, AS_IT_IS)])[0].clone();
        let edit = read(Body::new(FourCc(*b"elst"), 0, bytes.into()), fine, coarse);
        assert_eq!(edit, Ok(Edit { offset: 0, duration: Some(1) }));
        let mut out = BytesMut::new();
        put(&mut out, &Edit { offset: -3, duration: Some(7) }, coarse, fine);
        let elst = Body::of_box(0, out.freeze()).unwrap().boxes().find(b"elst").unwrap().unwrap();
        assert_eq!(read(elst, coarse, fine), Ok(Edit { offset: -3, duration: Some(1_000_000) }));
    }

    #[test]
    fn what_is_written_is_read_again() {
        let table = [
            (-1024, None),
            (-1, Some(480)),
            (48, None),
            (48_000 * 3600, Some(48 << 40)),
            (-(1 << 60), None),
            (0, Some(48_000)),
        ];
        let (movie, media) = scales();
        for (offset, duration) in table {
            let edit = Edit { offset, duration };
            let mut out = BytesMut::new();
            put(&mut out, &edit, movie, media);
            let edts = Body::of_box(0, out.freeze()).unwrap();
            assert_eq!(edts.name, FourCc(*b"edts"));
            let elst = edts.boxes().find(b"elst").unwrap().unwrap();
            assert_eq!(read(elst, movie, media), Ok(edit));
        }
        let mut out = BytesMut::new();
        put(&mut out, &Edit::default(), movie, media);
        assert!(out.is_empty());
    }
}
