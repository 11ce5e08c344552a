//! Packed audio (RFC 8216bis section 3.1.3): frames of sound as elementary streams have them, without packets around them. An ID3 tag in front says when the first one is
//! presented, on the clock of MPEG-TS.

use super::super::codec::id3::Tag;
use super::super::track::Language;
use super::audio::{Audio, Sound};
use super::clock::unwrap;
use super::demux::track;
use super::event::{Event, Loss, Lost, Sample};
use super::stream::Item;

/// The number of the only track.
const TRACK: u32 = 1;

/// What was in a piece of packed audio.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    /// Whether a tag says when it begins.
    pub timed: bool,
    /// Its track, and the frames; what could not be used.
    pub events: Vec<Event>,
    /// Bytes of a frame that is cut off at the end.
    pub cut: usize,
}

/// Reads packed audio; `None` if the bytes are no frames of AAC, Dolby Digital or Dolby Digital Plus. It begins at the time of its tag, which is the one of those that
/// 33 bits can mean that is nearest to `near`, and there if there is none.
#[must_use]
pub fn read(bytes: &[u8], near: i64) -> Option<Packed> {
    let (mut rest, mut time) = (bytes, None);
    while let Ok(Some(tag)) = Tag::parse(rest) {
        time = time.or(tag.timestamp());
        rest = rest.get(tag.size..).unwrap_or_default();
    }
    let sound = match rest {
        [0xff, second, ..] if second & 0xf6 == 0xf0 => Sound::Aac,
        // Dolby Digital has an identification of at most 8; Dolby Digital Plus has 16.
        [0x0b, 0x77, _, _, _, sixth, ..] if sixth >> 3 <= 8 => Sound::Ac3,
        [0x0b, 0x77, ..] => Sound::Eac3,
        _ => return None,
    };
    let begin = time.map_or(near, |time| unwrap(time, near));
    let (mut audio, mut items) = (Audio::new(sound), Vec::new());
    audio.feed(rest, Some(begin), &mut items);
    let cut = audio.interrupt();
    let at = (bytes.len() - rest.len()) as u64;
    let events = items.into_iter().filter_map(|item| match item {
        Item::Config(config) => {
            Some(Event::Tracks(track(TRACK, config, Language::UNDETERMINED).into_iter().collect()))
        }
        Item::Sample { dts, pts, entry, data } => {
            Some(Event::Sample(Sample { track: TRACK, dts, pts, entry, data }))
        }
        Item::Lost(why, bytes) => Some(lost(at, why, bytes)),
        Item::Metadata { .. } | Item::Jump | Item::Gap => None,
    });
    Some(Packed { timed: time.is_some(), events: events.collect(), cut })
}

fn lost(at: u64, why: Loss, bytes: u64) -> Event {
    Event::Lost(Lost { at, bytes, pid: None, why })
}

#[cfg(test)]
mod tests {
    use super::super::super::codec::{aac, adts, id3};
    use super::super::super::track::{Config, Timescale};
    use super::*;

    fn frames(rate: u32, count: u8) -> Vec<u8> {
        let config = aac::Config::plain(2, rate, 2).unwrap();
        let header = adts::Template::new(&config).unwrap().header(20).unwrap();
        (0..count).flat_map(|number| [&header[..], &[number; 20]].concat()).collect()
    }

    fn times(packed: &Packed) -> Vec<i64> {
        let times = packed.events.iter().filter_map(|event| match event {
            Event::Sample(sample) => Some(sample.pts),
            _ => None,
        });
        times.collect()
    }

    #[test]
    fn frames_follow_on_the_time_of_the_tag() {
        let bytes = [id3::timestamp(90_000), frames(48_000, 3)].concat();
        let packed = read(&bytes, 0).unwrap();
        assert_eq!((packed.timed, packed.cut, times(&packed)), (true, 0, vec![48_000, 49_024, 50_048]));
        let Event::Tracks(tracks) = &packed.events[0] else { panic!("{:?}", packed.events) };
        assert_eq!((tracks[0].id, tracks[0].timescale), (TRACK, Timescale::new(48_000).unwrap()));
        assert!(matches!(tracks[0].config, Config::Aac(_)));
        // Nearest to what is expected, across a turn of the clock.
        let packed = read(&bytes, (1 << 33) + 90_000).unwrap();
        assert_eq!(times(&packed)[0], ((1i64 << 33) + 90_000) * 48_000 / 90_000);
        // Without a tag it begins where it is expected.
        let packed = read(&frames(48_000, 1), 180_000).unwrap();
        assert_eq!((packed.timed, times(&packed)), (false, vec![96_000]));
    }

    #[test]
    fn what_is_cut_off_or_no_sound() {
        let bytes = [id3::timestamp(0), frames(44_100, 3)].concat();
        let packed = read(&bytes[..bytes.len() - 5], 0).unwrap();
        assert_eq!((times(&packed).len(), packed.cut), (2, 22));
        let noisy = [frames(44_100, 1), vec![1, 2, 3], frames(44_100, 2)].concat();
        assert!(read(&noisy, 0).unwrap().events.iter().any(|event| matches!(event, Event::Lost(_))));
        for bytes in [&b""[..], b"ID3", b"<html>", &[0xff, 0xfb, 0x90, 0], &id3::timestamp(0)] {
            assert_eq!(read(bytes, 0), None, "{bytes:02x?}");
        }
    }
}
