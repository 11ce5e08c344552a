//! A table of places that is as small as it can be: two bytes each among up to 65,536 endpoints, so that more of it stays in the cache.

/// Places of endpoints.
#[derive(Clone, Debug)]
pub(super) enum Places {
    Few(Box<[u16]>),
    Many(Box<[u32]>),
}

impl Places {
    /// A table of these.
    pub(super) fn new(places: Box<[u32]>) -> Self {
        let few: Result<_, _> = places.iter().map(|place| u16::try_from(*place)).collect();
        few.map_or(Self::Many(places), Self::Few)
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Few(places) => places.len(),
            Self::Many(places) => places.len(),
        }
    }

    pub(super) fn at(&self, slot: usize) -> Option<usize> {
        match self {
            Self::Few(places) => places.get(slot).map(|place| usize::from(*place)),
            Self::Many(places) => places.get(slot).map(|place| *place as usize),
        }
    }
}

impl Default for Places {
    fn default() -> Self {
        Self::Few(Box::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out() {
        for (places, is_few) in [(&[][..], true), (&[7, 0, 65_535], true), (&[7, 65_536, 0], false)] {
            let table = Places::new(places.into());
            assert_eq!(matches!(table, Places::Few(_)), is_few, "{places:?}");
            assert_eq!(table.len(), places.len());
            let found: Vec<_> = (0..places.len()).filter_map(|slot| table.at(slot)).collect();
            assert!(found.iter().zip(places).all(|(found, place)| *found == *place as usize), "{found:?}");
            assert_eq!(table.at(places.len()), None);
        }
    }
}
