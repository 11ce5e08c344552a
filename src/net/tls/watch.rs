//! Notices that certificate files have changed, by a look at their metadata every few seconds.
//!
//! Polling needs no descriptors and sees what notifications miss: files behind symbolic links that are swapped, as
//! Kubernetes and certbot do, and network mounts.

use std::time::Duration;

use rustls::pki_types::UnixTime;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::{Tls, TlsError};
use crate::net::stamps::Stamps;

/// Time between two looks, by default. Certificates are renewed days before they expire.
pub const INTERVAL: Duration = Duration::from_secs(5);

impl Tls {
    /// Looks at the files every `interval` and reloads what has changed, until `stop`. The outcome of a reload is logged;
    /// new files that are bad are tried again when they change again.
    ///
    /// The files are read on tokio's blocking threads, so that a slow disk delays no connection.
    pub async fn watch(&self, interval: Duration, stop: CancellationToken) {
        let mut seen = Stamps::take(self.0.config.files());
        let mut ticks = tokio::time::interval(interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            let tls = self.clone();
            let looked = tokio::task::spawn_blocking(move || {
                let outcome = tls.reload_if_changed(&mut seen);
                (seen, outcome)
            });
            let Ok((stamps, outcome)) = looked.await else {
                return;
            };
            seen = stamps;
            match outcome {
                None => {}
                Some(Ok(())) => tracing::info!("the certificates have changed and are in use"),
                Some(Err(error)) => {
                    tracing::error!(%error, "the new certificates are bad; the old ones stay in use");
                }
            }
        }
    }

    /// Reloads when a file has changed since `seen`, or when a stapled response has expired. `None` otherwise.
    fn reload_if_changed(&self, seen: &mut Stamps) -> Option<Result<(), TlsError>> {
        // Taken before the files are read: a change that comes in between is seen at the next look.
        let stamps = Stamps::take(self.0.config.files());
        if stamps == *seen && !self.has_stale_staples(UnixTime::now()) {
            return None;
        }
        *seen = stamps;
        Some(self.reload())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::tests::{files, served, write_pair};
    use std::fs;

    use super::*;

    fn reload(tls: &Tls, seen: &mut Stamps) -> Option<bool> {
        tls.reload_if_changed(seen).map(|outcome| outcome.is_ok())
    }

    #[test]
    fn a_change_is_seen_once_and_a_bad_one_again_when_it_changes() {
        let (folder, config) = files("a.test");
        let pair = config.certificates[0].clone();
        let tls = Tls::new(config.clone()).unwrap();
        let mut seen = Stamps::take(config.files());
        assert_eq!(reload(&tls, &mut seen), None);
        write_pair(&pair, "b.test");
        assert_eq!(reload(&tls, &mut seen), Some(true));
        assert_eq!(reload(&tls, &mut seen), None);
        fs::remove_file(&pair.key).unwrap();
        assert_eq!(reload(&tls, &mut seen), Some(false));
        assert_eq!(reload(&tls, &mut seen), None);
        fs::write(&pair.key, "junk").unwrap();
        assert_eq!(reload(&tls, &mut seen), Some(false));
        write_pair(&pair, "c.test");
        assert_eq!(reload(&tls, &mut seen), Some(true));
        drop(folder);
    }

    #[test]
    fn a_response_beside_a_certificate_is_a_change_and_expires() {
        let (_folder, config) = files("a.test");
        let beside = super::super::ocsp::beside(&config.certificates[0].cert);
        let tls = Tls::new(config.clone()).unwrap();
        let mut seen = Stamps::take(config.files());
        let far = UnixTime::since_unix_epoch(Duration::from_secs(1 << 40));
        assert!(!tls.has_stale_staples(far), "there is none");
        // What cannot be stapled is looked at when it changes, and the certificate stays in use.
        fs::write(&beside, "junk").unwrap();
        assert_eq!(reload(&tls, &mut seen), Some(true));
        assert_eq!(reload(&tls, &mut seen), None);
        tls.0.staples_until.store(1, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(reload(&tls, &mut seen), Some(true), "one that was stapled has expired");
        assert_eq!(reload(&tls, &mut seen), None, "and is gone");
        fs::remove_file(&beside).unwrap();
        assert_eq!(reload(&tls, &mut seen), Some(true));
    }

    #[test]
    fn a_link_that_is_swapped_is_a_change() {
        let (folder, mut config) = files("a.test");
        let link = folder.path().join("link.pem");
        std::os::unix::fs::symlink(&config.certificates[0].cert, &link).unwrap();
        let copy = folder.path().join("copy.pem");
        fs::copy(&config.certificates[0].cert, &copy).unwrap();
        config.certificates[0].cert.clone_from(&link);
        let before = Stamps::take(config.files());
        assert_eq!(before, Stamps::take(config.files()));
        swap(&copy, &link);
        assert_ne!(before, Stamps::take(config.files()));
    }

    fn swap(target: &Path, link: &Path) {
        let aside = link.with_extension("new");
        std::os::unix::fs::symlink(target, &aside).unwrap();
        fs::rename(&aside, link).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn the_watch_reloads_and_ends_when_told() {
        let (_folder, config) = files("a.test");
        let pair = config.certificates[0].clone();
        let tls = Tls::new(config).unwrap();
        let stop = CancellationToken::new();
        let watch = tls.watch(INTERVAL, stop.clone());
        let change = async {
            // In virtual time: the first look is over, the next has not come.
            tokio::time::sleep(INTERVAL / 2).await;
            let fresh = write_pair(&pair, "b.test");
            tokio::time::sleep(INTERVAL * 2).await;
            assert_eq!(served(&tls, "b.test").await, fresh);
            stop.cancel();
        };
        tokio::join!(watch, change);
    }
}
