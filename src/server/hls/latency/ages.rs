//! What the dates in a playlist say of media that arrive, and what that means for a player.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use crate::proto::hls::playlist::media::{Date, MediaPlaylist, Segment};

/// A part of a segment, or a segment where there are no parts.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Item {
    /// The number of the segment, and of its part.
    pub(super) place: (u64, usize),
    pub(super) uri: String,
    /// The dates of its first and behind its last picture.
    pub(super) begin: Date,
    pub(super) end: Date,
    /// There is nothing to be had.
    pub(super) gap: bool,
}

/// All that a playlist has, in its order, as far as it has dates.
pub(super) fn items(playlist: &MediaPlaylist) -> Vec<Item> {
    let (mut found, mut date) = (Vec::new(), None);
    let parts = playlist.part_target.is_some();
    let skipped = playlist.skipped.as_ref().map_or(0, |skipped| skipped.segments);
    let first = playlist.media_sequence.saturating_add(skipped);
    for (msn, segment) in (first..).zip(&playlist.segments) {
        date = segment.program_date_time.or(date);
        let Some(begin) = date else { continue };
        if !parts {
            let end = later(begin, segment.duration);
            let place = (msn, 0);
            found.push(Item { place, uri: segment.uri.clone(), begin, end, gap: segment.gap });
        }
        add_parts(segment, msn, begin, &mut found);
        date = Some(later(begin, segment.duration));
    }
    if let Some(segment) = &playlist.unfinished
        && let Some(begin) = segment.program_date_time.or(date)
    {
        add_parts(segment, playlist.next_msn(), begin, &mut found);
    }
    found
}

fn add_parts(segment: &Segment, msn: u64, mut begin: Date, found: &mut Vec<Item>) {
    for (number, part) in segment.parts.iter().enumerate() {
        let end = later(begin, part.duration);
        found.push(Item { place: (msn, number), uri: part.uri.clone(), begin, end, gap: part.gap });
        begin = end;
    }
}

fn later(date: Date, span: std::time::Duration) -> Date {
    TimeDelta::from_std(span).ok().and_then(|span| date.checked_add_signed(span)).unwrap_or(date)
}

/// What has arrived.
#[derive(Debug)]
pub(super) struct Ages {
    /// Microseconds from the end of the media of each item to its arrival. They are below 0 where clocks differ.
    ages: Vec<i64>,
    /// The greatest time from the beginning of the media of an item to its arrival.
    needed: i64,
    bytes: u64,
    part_target: Option<f64>,
    hold_back: f64,
}

/// What was measured; all times are in seconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The media playlist.
    pub playlist: String,
    /// The target duration of its parts, if it has parts.
    pub part_target: Option<f64>,
    /// How far behind the end of the playlist it wants players to play.
    pub hold_back: f64,
    /// Parts that arrived, or segments.
    pub arrived: usize,
    /// Their bytes.
    pub bytes: u64,
    /// How old the end of a part was when all of it had arrived.
    pub age: Option<Age>,
}

/// How old media were when they had arrived, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Age {
    /// Half of them were not older.
    pub median: f64,
    /// 99 of 100 were not older.
    pub p99: f64,
    /// None was older.
    pub longest: f64,
    /// How far behind the encoder a player was that keeps the distance that the playlist asks for.
    pub player: f64,
    /// How far behind a player had to be at least so that it never waited for media.
    pub least: f64,
}

impl Ages {
    pub(super) fn new(playlist: &MediaPlaylist) -> Self {
        let control = &playlist.server_control;
        let target = playlist.target_duration as f64;
        let hold_back = match (control.part_hold_back, control.hold_back) {
            (Some(parts), _) if playlist.part_target.is_some() => parts.as_secs_f64(),
            (_, Some(whole)) => whole.as_secs_f64(),
            _ => 3.0 * target,
        };
        let part_target = playlist.part_target.map(|target| target.as_secs_f64());
        Self { ages: Vec::new(), needed: i64::MIN, bytes: 0, part_target, hold_back }
    }

    /// All of an item is there.
    pub(super) fn arrived(&mut self, item: &Item, bytes: u64, now: DateTime<Utc>) {
        let since = |date: Date| (now - date.to_utc()).num_microseconds().unwrap_or(i64::MAX);
        self.ages.push(since(item.end));
        self.needed = self.needed.max(since(item.begin));
        self.bytes += bytes;
    }

    pub(super) fn report(mut self, playlist: String) -> Report {
        self.ages.sort_unstable();
        let seconds = |micros: i64| micros as f64 / 1e6;
        let at =
            |share: usize| self.ages.get((self.ages.len() * share).div_ceil(100).saturating_sub(1)).copied();
        let age = at(50).zip(at(99)).zip(at(100)).map(|((median, p99), longest)| Age {
            median: seconds(median),
            p99: seconds(p99),
            longest: seconds(longest),
            player: seconds(median) + self.hold_back,
            least: seconds(self.needed),
        });
        let Self { bytes, part_target, hold_back, ref ages, .. } = self;
        Report { playlist, part_target, hold_back, arrived: ages.len(), bytes, age }
    }
}

impl Report {
    /// In words, for people.
    #[must_use]
    pub fn text(&self) -> String {
        let Self { playlist, part_target, hold_back, arrived, bytes, age } = self;
        let (what, each) = match part_target {
            Some(target) => ("parts", format!("parts of {target:.3} s")),
            None => ("segments", "segments".to_owned()),
        };
        let mut text = format!("playlist  {playlist}, {each}\narrived   {arrived} {what}, {bytes} bytes\n");
        if let Some(Age { median, p99, longest, player, least }) = age {
            text += &format!(
                "age       median {median:.3} s, 99 % {p99:.3} s, at most {longest:.3} s, from the end of the media to the last byte\n\
                 player    {player:.3} s behind the encoder at the distance that the playlist asks for ({hold_back:.3} s)\n\
                 least     {least:.3} s behind, without ever waiting for media\n"
            );
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::hls::playlist::read::Playlist;
    use crate::proto::hls::playlist::variables::Variables;

    fn playlist(text: &str) -> MediaPlaylist {
        match Playlist::read(text.as_bytes(), Variables::default()).unwrap() {
            Playlist::Media(playlist) => playlist,
            Playlist::Multivariant(_) => panic!("segments"),
        }
    }

    fn date(seconds: f64) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339("2026-01-01T00:00:00Z").unwrap().to_utc()
            + TimeDelta::microseconds((seconds * 1e6) as i64)
    }

    const LOW: &str = "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:7\n#EXT-X-PART-INF:PART-TARGET=0.5\n\
        #EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1.5\n#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00.000Z\n#EXTINF:1,\n7.m4s\n\
        #EXT-X-PART:URI=\"8.0.m4s\",DURATION=0.5\n#EXT-X-PART:URI=\"8.1.m4s\",DURATION=0.5,GAP=YES\n#EXTINF:1,\n8.m4s\n\
        #EXT-X-PART:URI=\"9.0.m4s\",DURATION=0.25\n";

    #[test]
    fn parts_have_the_dates_of_their_segments() {
        let found = items(&playlist(LOW));
        let seen: Vec<_> = found.iter().map(|item| (item.place, item.uri.as_str(), item.gap)).collect();
        assert_eq!(seen, [((8, 0), "8.0.m4s", false), ((8, 1), "8.1.m4s", true), ((9, 0), "9.0.m4s", false)]);
        let dates: Vec<_> = found.iter().map(|item| (item.begin.to_utc(), item.end.to_utc())).collect();
        assert_eq!(dates, [(date(1.0), date(1.5)), (date(1.5), date(2.0)), (date(2.0), date(2.25))]);
        let plain = LOW.lines().filter(|line| !line.contains("PART") && !line.contains("SERVER"));
        let whole = items(&playlist(&plain.collect::<Vec<_>>().join("\n")));
        assert_eq!(whole.iter().map(|item| item.place).collect::<Vec<_>>(), [(7, 0), (8, 0)]);
        assert_eq!(whole[1].end.to_utc(), date(2.0));
        let undated = LOW.lines().filter(|line| !line.contains("DATE"));
        assert!(items(&playlist(&undated.collect::<Vec<_>>().join("\n"))).is_empty());
    }

    #[test]
    fn what_arrives_when_says_how_far_behind_players_are() {
        let playlist = playlist(LOW);
        let found = items(&playlist);
        let mut ages = Ages::new(&playlist);
        ages.arrived(&found[0], 100, date(1.6));
        ages.arrived(&found[2], 50, date(2.3));
        let report = ages.report("a.m3u8".to_owned());
        let age = report.age.unwrap();
        let millis = |seconds: f64| (seconds * 1e3).round() as i64;
        assert_eq!((report.arrived, report.bytes, report.part_target), (2, 150, Some(0.5)));
        assert_eq!((millis(age.median), millis(age.longest), millis(age.least)), (50, 100, 600));
        assert_eq!(millis(age.player), 1550);
        let text = report.text();
        assert!(text.contains("player    1.550 s behind") && text.contains("least     0.600 s"), "{text}");
        let none = Ages::new(&playlist).report("a.m3u8".to_owned());
        assert!(none.age.is_none() && none.text().contains("0 parts"));
    }
}
