//! What happens, and what a viewer had, in words.

use crate::proto::hls::abr::{Kbps, Ms};
use crate::proto::hls::play::event::{Event, LaneId};
use crate::proto::hls::play::summary::Summary;

/// Milliseconds as seconds.
pub(super) fn seconds(time: Ms) -> String {
    format!("{:.2} s", time / 1000.0)
}

/// A rate.
pub(super) fn rate(rate: Kbps) -> String {
    if rate >= 10_000.0 { format!("{:.1} Mb/s", rate / 1000.0) } else { format!("{rate:.0} kb/s") }
}

/// A number of bytes.
fn bytes(count: u64) -> String {
    match count {
        0..10_000 => format!("{count} B"),
        10_000..10_000_000 => format!("{:.0} kB", count as f64 / 1e3),
        _ => format!("{:.1} MB", count as f64 / 1e6),
    }
}

/// So many of something.
fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

fn of(lane: LaneId) -> &'static str {
    match lane {
        LaneId::Main => "",
        LaneId::Audio => " (sound)",
    }
}

/// What happened, in one line.
pub(super) fn event(event: &Event) -> String {
    match event {
        Event::Opened { levels, rates, live, parts, duration, latency } => {
            let known = levels.iter().zip(rates).filter_map(|(name, kbps)| Some((name, (*kbps)?)));
            let levels: Vec<String> = known.map(|(name, kbps)| format!("; {name} {}", rate(kbps))).collect();
            let what = match (live, duration, latency) {
                (true, _, Some(latency)) => {
                    let parts = if *parts { ", part by part" } else { "" };
                    format!("live, {} behind its end{parts}", seconds(*latency))
                }
                (_, Some(duration), _) => seconds(*duration),
                _ => "live".to_owned(),
            };
            format!("opened: {what}{}", levels.concat())
        }
        Event::Started { after } => format!("plays, {} after it was asked for", seconds(*after)),
        Event::Switched { from, to, rate: kbps, level, throughput } => {
            let throughput = throughput.map_or_else(String::new, |it| format!(", network {}", rate(it)));
            format!("{from} -> {to}, {}: buffer {}{throughput}", rate(*kbps), seconds(*level))
        }
        Event::Loaded {
            lane,
            quality,
            segment,
            part,
            duration,
            bytes: count,
            time,
            throughput,
            level,
            replacement,
            ..
        } => {
            let part = part.map_or_else(String::new, |part| format!(".{part}"));
            let again = if *replacement { ", in place of a worse one" } else { "" };
            format!(
                "{quality}{} {segment}{part}: {} of media, {} in {}, {}; buffer {}{again}",
                of(*lane),
                seconds(*duration),
                bytes(*count),
                seconds(*time),
                rate(*throughput),
                seconds(*level)
            )
        }
        Event::Abandoned { quality, segment, bytes: count, to } => {
            format!("{quality} {segment} given up after {} for {to}", bytes(*count))
        }
        Event::Stalled => "stalled: nothing left to play".to_owned(),
        Event::Resumed { after } => format!("goes on after {}", seconds(*after)),
        Event::Paced { rate, latency } => {
            format!("plays at {rate:.2} times the speed, {} behind the end", seconds(*latency))
        }
        Event::Jumped { by, why } => {
            let way = if *by < 0.0 { "back" } else { "ahead" };
            format!("jumped {} {way}: {why}", seconds(by.abs()))
        }
        Event::Gap { lane, duration, why, .. } => {
            format!("left out {}{}: {why}", seconds(*duration), of(*lane))
        }
        Event::Retry { what, why, wait } => format!("{what}: {why}; asked for again in {}", seconds(*wait)),
        Event::Elsewhere { what, why, to } => format!("{what}: {why}; goes to {to}"),
        Event::Restarted { why } => format!("the stream begins anew: {why}"),
        Event::Differs { segment, said, found } => {
            format!("segment {segment} is {} long, and not {}", seconds(*found), seconds(*said))
        }
        Event::Ignored { what } => format!("left alone: {what}"),
        Event::Ended { why: None } => "ended".to_owned(),
        Event::Ended { why: Some(why) } => format!("ended: {why}"),
    }
}

/// The figures of a session, a line each.
#[must_use]
pub fn summary(summary: &Summary) -> String {
    let startup = summary.startup.map_or_else(|| "nothing was played".to_owned(), seconds);
    let stalls = format!(
        "{} in {}, {:.2} % of the time",
        seconds(summary.stalled),
        count(summary.stalls.into(), "stall", "stalls"),
        summary.stall_ratio * 100.0
    );
    let loaded = format!(
        "{} in {}, and {}",
        bytes(summary.bytes),
        count(summary.segments, "segment", "segments"),
        count(summary.playlists, "playlist", "playlists")
    );
    let vain = format!(
        "{}: {} given up, {} replaced, {} failed",
        bytes(summary.wasted),
        summary.abandoned,
        summary.replaced,
        summary.failures
    );
    let switches = count(summary.switches.into(), "switch", "switches");
    let mut rows = vec![
        ("played", seconds(summary.played)),
        ("startup", startup),
        ("stalled", stalls),
        ("rate", format!("{} on average, {switches}", rate(summary.rate))),
        ("score", format!("{:.3}", summary.score)),
        ("loaded", loaded),
        ("in vain", vain),
    ];
    if summary.gaps > 0 {
        let pieces = count(summary.gaps, "piece", "pieces");
        rows.push(("left out", format!("{} in {pieces}", seconds(summary.left_out))));
    }
    rows.iter().map(|(name, value)| format!("{name:<9} {value}\n")).collect()
}
