//! Who was here under which name: `WHOWAS`, for a while. Users of other nodes are among them, as each node hears of those who go.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::House;
use super::told::Presence;
use super::user::{Face, User};
use crate::proto::chat::id::Millis;

/// Names that are remembered at most: the oldest is forgotten. Ergo 100.
const MAX_GONE: usize = 1000;

/// Somebody who has gone, or who is called otherwise now.
#[derive(Clone, Debug)]
pub struct Gone {
    /// What that one looked like last.
    pub face: Face,
    /// When it went, in ms since 1970.
    pub at: Millis,
}

/// Those who were here, the last one first.
#[derive(Debug, Default)]
pub(super) struct Past(Mutex<VecDeque<Gone>>);

impl Past {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Gone>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl House {
    /// Somebody goes, or has another name from now on. Whoever is not to be seen has gone before, and nobody learns that it was here since.
    pub(super) fn note_gone(&self, user: &User, face: &Face) {
        if user.presence().0 == Presence::Offline {
            return;
        }
        let gone = Gone { face: face.clone(), at: self.now() };
        let mut past = self.0.past.lock();
        if past.len() >= MAX_GONE {
            past.pop_back();
        }
        past.push_front(gone);
    }

    /// Those who were here and whom `is` fits, the last one first, and `count` at most.
    #[must_use]
    pub fn gone(&self, is: impl Fn(&Face) -> bool, count: usize) -> Vec<Gone> {
        self.0.past.lock().iter().filter(|gone| is(&gone.face)).take(count).cloned().collect()
    }
}
