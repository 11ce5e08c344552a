//! What handlers add to the end of their calls, beside the answer or the failure.
//!
//! It is kept with the connection, by the number of the call: so a handler that adds nothing costs no memory and takes no lock. An entry is taken when its
//! call is answered. One of a call that is over already, which a task of the handler's may still leave, is dropped with the next that is taken.

use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::proto::rpc::metadata::{Metadata, MetadataError};
use crate::proto::rpc::session::ByStream;

/// The trailers of a connection's calls. Few connections have any: until then they are two words.
#[derive(Debug, Default)]
pub(super) struct Trailers {
    /// Whether there are any.
    any: AtomicBool,
    by_stream: OnceLock<Box<Mutex<ByStream<Metadata>>>>,
}

impl Trailers {
    /// Adds a name and a value to those of a call.
    pub(super) fn add(&self, stream: u32, name: &str, value: &[u8]) -> Result<(), MetadataError> {
        let by_stream = self.by_stream.get_or_init(Box::default);
        let mut by_stream = by_stream.lock().unwrap_or_else(PoisonError::into_inner);
        match by_stream.entry(stream) {
            Entry::Occupied(mut known) => {
                let more = known.get().with(name, value)?;
                known.insert(more);
            }
            Entry::Vacant(place) => {
                place.insert(Metadata::new().with(name, value)?);
            }
        }
        self.any.store(true, Ordering::Release);
        Ok(())
    }

    /// Takes those of a call that ends. Of the others `lives` tells whether their calls go on; there are so many of these.
    pub(super) fn take(&self, stream: u32, living: usize, lives: impl Fn(u32) -> bool) -> Option<Metadata> {
        if !self.any.load(Ordering::Acquire) {
            return None;
        }
        let mut by_stream = self.by_stream.get()?.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = by_stream.remove(&stream);
        if by_stream.len() > living {
            by_stream.retain(|stream, _| lives(*stream));
        }
        self.any.store(!by_stream.is_empty(), Ordering::Release);
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_calls_leave_that_are_over_is_dropped_with_the_next_that_ends() {
        let trailers = Trailers::default();
        assert_eq!(trailers.take(1, 0, |_| false), None);
        for stream in 1..=100 {
            trailers.add(stream, "n", stream.to_string().as_bytes()).unwrap();
        }
        trailers.add(7, "more", b"of it").unwrap();
        assert_eq!(trailers.add(7, "ww-mine", b""), Err(MetadataError::Reserved("ww-mine".into())));
        // Of all these only two are open beside the one that ends.
        let open = |stream| [1, 100].contains(&stream);
        let taken = trailers.take(7, 2, open).unwrap();
        assert_eq!(taken, Metadata::new().with("n", "7").unwrap().with("more", "of it").unwrap());
        assert_eq!(trailers.by_stream.get().unwrap().lock().unwrap().len(), 2);
        assert!(trailers.take(100, 1, open).is_some() && trailers.take(1, 0, open).is_some());
        assert!(!trailers.any.load(Ordering::SeqCst), "nothing is looked for any more");
    }
}
