//! How much a playlist needs: what `BANDWIDTH` and `AVERAGE-BANDWIDTH` say. Sections 4.1 and 4.4.6.2.

use std::collections::BTreeMap;
use std::time::Duration;

use super::media::MediaPlaylist;
use super::multivariant::{MediaKind, MultivariantPlaylist, Variant};

/// Bit rates of a playlist, in bits/s, rounded up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// The largest of any run of segments that takes between half a target duration and one and a half.
    pub peak: u64,
    /// Of all segments.
    pub average: u64,
}

impl MediaPlaylist {
    /// The rates, when `sizes` are the bytes of its segments as they are sent. Segments that are not there do not count. `None` if there is not one size for
    /// each segment, or no time in them.
    #[must_use]
    pub fn rates(&self, sizes: &[u64]) -> Option<Rates> {
        if sizes.len() != self.segments.len() {
            return None;
        }
        let there = self.segments.iter().zip(sizes).filter(|(segment, _)| !segment.gap);
        let list: Vec<(Duration, u64)> = there.map(|(segment, size)| (segment.duration, *size)).collect();
        let target = Duration::from_secs(self.target_duration);
        let (least, most) = (target / 2, target.saturating_mul(3) / 2);
        let mut peak = 0;
        for from in 0..list.len() {
            let (mut time, mut bytes) = (Duration::ZERO, 0u64);
            for (duration, size) in &list[from..] {
                time = time.saturating_add(*duration);
                bytes = bytes.saturating_add(*size);
                if time > most {
                    break;
                }
                if time >= least {
                    peak = peak.max(rate(bytes, time)?);
                }
            }
        }
        let time = list.iter().fold(Duration::ZERO, |sum, (time, _)| sum.saturating_add(*time));
        let bytes = list.iter().fold(0u64, |sum, (_, size)| sum.saturating_add(*size));
        let average = rate(bytes, time)?;
        // What is shorter than half a target duration, or longer than its playlist says, has no peak but its average.
        Some(Rates { peak: peak.max(average), average })
    }
}

impl MultivariantPlaylist {
    /// What a variant needs with all that is played with it: the largest rendition of each of its groups, when `of` has the rates of media playlists by their
    /// URIs. `None` when it does not have that of the variant itself.
    #[must_use]
    pub fn rates(&self, variant: &Variant, of: impl Fn(&str) -> Option<Rates>) -> Option<Rates> {
        let mut sum = of(&variant.uri)?;
        let groups = [
            (MediaKind::Audio, &variant.audio),
            (MediaKind::Video, &variant.video),
            (MediaKind::Subtitles, &variant.subtitles),
        ];
        for (kind, group) in groups {
            let Some(group) = group else { continue };
            let members = self.media.iter().filter(|media| media.kind == kind && media.group == *group);
            let rates: Vec<Rates> = members.filter_map(|media| of(media.uri.as_deref()?)).collect();
            let most = |rate: fn(&Rates) -> u64| rates.iter().map(rate).max().unwrap_or(0);
            sum.peak = sum.peak.saturating_add(most(|rates| rates.peak));
            sum.average = sum.average.saturating_add(most(|rates| rates.average));
        }
        Some(sum)
    }

    /// Puts what was measured of media playlists, by their URIs, in place of what was told of variants before. Renditions of which nothing was measured are left out, and groups
    /// that have no rendition then.
    pub fn measure(&mut self, rates: &BTreeMap<String, Rates>) {
        self.media.retain(|media| media.uri.as_ref().is_none_or(|uri| rates.contains_key(uri)));
        self.variants.retain(|variant| rates.contains_key(&variant.uri));
        for variant in &mut self.variants {
            for (kind, group) in
                [(MediaKind::Audio, &mut variant.audio), (MediaKind::Subtitles, &mut variant.subtitles)]
            {
                let is_there =
                    |name: &String| self.media.iter().any(|media| media.kind == kind && media.group == *name);
                *group = group.take().filter(is_there);
            }
        }
        let sums = self.variants.iter().map(|variant| self.rates(variant, |uri| rates.get(uri).copied()));
        let sums: Vec<Option<Rates>> = sums.collect();
        for (variant, sum) in self.variants.iter_mut().zip(sums) {
            if let Some(Rates { peak, average }) = sum {
                (variant.bandwidth, variant.average_bandwidth) = (peak, Some(average));
            }
        }
    }
}

fn rate(bytes: u64, time: Duration) -> Option<u64> {
    let bits = u128::from(bytes) * 8 * 1_000_000_000;
    let time = time.as_nanos();
    (time > 0).then(|| u64::try_from(bits.div_ceil(time)).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::super::media::Segment;
    use super::super::read::Playlist;
    use super::super::variables::Variables;
    use super::*;

    #[test]
    fn a_variant_needs_the_largest_of_each_of_its_groups() {
        let text = "#EXTM3U\n\
            #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"one\",URI=\"one\"\n\
            #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"two\",URI=\"two\"\n\
            #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"b\",NAME=\"one\",URI=\"other\"\n\
            #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"b\",NAME=\"within\"\n\
            #EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"a\",NAME=\"text\",URI=\"text\"\n\
            #EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO=\"a\",SUBTITLES=\"a\"\nv\n\
            #EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO=\"b\"\nv\n\
            #EXT-X-STREAM-INF:BANDWIDTH=1\nv\n\
            #EXT-X-STREAM-INF:BANDWIDTH=1\nunknown\n";
        let Ok(Playlist::Multivariant(playlist)) = Playlist::read(text.as_bytes(), Variables::default())
        else {
            panic!("a multivariant playlist")
        };
        let of = |uri: &str| {
            let rates = [("v", 100, 10), ("one", 20, 3), ("two", 15, 4), ("other", 7, 7), ("text", 1, 1)];
            let found = rates.into_iter().find(|(known, ..)| *known == uri);
            found.map(|(_, peak, average)| Rates { peak, average })
        };
        let rates = playlist.variants.iter().map(|variant| playlist.rates(variant, of));
        let rates: Vec<_> = rates.map(|rates| rates.map(|rates| (rates.peak, rates.average))).collect();
        assert_eq!(rates, [Some((121, 15)), Some((107, 17)), Some((100, 10)), None]);
    }

    #[test]
    fn peaks_are_of_runs_and_averages_of_all() {
        for (target, segments, expected) in [
            (4, &[(4000, 1000), (4000, 3000)][..], Some((6000, 4000))),
            // Two short ones together: 2 s, half a target duration.
            (4, &[(1000, 1000), (1000, 3000), (4000, 1000)], Some((16_000, 6667))),
            // A segment that is too long for its playlist.
            (1, &[(4000, 1000)], Some((2000, 2000))),
            (4, &[(1000, 1000)], Some((8000, 8000))),
            (4, &[(0, 1000)], None),
            (4, &[], None),
        ] {
            let list = segments.iter().map(|(millis, _)| Segment {
                duration: Duration::from_millis(*millis),
                ..Segment::default()
            });
            let playlist = MediaPlaylist {
                target_duration: target,
                segments: list.collect(),
                ..MediaPlaylist::default()
            };
            let sizes: Vec<_> = segments.iter().map(|(_, size)| *size).collect();
            let rates = playlist.rates(&sizes).map(|rates| (rates.peak, rates.average));
            assert_eq!(rates, expected, "{segments:?}");
            assert_eq!(playlist.rates(&[1; 9]), None);
        }
    }
}
