//! Text for PostgreSQL's full-text search, cut as SQLite's index cuts it.
//!
//! PostgreSQL's own parser takes `fox-like`, addresses and paths for words of a kind, and knows words of no script without spaces. So the
//! words are cut here: letters and digits, without case and diacritics, and characters of scripts without spaces one by one. What PostgreSQL gets is a
//! `tsvector` that is ready. Each has the number of its room as a word, too, so that the index finds the words of a room.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

use super::super::words::{indexed, typed_words};
use super::row::RoomN;

/// Words of a text that are indexed: PostgreSQL knows no positions beyond.
const MAX_WORDS: usize = 16_383;

/// Bytes of words that are indexed of a text. A `tsvector` may have 1 MiB.
const MAX_BYTES: usize = 256 * 1024;

/// Bytes of a word; the rest of it does not count. PostgreSQL's limit is 2 KiB.
const MAX_WORD: usize = 512;

/// Positions of one word in a text: PostgreSQL keeps no more.
const MAX_POSITIONS: usize = 255;

/// The words of a text, in their order.
fn words(text: &str) -> impl Iterator<Item = String> {
    let folded: String = indexed(text)
        .nfd()
        .filter(|char| !is_combining_mark(*char))
        .flat_map(char::to_lowercase)
        .filter(|char| !is_combining_mark(*char))
        .map(|char| if char.is_alphanumeric() { char } else { ' ' })
        .collect();
    let words: Vec<String> = folded.split(' ').filter(|word| !word.is_empty()).map(cut).collect();
    words.into_iter()
}

fn cut(word: &str) -> String {
    word[..word.floor_char_boundary(MAX_WORD)].to_owned()
}

/// What is indexed of a message, as text of a `tsvector`; `None` if there is nothing.
pub(super) fn vector(room: RoomN, text: &str) -> Option<String> {
    if text.is_empty() {
        return None;
    }
    let mut positions: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let mut bytes = 0;
    for (at, word) in (1..=MAX_WORDS).zip(words(text)) {
        bytes += word.len() + 8;
        if bytes > MAX_BYTES {
            break;
        }
        let all = positions.entry(word).or_default();
        if all.len() < MAX_POSITIONS {
            all.push(at);
        }
    }
    let mut vector = format!("'#{room}'");
    for (word, positions) in &positions {
        let places: Vec<String> = positions.iter().map(usize::to_string).collect();
        // Words are letters and digits: there is nothing to escape. Writing into a string cannot fail.
        let _ = write!(vector, " '{word}':{}", places.join(","));
    }
    Some(vector)
}

/// What is asked for words that were typed, in these rooms, as text of a `tsquery`; `None` if nothing can be found.
pub(super) fn question(rooms: &[RoomN], typed: &str) -> Option<String> {
    let mut parts = Vec::new();
    for (phrase, prefix) in typed_words(typed) {
        let mut words: Vec<String> = words(&phrase).map(|word| format!("'{word}'")).collect();
        let last = words.last_mut()?;
        if prefix {
            last.push_str(":*");
        }
        parts.push(format!("({})", words.join(" <-> ")));
    }
    if parts.is_empty() || rooms.is_empty() {
        return None;
    }
    let rooms: Vec<String> = rooms.iter().map(|room| format!("'#{room}'")).collect();
    Some(format!("({}) & {}", rooms.join(" | "), parts.join(" & ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_vectors() {
        let rows = [
            ("", None),
            ("...", Some("'#7'")),
            ("The fox, the FOX", Some("'#7' 'fox':2,4 'the':1,3")),
            ("Crème brûlée fox-like", Some("'#7' 'brulee':2 'creme':1 'fox':3 'like':4")),
            ("日本 x", Some("'#7' 'x':3 '日':1 '本':2")),
            ("it's '\\", Some("'#7' 'it':1 's':2")),
        ];
        for (text, expected) in rows {
            assert_eq!(vector(7, text).as_deref(), expected, "{text:?}");
        }
        let long = vector(7, &"word ".repeat(100_000)).unwrap();
        assert_eq!(long.matches(',').count(), MAX_POSITIONS - 1);
        assert!(vector(7, &"é".repeat(100_000)).unwrap().len() < MAX_WORD + 20);
        let many: String = (0..100_000).map(|n| format!("w{n} ")).collect();
        assert!(vector(7, &many).unwrap().len() < 2 * MAX_BYTES);
    }

    #[test]
    fn typed_words_become_questions() {
        let rows = [
            ("", None),
            ("'' & | !", None),
            ("one", Some("('#1' | '#2') & ('one')")),
            ("one TWO*", Some("('#1' | '#2') & ('one') & ('two':*)")),
            ("\"one two\" x", Some("('#1' | '#2') & ('one' <-> 'two') & ('x')")),
            ("日本", Some("('#1' | '#2') & ('日' <-> '本')")),
            ("it's", Some("('#1' | '#2') & ('it' <-> 's')")),
        ];
        for (typed, expected) in rows {
            assert_eq!(question(&[1, 2], typed).as_deref(), expected, "{typed:?}");
        }
        assert_eq!(question(&[], "one"), None);
    }
}
