//! Files that somebody was told of lately, and may name in a message that the store has not seen yet.

use std::collections::HashMap;

use super::digest::Digest;
use crate::proto::chat::id::Millis;

/// How long a file is wanted: far longer than a message takes from its check to the store.
const WANTED: Millis = 60 * 60 * 1000;

/// Entries beyond which old ones are looked for.
const FEW: usize = 1024;

/// When each was asked for last.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    files: HashMap<Digest, Millis>,
    /// Entries at which old ones are looked for next.
    next: usize,
}

impl Wanted {
    /// Somebody asks for this file.
    pub(super) fn add(&mut self, digest: Digest, now: Millis) {
        self.files.insert(digest, now);
        if self.files.len() > self.next.max(FEW) {
            self.files.retain(|_, asked| is_recent(*asked, now));
            // Looking for old ones costs as much as there are: so it is done once for each doubling.
            self.next = self.files.len() * 2;
        }
    }

    /// Whether somebody has asked for it lately.
    pub(super) fn has(&self, digest: &Digest, now: Millis) -> bool {
        self.files.get(digest).is_some_and(|asked| is_recent(*asked, now))
    }
}

fn is_recent(asked: Millis, now: Millis) -> bool {
    now.saturating_sub(asked) < WANTED
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(number: u32) -> Digest {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        Digest::new(bytes)
    }

    #[test]
    fn what_is_asked_for_is_wanted_for_an_hour() {
        let mut wanted = Wanted::default();
        wanted.add(digest(1), 1000);
        assert!(
            wanted.has(&digest(1), 1000 + WANTED - 1) && wanted.has(&digest(1), 0),
            "even if the clock goes back"
        );
        assert!(!wanted.has(&digest(1), 1000 + WANTED) && !wanted.has(&digest(2), 1000));
    }

    #[test]
    fn what_is_old_takes_no_memory() {
        let mut wanted = Wanted::default();
        for number in 0..100_000 {
            wanted.add(digest(number), Millis::from(number) * WANTED / 1000);
        }
        assert!(wanted.files.len() <= 2 * 1024 + 1, "{}", wanted.files.len());
        assert!(wanted.has(&digest(99_999), 100 * WANTED));
    }
}
