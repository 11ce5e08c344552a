//! Which torrents run: those that are wanted, in the order of the queue, as many at a time as the settings say.

/// A torrent that may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Candidate<T> {
    pub(super) id: T,
    /// Its place in the queue.
    pub(super) position: usize,
    /// Whether all that is wanted is there.
    pub(super) complete: bool,
}

/// Those that run. A limit of 0 is none.
pub(super) fn running<T: Copy>(mut candidates: Vec<Candidate<T>>, downloads: usize, seeds: usize) -> Vec<T> {
    candidates.sort_by_key(|candidate| candidate.position);
    let [mut fetched, mut shared] = [0, 0];
    let runs = candidates.into_iter().filter(|candidate| {
        let (count, most) = if candidate.complete { (&mut shared, seeds) } else { (&mut fetched, downloads) };
        *count += 1;
        most == 0 || *count <= most
    });
    runs.map(|candidate| candidate.id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_each_kind_run() {
        let candidate = |(id, position, complete)| Candidate { id, position, complete };
        let all = [('a', 3, false), ('b', 1, true), ('c', 0, false), ('d', 2, false), ('e', 4, true)];
        let all: Vec<_> = all.into_iter().map(candidate).collect();
        for (downloads, seeds, expected) in [(2, 0, "cbde"), (1, 1, "cb"), (0, 0, "cbdae"), (3, 1, "cbda")] {
            let runs: String = running(all.clone(), downloads, seeds).into_iter().collect();
            assert_eq!(runs, expected, "{downloads} {seeds}");
        }
    }
}
