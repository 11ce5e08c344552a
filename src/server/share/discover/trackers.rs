//! The trackers of a torrent: told of it as long as it is shared, and asked for peers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::stream::{FuturesUnordered, StreamExt as _};

use super::announce::{Answered, announce};
use crate::proto::bittorrent::contacts::Source;
use crate::proto::bittorrent::hash::Sha1;
use crate::proto::bittorrent::tracker::allowed;
use crate::proto::bittorrent::tracker::{Announce, Due, Reach, Settings, Tiers, Url};
use crate::server::share::swarm::{Swarm, TrackerView};

/// How long trackers are waited for at the end, which are told that we leave.
const GOODBYE: Duration = Duration::from_secs(3);

/// Peers that a tracker is asked for.
const WANTED: u32 = 100;

/// Announces a torrent by one of its names until it is stopped, and says so then.
pub(in crate::server::share) async fn run(
    swarm: Arc<Swarm>,
    name: Sha1,
    tiers: Vec<Vec<Url>>,
    private: bool,
) {
    if tiers.iter().all(Vec::is_empty) {
        return;
    }
    let reach = if private { Reach::First } else { Reach::EachTier };
    let settings = Settings { reach, ..Settings::default() };
    let mut tiers = Tiers::new(tiers, settings, Instant::now(), fastrand::u64(..));
    let key = fastrand::u32(..);
    let mut asked = FuturesUnordered::new();
    let mut finished = std::pin::pin!(swarm.finished_later());
    let mut is_finished = false;
    let mut wanted = swarm.announce.subscribe();
    let mut goodbye = None;
    loop {
        let now = Instant::now();
        tiers.pause(now, swarm.is_partial_seed());
        while let Some(due) = tiers.poll(now) {
            let said = said(&swarm, name, key, &due);
            let swarm = Arc::clone(&swarm);
            asked.push(async move { (due.attempt, announce(&swarm.common, &due.url, said).await) });
        }
        swarm.set_trackers(name, tiers.status().map(|status| TrackerView::of(&status)).collect());
        if goodbye.is_some_and(|at| now >= at) || goodbye.is_some() && asked.is_empty() {
            return;
        }
        let deadline = tiers.deadline().into_iter().chain(goodbye).min();
        let due = async {
            match deadline {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Some((attempt, answered)) = asked.next() => match answered {
                Ok(Answered { reply, from }) => {
                    for peer in &reply.peers {
                        if allowed::peer(peer.addr, from, &[]).is_ok() {
                            swarm.heard_of(peer.addr, Source::Tracker);
                        }
                    }
                    tiers.answered(Instant::now(), attempt, &reply);
                }
                Err(error) => {
                    tracing::warn!(torrent = %name, %error, "a tracker has failed");
                    tiers.failed(Instant::now(), attempt, error);
                }
            },
            () = &mut finished, if !is_finished => {
                is_finished = true;
                // Who has chosen some files only never has the last byte (BEP 21).
                if swarm.left() == Some(0) {
                    tiers.complete(Instant::now());
                }
            }
            () = swarm.stopping.cancelled(), if goodbye.is_none() => {
                tiers.stop(Instant::now());
                goodbye = Some(Instant::now() + GOODBYE);
            }
            Ok(()) = wanted.changed() => tiers.reannounce(Instant::now()),
            () = due => {}
        }
    }
}

/// What a tracker is told.
fn said(swarm: &Swarm, name: Sha1, key: u32, due: &Due) -> Announce {
    let progress = swarm.progress();
    let port = swarm.common.port().unwrap_or_default();
    Announce {
        uploaded: progress.uploaded,
        downloaded: progress.downloaded,
        event: due.event,
        tracker_id: due.tracker_id.clone(),
        numwant: Some(WANTED),
        key,
        // As long as nothing is known, something is missing.
        ..Announce::of(name, swarm.common.id.0, port, swarm.left().unwrap_or(1))
    }
}

/// Those of a torrent that can be asked.
pub(in crate::server::share) fn urls(trackers: &[Vec<String>]) -> Vec<Vec<Url>> {
    let tier = |tier: &Vec<String>| tier.iter().filter_map(|url| url.parse().ok()).collect();
    trackers.iter().map(tier).collect()
}
