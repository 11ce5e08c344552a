//! When a certificate is ordered: at once while there is none, and again when two thirds of its life are over.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use tokio::time::sleep;

use super::order::order;
use super::{Settings, Status, files};
use crate::net::resilience::backoff::{Backoff, Growth, Jitter, Policy};
use crate::net::tls::{Challenges, Life};

/// How long to wait after an order that failed. Let's Encrypt lets a name fail five times an hour.
const AGAIN: Policy = Policy {
    growth: Growth::Exponential { first: Duration::from_secs(120), jitter: Jitter::Equal },
    cap: Duration::from_secs(6 * 3600),
};

/// How often the file is looked at: somebody may have put another certificate there, and clocks are set.
const LOOK: Duration = Duration::from_secs(3600);

/// Keeps the certificate of `settings` in its file, until it is dropped.
pub(super) async fn keep(settings: Arc<Settings>, challenges: Challenges, status: Arc<Status>) {
    let mut backoff = Backoff::new(AGAIN, fastrand::u64(..));
    // Several balancers that were set up together do not renew together.
    let chance = fastrand::f64();
    let name = settings.name();
    loop {
        let life = life(&settings).await;
        let until = life.filter(|life| !life.self_issued).map_or(0, |life| life.until);
        status.until.store(until, Ordering::Relaxed);
        let wait = life.map_or(Duration::ZERO, |life| due_in(life, now(), chance));
        if !wait.is_zero() {
            sleep(wait.min(LOOK)).await;
            continue;
        }
        tracing::info!(certificate = name, directory = settings.directory, "a certificate is ordered");
        let ordered = match order(&settings, &challenges).await {
            Ok(pem) => write(&settings, pem).await.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        // One that is to be renewed at once would be ordered again and again.
        let useful = self::life(&settings).await.is_some_and(|life| !due_in(life, now(), chance).is_zero());
        match ordered {
            Ok(()) if useful => {
                status.issued.fetch_add(1, Ordering::Relaxed);
                backoff.reset();
                tracing::info!(certificate = name, "the certificate is there");
            }
            ordered => {
                let error = ordered.err().unwrap_or_else(|| "its life is nearly over".to_owned());
                status.failed.fetch_add(1, Ordering::Relaxed);
                let wait = backoff.wait();
                tracing::error!(
                    certificate = name,
                    error,
                    again_in = ?wait,
                    "there is no new certificate; the old one stays in use"
                );
                sleep(wait).await;
            }
        }
    }
}

async fn life(settings: &Arc<Settings>) -> Option<Life> {
    let settings = Arc::clone(settings);
    tokio::task::spawn_blocking(move || files::life(&settings)).await.ok().flatten()
}

async fn write(settings: &Arc<Settings>, pem: String) -> Result<(), files::FileError> {
    let path = settings.certificate();
    let file = path.clone();
    let written = tokio::task::spawn_blocking(move || files::write(&file, pem.as_bytes())).await;
    written.unwrap_or_else(|error| Err(files::FileError { path, source: io::Error::other(error) }))
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// How long until a certificate is to be renewed: when two thirds of its life are over, or up to a thirtieth of it earlier, by `chance` from
/// 0 to 1. One that signs itself stands in for one that is to be had at once.
fn due_in(life: Life, now: u64, chance: f64) -> Duration {
    if life.self_issued {
        return Duration::ZERO;
    }
    let length = life.until.saturating_sub(life.from);
    let earlier = (length as f64 / 30.0 * chance) as u64;
    let due = life.from + length - length / 3 - earlier;
    Duration::from_secs(due.saturating_sub(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_renewed_when_two_thirds_of_its_life_are_over() {
        const DAY: u64 = 86_400;
        let life = |days: u64| Life { from: 1_000 * DAY, until: (1_000 + days) * DAY, self_issued: false };
        for (days, now, chance, expected) in [
            (90, 1_000, 0.0, 60),
            (90, 1_000, 1.0, 57),
            (90, 1_059, 0.0, 1),
            (90, 1_060, 0.0, 0),
            (90, 1_200, 0.0, 0),
            (6, 1_000, 0.0, 4),
            (0, 1_000, 1.0, 0),
        ] {
            assert_eq!(
                due_in(life(days), now * DAY, chance).as_secs() / DAY,
                expected,
                "{days} {now} {chance}"
            );
        }
        let own = Life { self_issued: true, ..life(90) };
        assert_eq!(due_in(own, 1_000 * DAY, 0.0), Duration::ZERO);
        let backwards = Life { from: 9, until: 3, self_issued: false };
        assert_eq!(due_in(backwards, 10, 1.0), Duration::ZERO);
    }
}
