//! What accounts and guests say to each other: it is in no log, and the account may still ask for it by CHATHISTORY while the server runs.
//!
//! It is kept for the account alone, by the name that the other one had. A guest who takes that name later, or makes an account of it,
//! asks for what it has said itself, and finds nothing here.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::proto::chat::event::Event;
use crate::proto::chat::id::{AccountId, Millis};
use crate::server::chat::store::history::{Part, Place};

/// Talks that are remembered: the one that was silent for the longest time is forgotten.
const MAX_TALKS: usize = 1000;

/// Messages of a talk that are remembered.
const MAX_MESSAGES: usize = 100;

/// Talks, by account and the other one's folded name.
#[derive(Debug, Default)]
pub(super) struct Whispers(Mutex<HashMap<(AccountId, String), Talk>>);

/// What an account and somebody have said to each other.
#[derive(Debug, Default)]
struct Talk {
    /// The other one's name, as it was written last.
    with: String,
    events: VecDeque<Event>,
}

impl Whispers {
    fn lock(&self) -> MutexGuard<'_, HashMap<(AccountId, String), Talk>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers a message, for one of the two.
    pub(super) fn keep(&self, account: AccountId, with: &str, event: Event) {
        let key = (account, with.to_ascii_lowercase());
        let mut talks = self.lock();
        if talks.len() >= MAX_TALKS && !talks.contains_key(&key) {
            let silent = talks.iter().min_by_key(|(_, talk)| talk.events.back().map(|event| event.id));
            if let Some(silent) = silent.map(|(key, _)| key.clone()) {
                talks.remove(&silent);
            }
        }
        let talk = talks.entry(key).or_default();
        with.clone_into(&mut talk.with);
        if talk.events.len() >= MAX_MESSAGES {
            talk.events.pop_front();
        }
        talk.events.push_back(event);
    }

    /// A part of a talk, the oldest message first.
    pub(super) fn page(&self, account: AccountId, with: &str, part: Part, limit: usize) -> Vec<Event> {
        let talks = self.lock();
        let Some(talk) = talks.get(&(account, with.to_ascii_lowercase())) else { return Vec::new() };
        let all: Vec<Event> = talk.events.iter().cloned().collect();
        drop(talks);
        cut(all, part, limit)
    }

    /// With whom an account has talked, and when the last word was said.
    pub(super) fn talks(&self, account: AccountId) -> Vec<(Millis, String)> {
        let talks = self.lock();
        let own = talks.iter().filter(|((whose, _), _)| *whose == account);
        own.filter_map(|(_, talk)| Some((talk.events.back()?.id.time(), talk.with.clone()))).collect()
    }
}

/// The part that is asked for.
fn cut(all: Vec<Event>, part: Part, limit: usize) -> Vec<Event> {
    let before = |place: Place| {
        move |event: &Event| match place {
            Place::Time(at) => event.id.time() < at,
            Place::Id(id) => event.id < id,
            // These have no numbers.
            Place::Seq(seq) => event.seq < seq,
        }
    };
    let after = |place: Place| {
        move |event: &Event| match place {
            Place::Time(at) => event.id.time() > at,
            Place::Id(id) => event.id > id,
            Place::Seq(seq) => event.seq > seq,
        }
    };
    let last = |mut found: Vec<Event>| found.split_off(found.len().saturating_sub(limit));
    let first = |mut found: Vec<Event>| {
        found.truncate(limit);
        found
    };
    let kept = |test: &dyn Fn(&Event) -> bool| all.iter().filter(|event| test(event)).cloned().collect();
    match part {
        Part::Latest => last(all),
        Part::LatestAfter(place) => last(kept(&after(place))),
        Part::Before(place) => last(kept(&before(place))),
        Part::After(place) => first(kept(&after(place))),
        Part::Around(place) => {
            let earlier: Vec<Event> = kept(&before(place));
            let from = earlier.len().saturating_sub(limit / 2);
            first(all.into_iter().skip(from).collect())
        }
        Part::Between(one, other) => {
            let between = |from: Place, to: Place| kept(&|event| after(from)(event) && before(to)(event));
            let found = between(one, other);
            if found.is_empty() { last(between(other, one)) } else { first(found) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::chat::event::{Author, Change, Message};
    use crate::proto::chat::id::{MessageId, RoomId};

    fn event(at: u64) -> Event {
        let by = Author { nick: "ann".parse().unwrap(), account: None, user: "u".into(), host: "h".into() };
        let change = Change::Message(Message { text: at.to_string(), ..Message::default() });
        Event { room: RoomId(0), seq: 0, id: MessageId::new(at, 0), by, change }
    }

    #[test]
    fn parts_are_those_of_a_log() {
        let (time, id) = (Place::Time, |at| Place::Id(MessageId::new(at, 0)));
        let rows: [(Part, usize, &[u64]); 13] = [
            (Part::Latest, 9, &[1, 2, 3, 4, 5]),
            (Part::Latest, 2, &[4, 5]),
            (Part::LatestAfter(id(2)), 9, &[3, 4, 5]),
            (Part::LatestAfter(time(2)), 2, &[4, 5]),
            (Part::Before(id(4)), 2, &[2, 3]),
            (Part::Before(time(1)), 2, &[]),
            (Part::After(time(2)), 2, &[3, 4]),
            (Part::Around(id(3)), 1, &[3]),
            (Part::Around(id(3)), 3, &[2, 3, 4]),
            (Part::Between(id(1), id(5)), 2, &[2, 3]),
            (Part::Between(id(5), id(1)), 2, &[3, 4]),
            (Part::Between(time(1), time(5)), 9, &[2, 3, 4]),
            (Part::Between(time(3), time(4)), 9, &[]),
        ];
        let whispers = Whispers::default();
        let account = AccountId(7);
        (1..=5).for_each(|at| whispers.keep(account, "Bob", event(at)));
        for (part, limit, expected) in rows {
            let found = whispers.page(account, "bob", part, limit);
            let found: Vec<u64> = found.iter().map(|event| event.id.time()).collect();
            assert_eq!(found, expected, "{part:?} {limit}");
        }
        assert!(whispers.page(AccountId(8), "bob", Part::Latest, 9).is_empty());
        assert_eq!(whispers.talks(account), [(5, "Bob".to_owned())]);
    }

    #[test]
    fn what_is_remembered_has_limits() {
        let whispers = Whispers::default();
        let account = AccountId(7);
        for at in 0..MAX_MESSAGES as u64 + 5 {
            whispers.keep(account, "bob", event(at));
        }
        assert_eq!(whispers.page(account, "bob", Part::Latest, usize::MAX).len(), MAX_MESSAGES);
        for at in 0..MAX_TALKS as u64 {
            whispers.keep(account, &format!("n{at}"), event(1000 + at));
        }
        assert_eq!(whispers.talks(account).len(), MAX_TALKS);
        assert!(
            whispers.page(account, "bob", Part::Latest, 9).is_empty(),
            "the most silent one is forgotten"
        );
    }
}
