//! The order of a listing: directories first, then by what `?sort=` and `&order=` ask for.

use std::cmp::Ordering;

use super::read::Item;

/// What a listing is sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum By {
    #[default]
    Name,
    Size,
    Time,
}

impl By {
    pub(super) const ALL: [Self; 3] = [Self::Name, Self::Size, Self::Time];

    /// Its name in a query.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Size => "size",
            Self::Time => "time",
        }
    }
}

/// An order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) by: By,
    pub(super) descending: bool,
}

impl Order {
    /// The order that a query asks for; what it does not say, or not understandably, is as by default.
    pub(super) fn of(query: Option<&str>) -> Self {
        let mut order = Self::default();
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            match &*name {
                "sort" => {
                    let known = By::ALL.into_iter().find(|by| by.name() == value);
                    order.by = known.unwrap_or_default();
                }
                "order" => order.descending = value == "desc",
                _ => {}
            }
        }
        order
    }

    /// The query for this order.
    pub(super) fn query(self) -> String {
        let direction = if self.descending { "desc" } else { "asc" };
        format!("?sort={}&order={direction}", self.by.name())
    }

    /// Sorts. Directories come first either way, and by name when sorted by size, for they have none.
    pub(super) fn sort(self, items: &mut [Item]) {
        items.sort_by(|one, other| {
            let by_name = natural(&one.name, &other.name).then_with(|| one.name.cmp(&other.name));
            let asked = match self.by {
                By::Name => by_name,
                By::Size if one.directory => by_name,
                By::Size => one.size.cmp(&other.size).then(by_name),
                By::Time => one.modified.cmp(&other.modified).then(by_name),
            };
            let directed = if self.descending { asked.reverse() } else { asked };
            other.directory.cmp(&one.directory).then(directed)
        });
    }
}

/// How people sort names: without regard to case, and numbers by their value.
fn natural(mut one: &[u8], mut other: &[u8]) -> Ordering {
    loop {
        let (Some((first, rest)), Some((second, remainder))) = (one.split_first(), other.split_first())
        else {
            return one.len().cmp(&other.len());
        };
        let order = if first.is_ascii_digit() && second.is_ascii_digit() {
            let ((a, after_a), (b, after_b)) = (number(one), number(other));
            (one, other) = (after_a, after_b);
            a.len().cmp(&b.len()).then_with(|| a.cmp(b))
        } else {
            (one, other) = (rest, remainder);
            first.to_ascii_lowercase().cmp(&second.to_ascii_lowercase())
        };
        if order.is_ne() {
            return order;
        }
    }
}

/// The digits at the front, without leading zeros, and what follows them.
fn number(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    let zeros = digits.iter().take_while(|&&digit| digit == b'0').count();
    (&digits[zeros..], rest)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    fn sorted(order: Order, items: &[(&str, bool, u64, u64)]) -> Vec<String> {
        let mut items: Vec<Item> = items
            .iter()
            .map(|&(name, directory, size, seconds)| Item {
                name: name.into(),
                directory,
                size,
                modified: SystemTime::UNIX_EPOCH + Duration::from_secs(seconds),
            })
            .collect();
        order.sort(&mut items);
        let text = |item: Item| String::from_utf8(item.name).unwrap();
        items.into_iter().map(text).collect()
    }

    #[test]
    fn directories_come_first_in_every_order() {
        let items = [
            ("b", false, 30, 1),
            ("a", false, 10, 3),
            ("y", true, 7, 2),
            ("c", false, 20, 2),
            ("x", true, 9, 1),
        ];
        for (query, expected) in [
            (None, "x y a b c"),
            (Some("sort=name&order=desc"), "y x c b a"),
            (Some("sort=size"), "x y a c b"),
            (Some("sort=size&order=desc"), "y x b c a"),
            (Some("sort=time"), "x y b c a"),
            (Some("order=desc&sort=time"), "y x a c b"),
        ] {
            assert_eq!(sorted(Order::of(query), &items).join(" "), expected, "{query:?}");
        }
    }

    #[test]
    fn names_sort_as_people_do() {
        let expected = ["A1", "a2", "a02x", "a10", "B", "b1", "file9.txt", "file10.txt", "\u{e9}"];
        let mut items = expected.map(|name| (name, false, 0, 0));
        items.reverse();
        assert_eq!(sorted(Order::default(), &items), expected);
    }

    #[test]
    fn a_query_that_makes_no_sense_is_the_default() {
        for query in ["", "sort", "sort=&order=", "sort=colour", "order=DESC", "&&=&%", "x=1"] {
            assert_eq!(Order::of(Some(query)), Order::default(), "{query}");
        }
        for by in By::ALL {
            for descending in [false, true] {
                let order = Order { by, descending };
                let query = order.query();
                assert_eq!(Order::of(query.strip_prefix('?')), order, "{query}");
            }
        }
    }
}
