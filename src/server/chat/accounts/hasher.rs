//! Passwords, hashed by argon2id in the blocking lane.
//!
//! A hash takes tens of milliseconds and some MiB on purpose, so it is a bounded thing: so many at once, so many that wait, and whoever
//! comes then is told to come again. A password for an account that does not exist is checked against a [decoy](Hasher::decoy), which costs the same.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use argon2::password_hash::PasswordHasher;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;

use super::super::store::account::{Password, Scram};
use super::config::{ConfigError, Hashing};
use super::refusal::Refusal;
use crate::net::random;
use crate::net::workers::{Blocking, Priority};
use crate::proto::sasl::prepare;
use crate::proto::sasl::scram::{Keys, SALT_LENGTH};

/// What became of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Checked {
    /// It is another password.
    Wrong,
    /// It is the password. What is to be kept of it from now on, if that is not what is kept already.
    Right(Option<Password>),
}

/// Hashes and checks passwords.
#[derive(Debug)]
pub(super) struct Hasher {
    lane: Blocking,
    shared: Arc<Shared>,
    /// Those that are computed.
    slots: Arc<Semaphore>,
    /// Those, and those that wait.
    places: Arc<Semaphore>,
    decoy: String,
}

#[derive(Debug)]
struct Shared {
    params: Params,
    scram: Option<NonZeroU32>,
    computed: AtomicU64,
}

impl Hasher {
    pub(super) fn new(lane: Blocking, hashing: Hashing) -> Result<Self, ConfigError> {
        let Hashing { memory, passes, scram, at_once, waiting } = hashing;
        let fault = |fault| ConfigError::Hashing { memory, passes, fault };
        let params = Params::new(memory, passes, 1, None).map_err(fault)?;
        let at_once = at_once.max(1);
        // Its output is that of no password.
        let decoy =
            format!("$argon2id$v=19$m={memory},t={passes},p=1$AAAAAAAAAAAAAAAAAAAAAA${}", "A".repeat(43));
        Ok(Self {
            lane,
            shared: Arc::new(Shared { params, scram, computed: AtomicU64::new(0) }),
            slots: Arc::new(Semaphore::new(at_once)),
            places: Arc::new(Semaphore::new(at_once.saturating_add(waiting).min(Semaphore::MAX_PERMITS))),
            decoy,
        })
    }

    /// What is kept of a new password.
    pub(super) async fn hash(&self, password: String) -> Result<Password, Refusal> {
        let shared = Arc::clone(&self.shared);
        self.run(move || shared.hash(&password)).await?
    }

    /// Checks a password against what is kept of it, or against the decoy.
    pub(super) async fn check(&self, password: String, kept: Option<Password>) -> Result<Checked, Refusal> {
        let shared = Arc::clone(&self.shared);
        let decoy = self.decoy.clone();
        self.run(move || match kept {
            Some(kept) => shared.check(&password, kept),
            None => {
                let _never = shared.fits(&password, &decoy);
                Ok(Checked::Wrong)
            }
        })
        .await?
    }

    /// Computations of argon2 so far.
    pub(super) fn computed(&self) -> u64 {
        self.shared.computed.load(Ordering::Relaxed)
    }

    /// Does `work` in the blocking lane when it is its turn. A caller that goes away before that gives its place back.
    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Refusal> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| Refusal::Busy)?;
        let slot = Arc::clone(&self.slots).acquire_owned().await.map_err(|_| Refusal::Busy)?;
        let work = move || {
            let done = work();
            // They are held until the work is done, even if nobody waits for it any more.
            drop((place, slot));
            done
        };
        let job = self.lane.submit(Priority::High, work).map_err(|_| Refusal::Busy)?;
        job.await.map_err(|error| {
            tracing::error!(%error, "a password was not checked");
            Refusal::Busy
        })
    }
}

impl Shared {
    fn argon2(&self) -> Argon2<'static> {
        Argon2::new(Algorithm::Argon2id, Version::V0x13, self.params.clone())
    }

    fn hash(&self, password: &str) -> Result<Password, Refusal> {
        let salt = random::bytes::<SALT_LENGTH>()?;
        self.computed.fetch_add(1, Ordering::Relaxed);
        let hash = self.argon2().hash_password_with_salt(prepare(password).as_bytes(), &salt);
        // It fails only for parameters that were checked when this was made, or without memory.
        let hash = hash.map_err(|error| std::io::Error::other(error.to_string()))?;
        Ok(Password { argon2: hash.to_string(), scram: self.scram(password)? })
    }

    fn scram(&self, password: &str) -> Result<Option<Scram>, Refusal> {
        let Some(iterations) = self.scram else { return Ok(None) };
        let keys = Keys::derive(password, random::bytes::<SALT_LENGTH>()?.to_vec(), iterations);
        let (salt, iterations) = (keys.salt, keys.iterations.get());
        Ok(Some(Scram { salt, iterations, stored_key: keys.stored_key, server_key: keys.server_key }))
    }

    /// Whether this is the hash of a password, by the parameters that stand in the hash.
    fn fits(&self, password: &str, hash: &str) -> bool {
        use argon2::password_hash::PasswordVerifier;
        self.computed.fetch_add(1, Ordering::Relaxed);
        self.argon2().verify_password(prepare(password).as_bytes(), hash).is_ok()
    }

    fn check(&self, password: &str, kept: Password) -> Result<Checked, Refusal> {
        if !self.fits(password, &kept.argon2) {
            return Ok(Checked::Wrong);
        }
        if !self.is_current(&kept.argon2) {
            return Ok(Checked::Right(Some(self.hash(password)?)));
        }
        let iterations = kept.scram.as_ref().map(|keys| keys.iterations);
        if iterations == self.scram.map(NonZeroU32::get) {
            return Ok(Checked::Right(None));
        }
        Ok(Checked::Right(Some(Password { scram: self.scram(password)?, ..kept })))
    }

    /// Whether a hash has the parameters of today.
    fn is_current(&self, hash: &str) -> bool {
        let Ok(hash) = PasswordHash::new(hash) else { return false };
        let same = |params: Params| {
            let costs = |params: &Params| (params.m_cost(), params.t_cost(), params.p_cost());
            costs(&params) == costs(&self.params)
        };
        hash.algorithm == Algorithm::Argon2id.ident()
            && hash.version == Some(Version::V0x13.into())
            && Params::try_from(&hash).is_ok_and(same)
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;

    use super::*;
    use crate::net::workers::BlockingConfig;

    fn hashing() -> Hashing {
        Hashing { memory: 8, passes: 1, scram: NonZeroU32::new(4), at_once: 1, waiting: 1 }
    }

    fn lane() -> Blocking {
        Blocking::new(BlockingConfig { threads: 1, queue: 8 })
    }

    fn hasher(hashing: Hashing) -> Hasher {
        Hasher::new(lane(), hashing).unwrap()
    }

    #[tokio::test]
    async fn a_password_and_others() {
        let hasher = hasher(hashing());
        let kept = hasher.hash("I\u{ad}X marks".into()).await.unwrap();
        assert!(kept.argon2.starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{}", kept.argon2);
        for (password, expected) in
            [("IX marks", Checked::Right(None)), ("IX mark", Checked::Wrong), ("", Checked::Wrong)]
        {
            assert_eq!(
                hasher.check(password.into(), Some(kept.clone())).await.unwrap(),
                expected,
                "{password}"
            );
        }
        let again = hasher.hash("IX marks".into()).await.unwrap();
        assert!(again.argon2 != kept.argon2 && again.scram != kept.scram, "each has a salt of its own");
        let broken = Password { argon2: "x".into(), scram: None };
        assert_eq!(hasher.check("x".into(), Some(broken)).await.unwrap(), Checked::Wrong);
    }

    /// What is kept is renewed when it was made by other parameters.
    #[tokio::test]
    async fn old_hashes_are_renewed() {
        let old = hasher(hashing()).hash("secret".into()).await.unwrap();
        let rounds = NonZeroU32::new;
        let rows = [
            (hashing(), false, false),
            (Hashing { memory: 16, ..hashing() }, true, true),
            (Hashing { passes: 2, ..hashing() }, true, true),
            (Hashing { scram: rounds(5), ..hashing() }, false, true),
            (Hashing { scram: None, ..hashing() }, false, true),
        ];
        for (hashing, other_hash, other_keys) in rows {
            let hasher = hasher(hashing);
            let before = hasher.computed();
            let Checked::Right(new) = hasher.check("secret".into(), Some(old.clone())).await.unwrap() else {
                panic!("{hashing:?}");
            };
            assert_eq!(hasher.computed() - before, 1 + u64::from(other_hash), "{hashing:?}");
            assert_eq!(new.is_some(), other_keys, "{hashing:?}");
            let Some(new) = new else { continue };
            assert_eq!(new.argon2 != old.argon2, other_hash, "{hashing:?}");
            assert_eq!(new.scram.as_ref().map(|keys| keys.iterations), hashing.scram.map(NonZeroU32::get));
            assert_eq!(hasher.check("secret".into(), Some(new)).await.unwrap(), Checked::Right(None));
        }
        let without = Password { scram: None, ..old };
        let Checked::Right(Some(new)) =
            hasher(hashing()).check("secret".into(), Some(without.clone())).await.unwrap()
        else {
            panic!("keys of SCRAM are made at the next login");
        };
        assert!(new.scram.is_some() && new.argon2 == without.argon2);
    }

    #[tokio::test]
    async fn the_decoy_costs_what_a_password_costs() {
        let hasher = hasher(hashing());
        for password in ["", "secret"] {
            let before = hasher.computed();
            assert_eq!(hasher.check(password.into(), None).await.unwrap(), Checked::Wrong);
            assert_eq!(hasher.computed() - before, 1);
        }
        assert!(hasher.shared.is_current(&hasher.decoy), "{}", hasher.decoy);
    }

    #[tokio::test]
    async fn those_who_wait_are_bounded() {
        let lane = lane();
        let hasher = Hasher::new(lane.clone(), hashing()).unwrap();
        let (release, gate) = std::sync::mpsc::channel::<()>();
        let blocked = lane.submit(Priority::High, move || gate.recv().is_err()).unwrap();
        let mut checks = [(); 2].map(|()| Box::pin(hasher.check("x".into(), None)));
        for check in &mut checks {
            assert!(futures_util::poll!(check.as_mut()).is_pending());
        }
        assert!(matches!(hasher.check("x".into(), None).await, Err(Refusal::Busy)));
        let [first, second] = checks;
        drop(second);
        let mut third = Box::pin(hasher.check("x".into(), None));
        assert!(futures_util::poll!(third.as_mut()).is_pending(), "a place was given back");
        drop(release);
        assert!(blocked.await.unwrap());
        assert_eq!(first.await.unwrap(), Checked::Wrong);
        assert_eq!(third.await.unwrap(), Checked::Wrong);
        assert_eq!(hasher.computed(), 2);
        assert_send(hasher.check("x".into(), None));
    }

    fn assert_send(_: impl Future + Send) {}

    #[test]
    fn parameters_that_are_none() {
        for hashing in [Hashing { memory: 7, ..hashing() }, Hashing { passes: 0, ..hashing() }] {
            let error = Hasher::new(lane(), hashing).unwrap_err().to_string();
            assert!(error.starts_with("passwords cannot be hashed with "), "{error}");
        }
    }
}
