//! Names: of accounts and of who has none (nicknames), and of rooms.
//!
//! A nickname is also the name of an account. It follows RFC 2812, section 2.3.1, so that every IRC client can write it, but may begin
//! with a digit: no server of IRC links to this one, where that would be a user's number. A room's name
//! begins with `#`, and may hold any script. Names that differ in ASCII case only are one name (`CASEMAPPING=ascii`); what is shown is
//! how its owner writes it.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Bytes of a nickname at most. Ergo 32, Libera 16.
pub const MAX_NICK: usize = 32;

/// Bytes of a room's name at most, with its `#`. Ergo 64, Libera 50.
pub const MAX_ROOM_NAME: usize = 64;

/// Why it is no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAName {
    /// Nothing.
    #[error("it is empty")]
    Empty,
    /// Longer than [`MAX_NICK`] or [`MAX_ROOM_NAME`].
    #[error("it is longer than {0} bytes")]
    Long(usize),
    /// A nickname that begins with a hyphen.
    #[error("it begins with a hyphen")]
    Start,
    /// A room's name that does not begin with `#`.
    #[error("it does not begin with #")]
    Hash,
    /// A character that cannot be part of it.
    #[error("{0:?} cannot be part of it")]
    Character(char),
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $check:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name(Arc<str>);

        impl $name {
            /// As its owner writes it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// In lower case: equal for names that are the same. Most are written so, and then no memory is needed.
            #[must_use]
            pub fn folded(&self) -> Arc<str> {
                match self.0.bytes().any(|byte| byte.is_ascii_uppercase()) {
                    true => self.0.to_ascii_lowercase().into(),
                    false => Arc::clone(&self.0),
                }
            }
        }

        impl FromStr for $name {
            type Err = NotAName;

            fn from_str(text: &str) -> Result<Self, NotAName> {
                $check(text)?;
                Ok(Self(text.into()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.0.eq_ignore_ascii_case(&other.0)
            }
        }

        impl Eq for $name {}

        impl Hash for $name {
            fn hash<H: Hasher>(&self, state: &mut H) {
                self.0.bytes().for_each(|byte| state.write_u8(byte.to_ascii_lowercase()));
                state.write_u8(0xff);
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

name!(
    /// The name of an account, or of somebody who has none.
    Nick,
    check_nick
);
name!(
    /// The name of a room.
    RoomName,
    check_room
);

fn check_nick(text: &str) -> Result<(), NotAName> {
    let first = text.bytes().next().ok_or(NotAName::Empty)?;
    if text.len() > MAX_NICK {
        return Err(NotAName::Long(MAX_NICK));
    }
    if first == b'-' {
        return Err(NotAName::Start);
    }
    let fits = |found: char| found.is_ascii_alphanumeric() || "-[]\\`^{}|_".contains(found);
    text.chars().find(|found| !fits(*found)).map_or(Ok(()), |found| Err(NotAName::Character(found)))
}

fn check_room(text: &str) -> Result<(), NotAName> {
    let rest =
        text.strip_prefix('#').ok_or(if text.is_empty() { NotAName::Empty } else { NotAName::Hash })?;
    if text.len() > MAX_ROOM_NAME {
        return Err(NotAName::Long(MAX_ROOM_NAME));
    }
    if rest.is_empty() {
        return Err(NotAName::Empty);
    }
    // A comma separates names, a colon begins the last parameter of IRC, and * and ? stand in masks.
    let fits = |found: char| {
        !found.is_control() && !found.is_whitespace() && !",:*?".contains(found) && !is_invisible(found)
    };
    rest.chars().find(|found| !fits(*found)).map_or(Ok(()), |found| Err(NotAName::Character(found)))
}

/// Characters that nobody sees, or that turn the direction of others: two names would look the same.
fn is_invisible(found: char) -> bool {
    matches!(found, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn nicknames() {
        let long = "a".repeat(MAX_NICK);
        for text in ["a", "Alice", "[x]", "a-1", "_", "`^{|}\\", "1", "1a", &long] {
            assert_eq!(text.parse::<Nick>().unwrap().as_str(), text);
        }
        let too_long = "a".repeat(MAX_NICK + 1);
        let rows = [
            ("", NotAName::Empty),
            (&too_long, NotAName::Long(MAX_NICK)),
            ("-a", NotAName::Start),
            ("a b", NotAName::Character(' ')),
            ("a!b", NotAName::Character('!')),
            ("a@b", NotAName::Character('@')),
            ("#a", NotAName::Character('#')),
            ("a*", NotAName::Character('*')),
            ("a\0", NotAName::Character('\0')),
            ("zoë", NotAName::Character('ë')),
        ];
        for (text, expected) in rows {
            assert_eq!(text.parse::<Nick>(), Err(expected), "{text:?}");
        }
    }

    #[test]
    fn names_of_rooms() {
        for text in ["#a", "##", "#1", "#日本語", "#a.b@c!"] {
            assert_eq!(text.parse::<RoomName>().unwrap().as_str(), text);
        }
        let too_long = format!("#{}", "a".repeat(MAX_ROOM_NAME));
        let rows = [
            ("", NotAName::Empty),
            ("#", NotAName::Empty),
            ("a", NotAName::Hash),
            ("&a", NotAName::Hash),
            (&too_long, NotAName::Long(MAX_ROOM_NAME)),
            ("#a b", NotAName::Character(' ')),
            ("#a,b", NotAName::Character(',')),
            ("#a\x07", NotAName::Character('\x07')),
            ("#a:", NotAName::Character(':')),
            ("#a*", NotAName::Character('*')),
            ("#a\u{202e}b", NotAName::Character('\u{202e}')),
            ("#a\u{a0}b", NotAName::Character('\u{a0}')),
        ];
        for (text, expected) in rows {
            assert_eq!(text.parse::<RoomName>(), Err(expected), "{text:?}");
        }
    }

    #[test]
    fn ascii_case_does_not_count() {
        let names: HashSet<Nick> =
            ["Alice", "alice", "ALICE", "bob"].map(|name| name.parse().unwrap()).into();
        assert_eq!(names.len(), 2);
        let rooms: HashSet<RoomName> = ["#Ä", "#ä", "#A", "#a"].map(|name| name.parse().unwrap()).into();
        assert_eq!(rooms.len(), 3);
        assert_eq!("Alice".parse::<Nick>().unwrap().folded().as_ref(), "alice");
    }
}
