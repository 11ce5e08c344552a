//! What the comments on types say, for those who ask a server what it answers.

use super::Type;
use crate::proto::rpc::payload::private::plain;

/// A part of a type and the lines of its comment: the variant that it is part of, or nothing; its name, or nothing for a part that is known by its
/// place; the lines.
pub type Part<'a> = (&'a str, &'a str, &'a [&'a str]);

/// The comments on types, each type once. Types and parts without a comment are not there.
#[derive(Clone, Debug, Default)]
pub struct Documents {
    /// All types that were seen, by their descriptions.
    seen: Vec<String>,
    found: Vec<Document>,
}

/// The comments on a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The description of the type.
    pub of: String,
    /// What it is; empty for one without a comment.
    pub docs: String,
    /// Its parts that have a comment, with it: `field`, `Variant`, `Variant.field`, and the place, from 0, of a part without a name.
    pub parts: Vec<(String, String)>,
}

impl Documents {
    /// Adds a type: the lines of its comment, and its parts. Gives whether it is a new one, whose own types have to be added too.
    pub fn add(&mut self, of: &Type, lines: &[Option<&str>], parts: &[Part<'_>]) -> bool {
        let of = of.to_string();
        if self.seen.contains(&of) {
            return false;
        }
        self.seen.push(of.clone());
        let lines: Vec<&str> = lines.iter().flatten().copied().collect();
        let mut place = 0;
        let mut found = Vec::new();
        for (variant, name, lines) in parts {
            let name = if name.is_empty() { place.to_string() } else { plain(name) };
            place = if variant.is_empty() && !name.starts_with(|first: char| first.is_ascii_digit()) {
                0
            } else {
                place + 1
            };
            let name = if variant.is_empty() { name } else { format!("{}.{name}", plain(variant)) };
            let docs = text(lines);
            if !docs.is_empty() {
                found.push((name, docs));
            }
        }
        let docs = text(&lines);
        if !docs.is_empty() || !found.is_empty() {
            self.found.push(Document { of, docs, parts: found });
        }
        true
    }

    /// All comments that were found, in the order of their types' names.
    #[must_use]
    pub fn into_sorted(mut self) -> Vec<Document> {
        self.found.sort_by(|one, other| one.of.cmp(&other.of));
        self.found
    }
}

/// The lines of a comment, without the space that each begins with.
#[must_use]
pub fn text(lines: &[&str]) -> String {
    let lines: Vec<&str> = lines.iter().flat_map(|line| line.lines()).map(str::trim).collect();
    lines.join("\n").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::rpc::schema::Describe;

    crate::wire_types! {
        /// An order
        /// of a shop.
        #[derive(Eq)]
        struct Order {
            /// Who.
            r#type: Buyer,
            silent: u8,
            /// What, several.
            lines: Vec<Option<Both>>,
        }

        #[derive(Eq)]
        struct Both(Line, std::collections::BTreeMap<u8, [Line; 2]>);

        #[derive(Eq)]
        struct Buyer(
            u32,
            /// The second.
            String,
        );

        /// A line.
        #[derive(Eq)]
        enum Line {
            /// A thing.
            Thing {
                /// How many.
                count: u32,
            },
            Pair(
                u8,
                /// The other.
                u8,
            ),
            /// Nothing.
            Gone,
        }

        #[derive(Eq)]
        struct Silent;
    }

    #[test]
    fn comments_are_found_wherever_their_types_are() {
        let mut documents = Documents::default();
        <(Box<Order>, Silent, Both)>::document(&mut documents);
        Order::document(&mut documents);
        let found = documents.into_sorted();
        let part = |name: &str, docs: &str| (name.to_owned(), docs.to_owned());
        let names: Vec<_> = found.iter().map(|one| one.of.split(['{', '[', '(']).next().unwrap()).collect();
        assert_eq!(names, ["Buyer", "Line", "Order"], "each once, and none that says nothing");
        assert_eq!(found[0].parts, [part("1", "The second.")]);
        assert_eq!(
            found[1].parts,
            [
                part("Thing", "A thing."),
                part("Thing.count", "How many."),
                part("Pair.1", "The other."),
                part("Gone", "Nothing."),
            ]
        );
        assert_eq!(found[2].docs, "An order\nof a shop.");
        assert_eq!(found[2].parts, [part("type", "Who."), part("lines", "What, several.")]);
        assert_eq!(found[2].of, Order::describe().to_string());
    }
}
