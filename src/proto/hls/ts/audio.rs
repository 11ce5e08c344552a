//! Frames of sound out of the payloads of PES packets, each with its exact time.
//!
//! Times are counted in samples: a frame begins where the one before ends, and the stamp of a PES packet, which is rounded, is only
//! believed when it says something else by more than [`TOLERANCE`].

use bytes::{Buf, Bytes, BytesMut};

use super::super::codec::access::Entry;
use super::super::codec::{Error, ac3, adts, eac3};
use super::super::track::{Config, Timescale};
use super::event::Loss;
use super::stream::Item;

/// Parts of a second by which a stamp may differ from the sum of the frames before it: 5 ms. Encoders that count in milliseconds
/// are within one.
const TOLERANCE: u32 = 200;

/// Frames of an access unit of Enhanced AC-3 at most: eight programs of eight substreams, were they all there.
const MAX_FRAMES: usize = 64;

/// Which coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sound {
    Aac,
    Ac3,
    Eac3,
}

pub(super) struct Audio {
    sound: Sound,
    /// A frame that is not whole.
    held: BytesMut,
    /// Whether the last frame ended where this one begins.
    synced: bool,
    config: Option<Config>,
    scale: Timescale,
    /// When the next frame begins, in samples.
    next: Option<i64>,
}

/// What is at the front of some bytes.
enum Front {
    /// More bytes are needed.
    More,
    /// No frame.
    Noise,
    /// A frame that no track can hold.
    Refused(usize),
    Frame(Frame),
}

struct Frame {
    /// Bytes of header, which are not of the sample.
    header: usize,
    /// Bytes, the header among them.
    size: usize,
    samples: u32,
    rate: u32,
    config: Config,
}

impl Audio {
    pub(super) fn new(sound: Sound) -> Self {
        let scale = Timescale::MPEG;
        Self { sound, held: BytesMut::new(), synced: false, config: None, scale, next: None }
    }

    /// Packets are missing: the next time comes from a stamp. Gives how many bytes were waiting.
    pub(super) fn interrupt(&mut self) -> usize {
        (self.synced, self.next) = (false, None);
        let waiting = self.held.len();
        self.held.clear();
        waiting
    }

    /// Takes the payload of a PES packet. Its stamp, in ticks of 90 kHz, is that of the first frame that begins in it.
    pub(super) fn feed(&mut self, payload: &[u8], mut stamp: Option<i64>, items: &mut Vec<Item>) {
        let mut old = self.held.len();
        self.held.extend_from_slice(payload);
        let mut noise = 0;
        loop {
            match self.front() {
                Front::More => break,
                Front::Noise => {
                    let skip =
                        1 + memchr::memchr(self.sound.sync(), &self.held[1..]).unwrap_or(self.held.len() - 1);
                    self.held.advance(skip);
                    (self.synced, old, noise) = (false, old.saturating_sub(skip), noise + skip as u64);
                }
                Front::Refused(size) => {
                    self.held.advance(size);
                    items.push(Item::Lost(Loss::Elementary, size as u64));
                    old = old.saturating_sub(size);
                }
                Front::Frame(frame) => {
                    if noise > 0 {
                        items.push(Item::Lost(Loss::Elementary, std::mem::take(&mut noise)));
                    }
                    let stamp = if old == 0 { stamp.take() } else { None };
                    old = old.saturating_sub(frame.size);
                    let data = self.held.split_to(frame.size).freeze().slice(frame.header..);
                    self.synced = true;
                    self.emit(&frame, stamp, data, items);
                }
            }
        }
        if noise > 0 {
            items.push(Item::Lost(Loss::Elementary, noise));
        }
    }

    fn emit(&mut self, frame: &Frame, stamp: Option<i64>, data: Bytes, items: &mut Vec<Item>) {
        if !self.config.as_ref().is_some_and(|config| same_stream(config, &frame.config)) {
            let scale = Timescale::new(frame.rate).unwrap_or(Timescale::MPEG);
            self.next = self.next.and_then(|next| self.scale.rescale(next, scale));
            (self.config, self.scale) = (Some(frame.config.clone()), scale);
            items.push(Item::Config(frame.config.clone()));
        }
        let stamp = stamp.and_then(|stamp| Timescale::MPEG.rescale(stamp, self.scale));
        let tolerance = u64::from(frame.rate / TOLERANCE);
        let time = match (stamp, self.next) {
            (Some(stamp), Some(next)) if stamp.abs_diff(next) <= tolerance => next,
            (Some(stamp), _) => stamp,
            (None, Some(next)) => next,
            (None, None) => return items.push(Item::Lost(Loss::Untimed, data.len() as u64)),
        };
        self.next = Some(time + i64::from(frame.samples));
        items.push(Item::Sample { dts: time, pts: time, entry: Entry::Closed, data });
    }

    /// What is held, at its front. A frame that does not follow on another one is believed when a third one follows on it, or
    /// nothing.
    fn front(&self) -> Front {
        let front = match self.sound {
            Sound::Aac => aac_front(&self.held),
            Sound::Ac3 => ac3_front(&self.held),
            Sound::Eac3 => eac3_front(&self.held),
        };
        match front {
            Front::Frame(frame) if frame.size > self.held.len() => Front::More,
            Front::Frame(frame) if !self.synced => match self.held.get(frame.size) {
                Some(byte) if *byte != self.sound.sync() => Front::Noise,
                _ => Front::Frame(frame),
            },
            front => front,
        }
    }
}

impl Sound {
    /// The first byte of a frame.
    fn sync(self) -> u8 {
        if self == Self::Aac { 0xff } else { ac3::SYNC[0] }
    }
}

fn fault(error: Error) -> Front {
    match error {
        Error::Short { .. } => Front::More,
        Error::Value { .. } | Error::Unsupported { .. } => Front::Noise,
    }
}

fn aac_front(bytes: &[u8]) -> Front {
    let header = match adts::Header::parse(bytes) {
        Ok(header) => header,
        Err(error) => return fault(error),
    };
    let Ok(config) = header.config() else {
        return if bytes.len() < header.frame { Front::More } else { Front::Refused(header.frame) };
    };
    let samples = config.frame_samples.into();
    Front::Frame(Frame {
        header: header.size,
        size: header.frame,
        samples,
        rate: header.rate(),
        config: Config::Aac(config),
    })
}

fn ac3_front(bytes: &[u8]) -> Front {
    match ac3::syncframe(bytes) {
        Ok((config, size)) => {
            let rate = config.sample_rate();
            Front::Frame(Frame {
                header: 0,
                size,
                samples: ac3::FRAME_SAMPLES,
                rate,
                config: Config::Ac3(config),
            })
        }
        Err(error) => fault(error),
    }
}

/// An access unit: frames of all substreams for six blocks. It ends where the next one begins, or the PES packet.
fn eac3_front(bytes: &[u8]) -> Front {
    let (mut heads, mut at, mut blocks): (Vec<eac3::Head>, usize, u8) = (Vec::new(), 0, 0);
    while at < bytes.len() || at == 0 {
        let head = match eac3::Head::parse(&bytes[at..]) {
            Ok(head) => head,
            Err(error @ Error::Short { .. }) => return fault(error),
            Err(_) if blocks >= 6 => break,
            Err(error) => return fault(error),
        };
        if head.leads() {
            if blocks >= 6 {
                break;
            }
            blocks += head.blocks;
        } else if heads.is_empty() {
            return Front::Noise;
        }
        at += head.size;
        heads.push(head);
        if heads.len() > MAX_FRAMES {
            return Front::Noise;
        }
    }
    if at > bytes.len() || blocks < 6 {
        return Front::More;
    }
    let (Some(first), Ok(config)) = (heads.first(), eac3::Config::from_heads(&heads)) else {
        return Front::Noise;
    };
    let samples = u32::from(blocks) * 256;
    Front::Frame(Frame { header: 0, size: at, samples, rate: first.rate, config: Config::Eac3(config) })
}

/// Whether one decoder does for both: a rate of bits that varies is no change.
fn same_stream(a: &Config, b: &Config) -> bool {
    match (a, b) {
        (Config::Eac3(a), Config::Eac3(b)) => a.substreams == b.substreams,
        (Config::Ac3(a), Config::Ac3(b)) => ac3::Config { bit_rate_code: b.bit_rate_code, ..*a } == *b,
        (a, b) => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::codec::aac;
    use super::*;

    fn frame(rate: u32, number: u8) -> Vec<u8> {
        let config = aac::Config::plain(2, rate, 2).unwrap();
        let mut frame = adts::Template::new(&config).unwrap().header(20).unwrap().to_vec();
        frame.extend([number; 20]);
        frame
    }

    fn sample(time: i64, number: u8) -> Item {
        let data = Bytes::from(vec![number; 20]);
        Item::Sample { dts: time, pts: time, entry: Entry::Closed, data }
    }

    fn config(rate: u32) -> Item {
        Item::Config(Config::Aac(aac::Config::plain(2, rate, 2).unwrap()))
    }

    #[test]
    fn frames_have_exact_times() {
        let stream: Vec<u8> = (0..60).flat_map(|number| frame(44_100, number)).collect();
        let stamp = |at: i64| 900_000 + at * 1024 * 90_000 / 44_100;
        let expected: Vec<Item> = std::iter::once(config(44_100))
            .chain((0..60u8).map(|number| sample(441_000 + 1024 * i64::from(number), number)))
            .collect();
        // Packets of three frames, and packets that end within a frame: the stamp is that of the first that begins in it.
        for size in [81, 27, 28, 50, 100, 400] {
            let (mut audio, mut items) = (Audio::new(Sound::Aac), Vec::new());
            for (at, piece) in stream.chunks(size).enumerate() {
                let first = (at * size).div_ceil(27) as i64;
                let begins = first * 27 < ((at * size) + piece.len()) as i64;
                audio.feed(piece, begins.then(|| stamp(first)), &mut items);
            }
            assert_eq!(items, expected, "{size}");
        }
    }

    #[test]
    fn a_stamp_is_believed_when_it_differs() {
        let (mut audio, mut items) = (Audio::new(Sound::Aac), Vec::new());
        for (number, stamp) in
            [(0, Some(0)), (1, None), (2, Some(3840 + 449)), (3, Some(5760 + 451)), (4, None)]
        {
            audio.feed(&frame(48_000, number), stamp, &mut items);
        }
        assert_eq!(
            items,
            [
                config(48_000),
                sample(0, 0),
                sample(1024, 1),
                sample(2048, 2),
                sample(3313, 3),
                sample(4337, 4)
            ]
        );
    }

    #[test]
    fn noise_is_passed_over() {
        let (mut audio, mut items) = (Audio::new(Sound::Aac), Vec::new());
        let stream = [
            &[1, 0xff, 0xf3, 0x50, 0xff][..],
            &frame(48_000, 0),
            &[0xff, 7, 8],
            &frame(48_000, 1),
            &frame(48_000, 2),
        ];
        audio.feed(&stream.concat(), Some(0), &mut items);
        assert_eq!(
            items,
            [
                Item::Lost(Loss::Elementary, 5),
                config(48_000),
                sample(0, 0),
                Item::Lost(Loss::Elementary, 3),
                sample(1024, 1),
                sample(2048, 2)
            ]
        );
    }

    #[test]
    fn changes_and_faults() {
        let (mut audio, mut items) = (Audio::new(Sound::Aac), Vec::new());
        audio.feed(&frame(48_000, 0), None, &mut items);
        audio.feed(&frame(48_000, 1), Some(90_000), &mut items);
        audio.feed(&frame(24_000, 2), None, &mut items);
        audio.feed(&frame(24_000, 3)[..10], None, &mut items);
        assert_eq!(audio.interrupt(), 10);
        audio.feed(&frame(24_000, 4), None, &mut items);
        assert_eq!(
            items,
            [
                config(48_000),
                Item::Lost(Loss::Untimed, 20),
                sample(48_000, 1),
                config(24_000),
                sample(24_512, 2),
                Item::Lost(Loss::Untimed, 20)
            ]
        );
        let mut unknown = frame(48_000, 0);
        unknown[2] &= 0xfe;
        unknown[3] &= 0x3f;
        items.clear();
        audio.feed(&unknown, Some(0), &mut items);
        assert_eq!(items, [Item::Lost(Loss::Elementary, 27)]);
    }

    #[test]
    fn dolby() {
        let mut plain = vec![0x0b, 0x77, 0, 0, 0x00, 0x40, 0x50];
        plain.resize(128, 9);
        let (mut audio, mut items) = (Audio::new(Sound::Ac3), Vec::new());
        audio.feed(&[&plain[..], &plain, &plain[..50]].concat(), Some(90_000), &mut items);
        audio.feed(&plain[50..], None, &mut items);
        let times: Vec<i64> = items
            .iter()
            .filter_map(|item| if let Item::Sample { pts, .. } = item { Some(*pts) } else { None })
            .collect();
        assert_eq!(times, [48_000, 49_536, 51_072]);

        // Three blocks a frame, and a dependent substream behind each.
        let main = [&[0x0b, 0x77, 0x00, 0x1f, 0x2f, 0x80][..], &[0; 58]].concat();
        let more = [&[0x0b, 0x77, 0x40, 0x1f, 0x2f, 0x80][..], &[0; 58]].concat();
        let (mut audio, mut items) = (Audio::new(Sound::Eac3), Vec::new());
        let unit = [&main[..], &more, &main, &more].concat();
        audio.feed(&[&unit[..], &unit, &unit[..200]].concat(), Some(0), &mut items);
        audio.feed(&unit[200..], None, &mut items);
        let heard: Vec<(i64, usize)> = items
            .iter()
            .filter_map(|item| {
                if let Item::Sample { pts, data, .. } = item { Some((*pts, data.len())) } else { None }
            })
            .collect();
        assert_eq!(heard, [(0, 256), (1536, 256), (3072, 256)]);
        assert_eq!(items.len(), 4);
        items.clear();
        audio.feed(&[&main[..], &more.repeat(MAX_FRAMES)].concat(), Some(0), &mut items);
        assert_eq!(items, [Item::Lost(Loss::Elementary, 64 * (MAX_FRAMES as u64 + 1))]);
        let mut items = Vec::new();
        audio.interrupt();
        audio.feed(&more, Some(0), &mut items);
        assert_eq!(items, [Item::Lost(Loss::Elementary, 64)]);
    }
}
