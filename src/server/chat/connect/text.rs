//! Text of others on a terminal: harmless, measured in columns, and wrapped.
//!
//! What people send may hold anything. On a terminal, control characters move the cursor, set titles and answer questions in the user's name, and
//! characters that change the direction of writing make a text look like another one. All of them are shown as something that has a picture.

use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;

/// The text with nothing in it that a terminal would obey. Line ends stay.
pub(super) fn harmless(text: &str) -> String {
    text.chars().map(harmless_char).collect()
}

/// The same on one line.
pub(super) fn one_line(text: &str) -> String {
    harmless(text).replace('\n', " ")
}

fn harmless_char(found: char) -> char {
    match found {
        '\n' => '\n',
        '\t' => ' ',
        // Pictures of control characters.
        '\0'..='\u{1f}' => char::from_u32(0x2400 + u32::from(found)).unwrap_or('\u{fffd}'),
        '\u{7f}' => '\u{2421}',
        '\u{80}'..='\u{9f}' => '\u{fffd}',
        // Marks, embeddings, overrides and isolates of direction; separators of lines; invisible tags; annotations.
        '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' => '\u{fffd}',
        '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}' => '\u{fffd}',
        other => other,
    }
}

/// Columns that a text takes.
pub(super) fn width(text: &str) -> usize {
    text.width()
}

/// The beginning of a text, in at most so many columns; with an ellipsis when it is longer.
pub(super) fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 0;
    for grapheme in text.graphemes(true) {
        let wide = width(grapheme);
        if used + wide + 1 > columns {
            break;
        }
        used += wide;
        out.push_str(grapheme);
    }
    if columns > 0 {
        out.push('…');
    }
    out
}

/// A text with spaces behind it, in exactly so many columns.
pub(super) fn padded(text: &str, columns: usize) -> String {
    let mut out = cut(text, columns);
    let missing = columns.saturating_sub(width(&out));
    out.extend(std::iter::repeat_n(' ', missing));
    out
}

/// The lines of a text that is at most so many columns wide: broken at spaces, and within words that are longer than a line.
pub(super) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let mut line = String::new();
        let mut used = 0;
        for word in paragraph.split_word_bounds() {
            let wide = width(word);
            if used + wide <= columns {
                line.push_str(word);
                used += wide;
                continue;
            }
            if word.trim().is_empty() {
                // A space where a line is broken is not seen.
                lines.push(std::mem::take(&mut line));
                used = 0;
                continue;
            }
            if used > 0 {
                lines.push(std::mem::take(&mut line).trim_end().to_owned());
                used = 0;
            }
            for grapheme in word.graphemes(true) {
                let wide = width(grapheme);
                if used + wide > columns && used > 0 {
                    lines.push(std::mem::take(&mut line));
                    used = 0;
                }
                line.push_str(grapheme);
                used += wide;
            }
        }
        lines.push(line);
    }
    lines
}

/// Which of so many colours a name has: always the same one.
pub(super) fn colour_of(name: &str, colours: usize) -> usize {
    let hash = name
        .bytes()
        .map(|byte| byte.to_ascii_lowercase())
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    usize::try_from(hash).unwrap_or_default() % colours.max(1)
}

/// Whether a text names somebody, as a word of its own.
pub(super) fn mentions(text: &str, name: &str) -> bool {
    if name.is_empty() {
        return false;
    }
    let (text, name) = (text.to_lowercase(), name.to_lowercase());
    let is_part = |found: char| found.is_alphanumeric() || matches!(found, '-' | '_');
    text.match_indices(&name).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + name.len()..].chars().next();
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_that_a_terminal_obeys() {
        for (text, expected) in [
            ("plain é 漢字 🌹", "plain é 漢字 🌹"),
            ("\x1b[31mred\x1b]0;title\x07", "␛[31mred␛]0;title␇"),
            ("a\tb\nc\r", "a b\nc␍"),
            ("\u{9b}31m \u{7f}", "\u{fffd}31m ␡"),
            ("\u{202e}txt.exe\u{2066}", "\u{fffd}txt.exe\u{fffd}"),
        ] {
            assert_eq!(harmless(text), expected);
        }
        for code in 0..0xa0_u32 {
            let found = char::from_u32(code).unwrap();
            assert!(one_line(&found.to_string()).chars().all(|shown| !shown.is_control()), "{code:x}");
        }
    }

    #[test]
    fn texts_are_measured_in_columns() {
        assert_eq!((width("abc"), width("漢字"), width("👍"), width("e\u{301}")), (3, 4, 2, 1));
        assert_eq!(
            (cut("hello", 5), cut("hello", 4), cut("漢字漢", 4)),
            ("hello".into(), "hel…".into(), "漢…".into())
        );
        assert_eq!(
            (padded("漢", 4), padded("hello", 3), padded("x", 0)),
            ("漢  ".into(), "he…".into(), String::new())
        );
    }

    #[test]
    fn lines_are_broken_at_spaces() {
        for (text, columns, expected) in [
            ("the quick brown fox", 10, &["the quick", "brown fox"][..]),
            ("abcdefgh", 3, &["abc", "def", "gh"]),
            ("a abcdefgh", 4, &["a", "abcd", "efgh"]),
            ("漢字漢字", 5, &["漢字", "漢字"]),
            ("one\n\ntwo", 9, &["one", "", "two"]),
            ("", 4, &[""]),
        ] {
            let lines: Vec<String> =
                wrap(text, columns).iter().map(|line| line.trim_end().to_owned()).collect();
            assert_eq!(lines, expected, "{text:?}");
        }
        let long = "word ".repeat(200) + &"漢".repeat(100);
        assert!((2..60).all(|columns| wrap(&long, columns).iter().all(|line| width(line) <= columns)));
    }

    #[test]
    fn a_name_is_found_as_a_word() {
        for (text, found) in [
            ("ann: hi", true),
            ("hi ANN!", true),
            ("@ann", true),
            ("annual", false),
            ("joann", false),
            ("", false),
        ] {
            assert_eq!(mentions(text, "ann"), found, "{text}");
        }
        assert!(!mentions("anything", ""));
        assert_eq!(colour_of("Ann", 7), colour_of("ann", 7));
    }
}
