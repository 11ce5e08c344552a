//! Who watches whom: sessions that want to know when somebody comes and goes, by nick, in the same rooms or not.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::House;
use super::told::Told;
use super::user::{Session, SessionId};
use crate::proto::chat::name::Nick;

/// Watchers, by the nick in lower case.
#[derive(Debug, Default)]
pub(super) struct Watched(Mutex<HashMap<Arc<str>, Vec<Arc<Session>>>>);

impl Watched {
    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Vec<Arc<Session>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl House {
    /// From now on the session is told when somebody of this nick comes and goes. How many it may watch is for its door to say.
    pub fn watch(&self, session: &Arc<Session>, nick: &Nick) {
        let mut watched = self.0.watched.lock();
        let watchers = watched.entry(nick.folded()).or_default();
        if !watchers.iter().any(|other| other.id == session.id) {
            watchers.push(Arc::clone(session));
        }
    }

    /// It is told no longer.
    pub fn unwatch(&self, session: SessionId, nick: &Nick) {
        let mut watched = self.0.watched.lock();
        let key = nick.folded();
        if let Some(watchers) = watched.get_mut(&key) {
            watchers.retain(|other| other.id != session);
            if watchers.is_empty() {
                watched.remove(&key);
            }
        }
    }

    /// Those who watch this nick.
    pub(super) fn watchers(&self, nick: &Nick) -> Vec<Arc<Session>> {
        self.0.watched.lock().get(&nick.folded()).cloned().unwrap_or_default()
    }

    /// Tells those who watch this nick.
    pub(super) fn tell_watchers(&self, nick: &Nick, told: &Told<'_>) {
        self.watchers(nick).iter().for_each(|session| session.tell(told));
    }
}
