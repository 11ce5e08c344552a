//! JSON laid out for people. Only spaces change: numbers, the order of keys and what stands in strings remain as they came.

use std::io;

use serde::de::IgnoredAny;

/// Spaces of one level.
const INDENT: &str = "  ";

/// Levels that are indented. What is nested deeper stays at the last one: the spaces would soon be more than the text.
const LEVELS: usize = 64;

/// Whether `text` is JSON.
pub(super) fn is_json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// Writes `text`, which [is JSON](is_json), piece by piece: what is laid out may be many times as long.
pub(super) fn lay_out(text: &str, mut put: impl FnMut(&str) -> io::Result<()>) -> io::Result<()> {
    let mut rest = text.trim_start();
    let mut depth = 0_usize;
    while let Some(first) = rest.bytes().next() {
        let (token, after) = rest.split_at(token(rest));
        rest = after.trim_start();
        match first {
            b'{' | b'[' if rest.starts_with(['}', ']']) => {
                let (end, after) = rest.split_at(1);
                put(token)?;
                put(end)?;
                rest = after.trim_start();
            }
            b'{' | b'[' => {
                put(token)?;
                depth += 1;
                line(depth, &mut put)?;
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                line(depth, &mut put)?;
                put(token)?;
            }
            b',' => {
                put(token)?;
                line(depth, &mut put)?;
            }
            b':' => put(": ")?,
            _ => put(token)?,
        }
    }
    Ok(())
}

/// The length of what stands first: a sign, a string, or a word or number. At least 1, at most all of it.
fn token(text: &str) -> usize {
    let bytes = text.as_bytes();
    match bytes.first() {
        Some(b'"') => {
            let mut at = 1;
            while at < bytes.len() && bytes[at] != b'"' {
                at += if bytes[at] == b'\\' { 2 } else { 1 };
            }
            (at + 1).min(bytes.len())
        }
        Some(b'{' | b'}' | b'[' | b']' | b',' | b':') => 1,
        _ => {
            let end = |byte: &u8| byte.is_ascii_whitespace() || b"{}[],:\"".contains(byte);
            bytes.iter().position(end).unwrap_or(bytes.len())
        }
    }
}

fn line(depth: usize, put: &mut impl FnMut(&str) -> io::Result<()>) -> io::Result<()> {
    put("\n")?;
    (0..depth.min(LEVELS)).try_for_each(|_| put(INDENT))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn laid_out(text: &str) -> String {
        let mut out = String::new();
        lay_out(text, |piece| {
            out.push_str(piece);
            Ok(())
        })
        .unwrap();
        out
    }

    #[test]
    fn json_over_several_lines() {
        let rows = [
            ("1", "1"),
            (" -1.50e3 ", "-1.50e3"),
            ("\"a\\\"{,:\\\\\"", "\"a\\\"{,:\\\\\""),
            ("{}", "{}"),
            (" [ ] ", "[]"),
            ("[1,2]", "[\n  1,\n  2\n]"),
            (
                "{\"b\" :1,\"a\":[{},[null , true]]}",
                "{\n  \"b\": 1,\n  \"a\": [\n    {},\n    [\n      null,\n      true\n    ]\n  ]\n}",
            ),
            ("[\"\u{e9}\",\"\"]", "[\n  \"\u{e9}\",\n  \"\"\n]"),
            ("123456789012345678901234567890", "123456789012345678901234567890"),
        ];
        for (text, expected) in rows {
            assert!(is_json(text), "{text}");
            assert_eq!(laid_out(text), expected, "{text}");
            let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
            assert_eq!(value(text), value(&laid_out(text)));
        }
    }

    #[test]
    fn what_is_no_json() {
        for text in ["", "a", "{", "{}{}", "[1,]", "'a'"] {
            assert!(!is_json(text), "{text}");
        }
    }

    #[test]
    fn depth_costs_neither_stack_nor_much_space() {
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        assert!(is_json(&deep));
        assert!(laid_out(&deep).len() < 200_000 * (2 * LEVELS + 2));
    }

    #[test]
    fn any_text_ends() {
        for text in ["\"", "\"\\", "\"a\\\u{e9}", "{]}", "}}}", ":,:", "\u{e9}\u{a0}\u{e9}"] {
            laid_out(text);
        }
    }
}
