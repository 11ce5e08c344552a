//! The language of searches, and how text is cut into words.
//!
//! FTS5's tokenizer `unicode61` knows words by the spaces between them, folds case and removes diacritics. Scripts that write no spaces would be
//! one long word, so their characters are set apart beforehand, and a search for several of them is one for a phrase: what is found contains
//! them side by side. The alternative, FTS5's `trigram`, finds nothing below three characters, while most Chinese words have two, and its index
//! is larger than the text.
//!
//! What a user types never reaches FTS5 as syntax: every word is a quoted string.

use std::fmt::Write as _;

use crate::proto::chat::id::AccountId;

/// Words and phrases of a search that count; others are not looked at.
const MAX_WORDS: usize = 32;

/// Characters of a search that count.
const MAX_TEXT: usize = 1000;

/// What sets characters apart. The tokenizer takes it for a space.
pub(super) const APART: char = '\u{1f}';

/// Text as the index has it: without the formatting of IRC, and with [`APART`] between characters of scripts without spaces.
pub(super) fn indexed(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 4);
    let mut chars = text.chars().peekable();
    let mut before = ' ';
    while let Some(found) = chars.next() {
        match found {
            // Colours take up to two numbers of two digits, or of six hexadecimal ones.
            '\x03' | '\x04' => {
                let (most, radix) = if found == '\x03' { (2, 10) } else { (6, 16) };
                let digit = |next: &char| next.is_digit(radix);
                let first = (0..most).take_while(|_| chars.next_if(digit).is_some()).count();
                if first > 0 && chars.next_if_eq(&',').is_some() {
                    (0..most).take_while(|_| chars.next_if(digit).is_some()).for_each(drop);
                }
            }
            '\x02' | '\x0f' | '\x11' | '\x16' | '\x1d' | '\x1e' | '\x1f' => {}
            found => {
                let found = if found.is_control() && found != '\n' { ' ' } else { found };
                let spaced = before.is_whitespace() || found.is_whitespace();
                if !spaced && (is_unspaced(before) || is_unspaced(found)) {
                    out.push(APART);
                }
                out.push(found);
                before = found;
            }
        }
    }
    out
}

/// Thai, Lao, Burmese, Khmer, kana, Hangul and Han.
fn is_unspaced(found: char) -> bool {
    matches!(found,
        '\u{0e00}'..='\u{0eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}'
        | '\u{3040}'..='\u{30ff}' | '\u{31f0}'..='\u{31ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}'
        | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}' | '\u{ff66}'..='\u{ff9f}' | '\u{20000}'..='\u{323af}')
}

/// The words and phrases of a search that count, and whether each is a beginning.
pub(super) fn typed_words(typed: &str) -> impl Iterator<Item = (String, bool)> {
    let end = typed.char_indices().nth(MAX_TEXT).map_or(typed.len(), |(at, _)| at);
    parts(&typed[..end])
        .filter(|(words, _)| words.contains(char::is_alphanumeric))
        .map(|(words, prefix)| (words.replace('"', " "), prefix))
        .take(MAX_WORDS)
}

/// What FTS5 is asked for the text of messages; `None` if no word was typed.
pub(super) fn expression(typed: &str) -> Option<String> {
    let mut expression = String::new();
    for (words, prefix) in typed_words(typed) {
        let and = if expression.is_empty() { "text : (" } else { " AND " };
        let words = indexed(&words);
        let star = if prefix { " *" } else { "" };
        // Writing into a string cannot fail.
        let _ = write!(expression, "{and}\"{words}\"{star}");
    }
    (!expression.is_empty()).then(|| expression + ")")
}

/// The word by which the messages of an account are found.
pub(super) fn word_of(account: AccountId) -> String {
    format!("a{}", account.0)
}

/// Words, phrases, and whether they are beginnings.
fn parts(typed: &str) -> impl Iterator<Item = (&str, bool)> {
    // Outside of quotes are the even pieces. A quote that is not closed goes on to the end.
    typed.split('"').enumerate().flat_map(|(at, piece)| {
        let phrase = (at % 2 == 1).then_some((piece, false));
        let words = (at % 2 == 0).then(|| piece.split_whitespace()).into_iter().flatten();
        phrase.into_iter().chain(words.map(|word| match word.strip_suffix('*') {
            Some(start) => (start, true),
            None => (word, false),
        }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut() {
        let rows = [
            ("", ""),
            ("plain words", "plain words"),
            ("日本語 and kana: かな", "日|本|語 and kana: か|な"),
            ("abc日本def", "abc|日|本|def"),
            ("\x02bold\x02 \x0304,05red\x03 \x03plain \x031234 \x04ff0000hex\x0f", "bold red plain 34 hex"),
            ("a\0b\tc\nd\x1fe", "a b c\nde"),
            ("\x03,5", ",5"),
            ("한국어", "한|국|어"),
            ("日\x02本\x02 x", "日|本 x"),
        ];
        for (text, expected) in rows {
            assert_eq!(indexed(text).replace(APART, "|"), expected, "{text:?}");
        }
    }

    #[test]
    fn searches_become_expressions() {
        let many = "a ".repeat(MAX_WORDS + 5);
        let rows = [
            ("", None),
            (" ** \"\" -- ;", None),
            ("one", Some(r#"text : ("one")"#)),
            ("one two*", Some(r#"text : ("one" AND "two" *)"#)),
            (r#"a "b c" d"#, Some(r#"text : ("a" AND "b c" AND "d")"#)),
            (r#"a"b c*"d"#, Some(r#"text : ("a" AND "b c*" AND "d")"#)),
            (r#""open end"#, Some(r#"text : ("open end")"#)),
            (
                "NOT OR AND NEAR(a b) who:x ^y -z",
                Some(
                    r#"text : ("NOT" AND "OR" AND "AND" AND "NEAR(a" AND "b)" AND "who:x" AND "^y" AND "-z")"#,
                ),
            ),
            ("日本", Some("text : (\"日\u{1f}本\")")),
            ("a\0b", Some(r#"text : ("a b")"#)),
        ];
        for (typed, expected) in rows {
            assert_eq!(expression(typed).as_deref(), expected, "{typed:?}");
        }
        assert_eq!(expression(&many).unwrap().matches("AND").count(), MAX_WORDS - 1);
        assert_eq!(expression(&"é".repeat(MAX_TEXT * 2)).unwrap().matches('é').count(), MAX_TEXT);
    }
}
