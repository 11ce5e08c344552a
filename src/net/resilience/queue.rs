//! Calls that wait for a place, in the order in which they came.
//!
//! A [`Queue`] is the pure part: a list of bounded length that gives its entries back in order, and from which any can leave at any time, as a caller that
//! has waited long enough does. What the calls wait for, and who is told, its owner knows. Two rules make an owner fair, and lose no place: a
//! call that arrives while others wait joins behind them, even if there is a place at that moment; and whenever there may be a place (one
//! was given back, an endpoint came up, a limit was raised) the first is served, again and again, until there is none or nobody waits.
//! Both are easy under one lock around the queue and the count of places.

use std::collections::VecDeque;

/// Calls that wait.
#[derive(Debug)]
pub struct Queue<T> {
    /// In the order of their tickets.
    waiting: VecDeque<(Ticket, T)>,
    next: u64,
    most: usize,
}

/// What an entry is told from others by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(u64);

impl<T> Queue<T> {
    /// An empty queue of at most `most` entries.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { waiting: VecDeque::new(), next: 0, most }
    }

    /// Sets how many entries there may be. Those that are there already stay.
    pub fn set_most(&mut self, most: usize) {
        self.most = most;
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether nobody waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Puts an entry at the end.
    ///
    /// # Errors
    /// The queue is full; the entry comes back.
    pub fn join(&mut self, entry: T) -> Result<Ticket, T> {
        if self.waiting.len() >= self.most {
            return Err(entry);
        }
        let ticket = Ticket(self.next);
        self.next += 1;
        self.waiting.push_back((ticket, entry));
        Ok(ticket)
    }

    /// Takes an entry out, wherever it stands; `None` if it was served already.
    pub fn leave(&mut self, ticket: Ticket) -> Option<T> {
        let place = self.waiting.binary_search_by_key(&ticket, |(ticket, _)| *ticket).ok()?;
        self.waiting.remove(place).map(|(_, entry)| entry)
    }

    /// The entry at a place, counted from the front, for owners some of whose entries wait for one endpoint alone and are passed over until that has room.
    #[must_use]
    pub fn get(&self, place: usize) -> Option<&T> {
        self.waiting.get(place).map(|(_, entry)| entry)
    }

    /// Takes the entry at a place out, to serve it.
    pub fn take(&mut self, place: usize) -> Option<T> {
        self.waiting.remove(place).map(|(_, entry)| entry)
    }

    /// Those that wait, in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.waiting.iter().map(|(_, entry)| entry)
    }

    /// The entry that is served next.
    #[must_use]
    pub fn first(&self) -> Option<&T> {
        self.waiting.front().map(|(_, entry)| entry)
    }

    /// Takes the first entry out, to serve it.
    pub fn serve(&mut self) -> Option<T> {
        self.waiting.pop_front().map(|(_, entry)| entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_length_and_leaving() {
        let mut queue = Queue::new(3);
        assert!(queue.is_empty() && queue.serve().is_none() && queue.first().is_none());
        let tickets: Vec<_> = "abc".chars().map(|name| queue.join(name).unwrap()).collect();
        assert_eq!((queue.join('d'), queue.len()), (Err('d'), 3));
        assert_eq!(queue.leave(tickets[1]), Some('b'));
        assert_eq!(queue.leave(tickets[1]), None, "once");
        assert_eq!(queue.first(), Some(&'a'));
        assert_eq!(queue.serve(), Some('a'));
        assert_eq!(queue.leave(tickets[0]), None, "who was served cannot leave");
        let last = queue.join('e').unwrap();
        assert_eq!((queue.serve(), queue.leave(last), queue.len()), (Some('c'), Some('e'), 0));
        queue.set_most(0);
        assert_eq!(queue.join('f'), Err('f'));
    }

    /// Places behind a queue, by the two rules of the module.
    struct Places {
        free: usize,
        queue: Queue<u32>,
        /// Who has a place, in the order of service.
        served: Vec<u32>,
        holding: Vec<u32>,
    }

    impl Places {
        fn serve(&mut self) {
            while self.free > 0
                && let Some(caller) = self.queue.serve()
            {
                self.free -= 1;
                self.served.push(caller);
                self.holding.push(caller);
            }
        }
    }

    /// Callers that come, give up and finish in any order: nobody overtakes, no place is lost or given twice, and nobody waits beside a free place.
    #[test]
    fn every_history_is_fair_and_loses_no_place() {
        for seed in 0..200 {
            let mut random = fastrand::Rng::with_seed(seed);
            let all = random.usize(1..4);
            let most = random.usize(0..6);
            let mut places =
                Places { free: all, queue: Queue::new(most), served: Vec::new(), holding: Vec::new() };
            let mut waiting: Vec<(u32, Ticket)> = Vec::new();
            for caller in 0..300 {
                match random.u8(0..5) {
                    // Somebody comes. Without a queue there is only a free place.
                    0..=1 => {
                        if places.queue.is_empty() && places.free > 0 {
                            places.free -= 1;
                            places.served.push(caller);
                            places.holding.push(caller);
                        } else if let Ok(ticket) = places.queue.join(caller) {
                            waiting.push((caller, ticket));
                        } else {
                            assert_eq!(places.queue.len(), most, "refused beside room in the queue");
                        }
                    }
                    // Somebody who waits gives up.
                    2 if !waiting.is_empty() => {
                        let (caller, ticket) = waiting.swap_remove(random.usize(..waiting.len()));
                        assert_eq!(places.queue.leave(ticket), Some(caller));
                    }
                    // Somebody is through.
                    _ if !places.holding.is_empty() => {
                        places.holding.swap_remove(random.usize(..places.holding.len()));
                        places.free += 1;
                    }
                    _ => {}
                }
                places.serve();
                waiting.retain(|(caller, _)| {
                    !places.holding.contains(caller) && !places.served.contains(caller)
                });
                assert_eq!(places.free + places.holding.len(), all);
                assert!(places.free == 0 || places.queue.is_empty(), "somebody waits beside a free place");
                assert_eq!(places.queue.len(), waiting.len());
            }
            assert!(places.served.is_sorted(), "somebody overtook: {:?}", places.served);
        }
    }
}
