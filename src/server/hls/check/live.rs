//! Live playlists: read again and again, and asked what a server of Low-Latency HLS has to answer. Sections 6.2.1 and 6.2.5.

use std::time::Duration;

use http::StatusCode;
use tokio::time::{Instant, sleep};

use super::PLAYLIST;
use super::location::Location;
use super::report::Report;
use super::watched::{Context, Watched};
use crate::proto::hls::playlist::media::MediaPlaylist;
use crate::proto::hls::playlist::read::Playlist;

/// The longest target duration that is waited for. Longer ones are taken for this.
const LONGEST: u64 = 30;

/// Reads those that are live again, as often as the settings say.
pub(super) async fn follow(all: &mut [Watched], context: &Context, report: &mut Report) {
    for watched in all.iter() {
        if let Some(playlist) = watched.playlist().filter(|playlist| !playlist.ended) {
            directives(watched, playlist, context, report).await;
        }
    }
    for _ in 0..context.settings.reloads {
        reload(all, context, report).await;
    }
    // Where one has ended the others may have by now: they were read before it.
    let any = |ended| all.iter().filter_map(Watched::playlist).any(|playlist| playlist.ended == ended);
    if context.settings.reloads > 0 && any(true) && any(false) {
        reload(all, context, report).await;
    }
}

/// Reads those that are live once more, when a target duration has passed.
async fn reload(all: &mut [Watched], context: &Context, report: &mut Report) {
    let live = all.iter().filter_map(Watched::playlist).filter(|playlist| !playlist.ended);
    let Some(target) = live.map(|playlist| playlist.target_duration.clamp(1, LONGEST)).max() else {
        return;
    };
    let began = Instant::now();
    let due = Duration::from_secs(target).mul_f64(1.5);
    sleep(Duration::from_secs(target)).await;
    for watched in all.iter_mut() {
        let Some((old, ended)) = watched.playlist().map(|old| (old.next_msn(), old.ended)) else {
            continue;
        };
        if ended {
            continue;
        }
        loop {
            if !watched.load(context, report).await {
                break;
            }
            let goes_on = watched.playlist().is_some_and(|new| new.next_msn() > old || new.ended);
            if goes_on {
                break;
            }
            if began.elapsed() >= due {
                let waited = began.elapsed().as_secs_f64();
                report.broken("live-updates", watched.name(), format!("nothing new for {waited:.1} s"));
                break;
            }
            sleep(Duration::from_secs(target) / 8).await;
        }
    }
}

/// What a server answers to delivery directives.
async fn directives(watched: &Watched, playlist: &MediaPlaylist, context: &Context, report: &mut Report) {
    if !matches!(watched.place(), Location::Web { .. }) {
        return;
    }
    let control = playlist.server_control;
    if control.can_skip_until.is_some() {
        delta_update(watched, context, report).await;
    }
    if !control.can_block_reload {
        return;
    }
    let wanted = playlist.next_msn();
    let patience = Duration::from_secs(playlist.target_duration.clamp(1, LONGEST)) * 4;
    match ask(watched, &format!("_HLS_msn={wanted}"), patience, context).await {
        Ok(new) => {
            let there = new.next_msn() > wanted || new.ended;
            if !there {
                let detail =
                    format!("segment {wanted} is not in the answer, which ends before {}", new.next_msn());
                report.broken("blocking-reload", watched.name(), detail);
            }
        }
        Err(error) => report.broken("blocking-reload", watched.name(), error),
    }
    let part = context.fetcher.get(&watched.place().asking("_HLS_part=0"), None, PLAYLIST).await;
    let status = part.err().and_then(|error| error.status());
    if status != Some(StatusCode::BAD_REQUEST) {
        let detail = status.map_or_else(
            || "it is answered with a playlist".into(),
            |status| format!("it is answered with {status}"),
        );
        report.broken("blocking-part", watched.name(), detail);
    }
}

async fn delta_update(watched: &Watched, context: &Context, report: &mut Report) {
    let whole = ask(watched, "", context.settings.timeout, context).await;
    let Ok(whole) = whole else { return };
    let update = match ask(watched, "_HLS_skip=YES", context.settings.timeout, context).await {
        Ok(update) => update,
        Err(error) => return report.broken("delta-update", watched.name(), error),
    };
    let Some(skipped) = &update.skipped else {
        // There may be too little to skip.
        let skip = whole.server_control.can_skip_until.unwrap_or_default();
        let old = whole.duration().saturating_sub(skip);
        if old > Duration::from_secs(whole.target_duration) * 2 {
            report.broken("delta-update", watched.name(), "the answer has no EXT-X-SKIP".into());
        }
        return;
    };
    // What follows the part that is left out has to be what the whole playlist has there.
    let from = update.media_sequence.saturating_add(skipped.segments);
    let into = usize::try_from(from.saturating_sub(whole.media_sequence)).unwrap_or(usize::MAX);
    let rest = whole.segments.get(into..).unwrap_or_default();
    let same = rest.iter().zip(&update.segments).all(|(a, b)| a.uri == b.uri && a.duration == b.duration);
    let starts = update.media_sequence == whole.media_sequence && into <= whole.segments.len();
    if !same || !starts {
        report.broken("delta-update", watched.name(), "it does not go on from the whole playlist".into());
    }
}

/// The media playlist that is the answer to a directive.
async fn ask(
    watched: &Watched,
    query: &str,
    patience: Duration,
    context: &Context,
) -> Result<MediaPlaylist, String> {
    let place = if query.is_empty() { watched.place().clone() } else { watched.place().asking(query) };
    let fetched = context.fetcher.get_within(&place, None, PLAYLIST, patience).await;
    let bytes = fetched.map_err(|error| crate::server::one_line(&error))?.bytes;
    let read = watched.read(&bytes);
    match read.playlist {
        Some(Playlist::Media(playlist)) => Ok(playlist),
        _ => Err(read
            .findings
            .first()
            .map_or_else(|| "the answer is no media playlist".into(), |found| found.detail.clone())),
    }
}
