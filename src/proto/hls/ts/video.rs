//! Access units of H.264 and H.265 out of the payloads of PES packets, as samples.
//!
//! A PES packet begins at an access unit, and may hold several; only the first has a time, and the others follow at the pace of the
//! stream. Fields stay together: what one PES packet of an interlaced stream holds is one sample, as in MP4.

use bytes::{Bytes, BytesMut};

use super::super::codec::access::{Coding, Entry, Role, is_recovery_point};
use super::super::codec::nal::{AnnexB, put_with_length};
use super::super::codec::{Error, avc, hevc};
use super::super::track::Config;
use super::event::Loss;
use super::stream::{Item, Times};

/// Bytes in front of a picture that are kept when a PES packet ends before the picture begins.
const MAX_CARRIED: usize = 64 * 1024;

/// Samples of a PES packet at most; what is more stays with the last. There is one in what encoders make.
const MAX_UNITS: usize = 256;

/// Parameter sets of a kind at most: H.265 allows 64, and H.264 more than anybody uses.
const MAX_SETS: usize = 64;

/// The three kinds of parameter sets, in their order in a stream. H.264 has no first.
type Sets = [Vec<Bytes>; 3];

pub(super) struct Video {
    coding: Coding,
    sets: Sets,
    known: bool,
    interlaced: bool,
    /// When the last PES packet began, and how many samples it had.
    last: Option<(i64, i64)>,
    /// Ticks from one sample to the next.
    step: i64,
    unit: Unit,
}

/// An access unit that is being gathered.
#[derive(Default)]
struct Unit {
    data: BytesMut,
    sets: Sets,
    picture: bool,
    entry: Entry,
}

impl Unit {
    fn len(&self) -> usize {
        self.data.len() + self.sets.iter().flatten().map(Bytes::len).sum::<usize>()
    }
}

impl Video {
    pub(super) fn new(coding: Coding) -> Self {
        let (sets, unit) = (Sets::default(), Unit::default());
        Self { coding, sets, known: false, interlaced: false, last: None, step: 0, unit }
    }

    /// Packets are missing: what was gathered has a hole.
    pub(super) fn interrupt(&mut self) {
        self.unit = Unit::default();
    }

    pub(super) fn feed(&mut self, payload: &[u8], times: Option<Times>, items: &mut Vec<Item>) {
        let front = memchr::memmem::find(payload, &[0, 0, 1]).unwrap_or(payload.len());
        if payload[..front].iter().any(|byte| *byte != 0) {
            items.push(Item::Lost(Loss::Elementary, front as u64));
        }
        let mut units = Vec::new();
        if self.unit.data.is_empty() {
            self.unit.data.reserve(payload.len() - front + 16);
        }
        for nal in AnnexB::new(payload) {
            self.take(nal, &mut units);
        }
        if self.unit.picture {
            units.push(std::mem::take(&mut self.unit));
        } else if self.unit.len() > MAX_CARRIED {
            items.push(Item::Lost(Loss::Limit, self.unit.len() as u64));
            self.unit = Unit::default();
        }
        if !units.is_empty() {
            self.emit(units, times, items);
        }
    }

    fn take(&mut self, nal: &[u8], units: &mut Vec<Unit>) {
        let Some(role) = self.coding.role(nal) else { return };
        let begins = matches!(role, Role::Delimiter | Role::Parameters | Role::Prefix | Role::First(_));
        if begins && self.unit.picture && !self.interlaced && units.len() < MAX_UNITS {
            units.push(std::mem::take(&mut self.unit));
        }
        let unit = &mut self.unit;
        match role {
            Role::Delimiter | Role::Filler => return,
            Role::Parameters => {
                if let Some(kind) = set_kind(self.coding, nal) {
                    // Encoders repeat them: what is known already is not copied again.
                    let known = self.sets[kind].iter().find(|set| **set == nal);
                    let set = known.map_or_else(|| Bytes::copy_from_slice(nal), Bytes::clone);
                    if unit.sets[kind].len() < MAX_SETS && !unit.sets[kind].contains(&set) {
                        unit.sets[kind].push(set);
                    }
                    return;
                }
            }
            Role::First(entry) | Role::Slice(entry) => {
                unit.picture = true;
                unit.entry = unit.entry.max(entry);
            }
            Role::Prefix
                if unit.entry == Entry::None && self.coding == Coding::Avc && is_recovery_point(nal) =>
            {
                unit.entry = Entry::Open;
            }
            Role::Prefix | Role::Other => {}
        }
        put_with_length(nal, &mut unit.data);
    }

    /// Gives the units of one PES packet.
    fn emit(&mut self, units: Vec<Unit>, times: Option<Times>, items: &mut Vec<Item>) {
        let count = units.len() as i64;
        let Some(times) = times.or_else(|| self.guess()) else {
            let bytes = units.iter().map(Unit::len).sum::<usize>();
            return items.push(Item::Lost(Loss::Untimed, bytes as u64));
        };
        if let Some((last, of)) = self.last
            && (1..=super::clock::JUMP).contains(&(times.dts - last))
        {
            self.step = (times.dts - last) / of;
        }
        self.last = Some((times.dts, count));
        for (at, mut unit) in units.into_iter().enumerate() {
            if let Err(bytes) = self.settle(&mut unit, items) {
                items.push(Item::Lost(Loss::Elementary, bytes as u64));
            }
            if !self.known {
                items.push(Item::Lost(Loss::Early, unit.len() as u64));
                continue;
            }
            let later = self.step * at as i64;
            let (dts, pts) = (times.dts + later, times.pts + later);
            items.push(Item::Sample { dts, pts, entry: unit.entry, data: unit.data.freeze() });
        }
    }

    /// When a PES packet without a time is decoded.
    fn guess(&self) -> Option<Times> {
        let (last, count) = self.last?;
        let dts = last + self.step * count;
        Some(Times { dts, pts: dts })
    }

    /// Takes the parameter sets of a unit: a sequence begins with all that it needs. Others stay in the sample unless they are known.
    /// Gives the bytes of sets that are not understood.
    fn settle(&mut self, unit: &mut Unit, items: &mut Vec<Item>) -> Result<(), usize> {
        let found = std::mem::take(&mut unit.sets);
        if found.iter().all(Vec::is_empty) {
            return Ok(());
        }
        if found[1].is_empty() {
            let mut front = BytesMut::new();
            for (known, found) in self.sets.iter().zip(&found) {
                found
                    .iter()
                    .filter(|set| !known.contains(set))
                    .for_each(|set| put_with_length(set, &mut front));
            }
            if !front.is_empty() {
                front.extend_from_slice(&unit.data);
                unit.data = front;
            }
            return Ok(());
        }
        let size = found.iter().flatten().map(Bytes::len).sum::<usize>();
        let mut sets = self.sets.clone();
        for (set, found) in sets.iter_mut().zip(found) {
            if !found.is_empty() {
                *set = found;
            }
        }
        if self.known && sets == self.sets || sets[2].is_empty() {
            self.sets = sets;
            return Ok(());
        }
        let config = self.config(&sets).map_err(|_| size)?;
        (self.sets, self.known) = (sets, true);
        items.push(Item::Config(config));
        Ok(())
    }

    fn config(&mut self, sets: &Sets) -> Result<Config, Error> {
        let [vps, sps, pps] = sets.clone();
        Ok(match self.coding {
            Coding::Avc => {
                let config = avc::Config::from_parameter_sets(sps, pps)?;
                self.interlaced = config.sequence().is_some_and(|sps| sps.interlaced);
                Config::Avc(config)
            }
            Coding::Hevc => Config::Hevc(hevc::Config::from_parameter_sets(vps, sps, pps)?),
        })
    }
}

/// Which of [`Sets`] a parameter set belongs to; `None` for a kind that stays in the sample.
fn set_kind(coding: Coding, nal: &[u8]) -> Option<usize> {
    match (coding, avc::kind(nal)?, hevc::kind(nal)?) {
        (Coding::Avc, avc::nal_type::SPS, _) | (Coding::Hevc, _, hevc::nal_type::SPS) => Some(1),
        (Coding::Avc, avc::nal_type::PPS, _) | (Coding::Hevc, _, hevc::nal_type::PPS) => Some(2),
        (Coding::Hevc, _, hevc::nal_type::VPS) => Some(0),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPS: &[u8] = &[
        0x67, 0x64, 0x00, 0x0c, 0xac, 0xd9, 0x41, 0x41, 0x9f, 0x9f, 0x01, 0x10, 0x00, 0x00, 0x03, 0x00, 0x10,
        0x00, 0x00, 0x03, 0x03, 0x20, 0xf1, 0x42, 0x99, 0x60,
    ];
    const PPS: &[u8] = &[0x68, 0xeb, 0xe3, 0xcb, 0x22, 0xc0];
    const AUD: &[u8] = &[0x09, 0xf0];
    const IDR: &[u8] = &[0x65, 0x88, 1];
    const P: &[u8] = &[0x41, 0x9a, 2];
    /// The second slice of a picture.
    const MORE: &[u8] = &[0x41, 0x1a, 3];
    const RECOVERY: &[u8] = &[0x06, 6, 1, 0xc4, 0x80];
    const FILLER: &[u8] = &[0x0c, 0xff, 0x80];

    fn stream(nals: &[&[u8]]) -> Vec<u8> {
        nals.iter().flat_map(|nal| [&[0, 0, 1][..], nal].concat()).collect()
    }

    fn sample(nals: &[&[u8]]) -> Bytes {
        let mut out = BytesMut::new();
        nals.iter().for_each(|nal| put_with_length(nal, &mut out));
        out.freeze()
    }

    /// Feeds PES packets that begin at the given times.
    fn feed(video: &mut Video, packets: &[(Option<i64>, &[&[u8]])]) -> Vec<Item> {
        let mut items = Vec::new();
        for (time, nals) in packets {
            video.feed(&stream(nals), time.map(|dts| Times { dts, pts: dts + 1000 }), &mut items);
        }
        items
    }

    fn given(dts: i64, entry: Entry, nals: &[&[u8]]) -> Item {
        Item::Sample { dts, pts: dts + 1000, entry, data: sample(nals) }
    }

    fn config(pps: &[u8]) -> Item {
        let set = |nal| vec![Bytes::copy_from_slice(nal)];
        Item::Config(Config::Avc(avc::Config::from_parameter_sets(set(SPS), set(pps)).unwrap()))
    }

    #[test]
    fn units_become_samples() {
        let mut video = Video::new(Coding::Avc);
        let items = feed(
            &mut video,
            &[
                (Some(0), &[AUD, P]),
                (Some(3600), &[AUD, SPS, PPS, IDR, MORE, FILLER]),
                (Some(7200), &[AUD, P]),
                // Three in one packet.
                (Some(10_800), &[P, MORE, AUD, SPS, PPS, RECOVERY, P, P]),
                (Some(21_600), &[SPS, PPS, IDR]),
                (None, &[P]),
            ],
        );
        assert_eq!(
            items,
            [
                Item::Lost(Loss::Early, 7),
                config(PPS),
                given(3600, Entry::Closed, &[IDR, MORE]),
                given(7200, Entry::None, &[P]),
                given(10_800, Entry::None, &[P, MORE]),
                given(14_400, Entry::Open, &[RECOVERY, P]),
                given(18_000, Entry::None, &[P]),
                given(21_600, Entry::Closed, &[IDR]),
                Item::Sample { dts: 25_200, pts: 25_200, entry: Entry::None, data: sample(&[P]) },
            ]
        );
    }

    #[test]
    fn parameters_that_change() {
        let mut video = Video::new(Coding::Avc);
        let other: &[u8] = &[0x68, 0xeb, 0xe3, 0xcb, 0x22, 0xc1];
        let items = feed(
            &mut video,
            &[
                (Some(0), &[SPS, PPS, IDR]),
                (Some(1), &[SPS, other, IDR]),
                // A set alone stays where it is, unless it is known.
                (Some(2), &[other, P]),
                (Some(3), &[PPS, P]),
                // Parameter sets in a packet of their own.
                (Some(4), &[AUD, SPS, PPS]),
                (Some(5), &[IDR]),
            ],
        );
        assert_eq!(
            items,
            [
                config(PPS),
                given(0, Entry::Closed, &[IDR]),
                config(other),
                given(1, Entry::Closed, &[IDR]),
                given(2, Entry::None, &[P]),
                given(3, Entry::None, &[PPS, P]),
                config(PPS),
                given(5, Entry::Closed, &[IDR]),
            ]
        );
    }

    #[test]
    fn faults() {
        let mut video = Video::new(Coding::Avc);
        let items = feed(&mut video, &[(None, &[SPS, PPS, IDR]), (Some(0), &[&SPS[..6], PPS, IDR])]);
        assert!(matches!(
            items[..],
            [Item::Lost(Loss::Untimed, _), Item::Lost(Loss::Elementary, 12), Item::Lost(Loss::Early, 7)]
        ));
        let mut items = Vec::new();
        video.feed(&[1, 2, 3], Some(Times { dts: 0, pts: 0 }), &mut items);
        assert_eq!(items, [Item::Lost(Loss::Elementary, 3)]);
        // Samples and sets without end.
        let many: Vec<&[u8]> = [SPS, PPS, IDR].into_iter().chain(std::iter::repeat_n(P, 1000)).collect();
        let items = feed(&mut Video::new(Coding::Avc), &[(Some(0), &many)]);
        assert_eq!(items.len(), 1 + MAX_UNITS + 1);
        let sets: Vec<[u8; 2]> = (0..200).map(|at| [0x68, at]).collect();
        let many: Vec<&[u8]> = sets.iter().map(|set| &set[..]).chain([SPS, IDR]).collect();
        let items = feed(&mut Video::new(Coding::Avc), &[(Some(0), &many)]);
        assert!(matches!(&items[0], Item::Config(Config::Avc(config)) if config.pps.len() == MAX_SETS));
        // What never becomes a picture does not grow.
        let long = vec![0x06; 40_000];
        let items = feed(&mut video, &[(Some(0), &[&long]), (Some(0), &[&long])]);
        assert!(matches!(items[..], [Item::Lost(Loss::Limit, 80_008)]));
        feed(&mut video, &[(Some(0), &[&long])]);
        video.interrupt();
        assert_eq!(video.unit.len(), 0);
    }
}
