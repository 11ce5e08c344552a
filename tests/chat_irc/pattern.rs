//! Patterns of lines: `*` is anything, `<name>` a word that is remembered, and the same word where it comes again.

use std::collections::HashMap;

/// Words that were remembered.
pub(super) type Words = HashMap<String, String>;

/// Whether a line fits. The words that it holds are remembered if it does.
pub(super) fn fits(pattern: &str, line: &str, words: &mut Words) -> bool {
    let mut found = words.clone();
    let whole = matches(pattern, line, &mut found);
    if whole {
        *words = found;
    }
    whole
}

fn matches(pattern: &str, line: &str, words: &mut Words) -> bool {
    if let Some(rest) = pattern.strip_prefix('*') {
        let mut ends = line.char_indices().map(|(at, _)| at).chain([line.len()]);
        return ends.any(|at| {
            let mut tried = words.clone();
            let whole = matches(rest, &line[at..], &mut tried);
            if whole {
                *words = tried;
            }
            whole
        });
    }
    if let Some((name, rest)) = variable(pattern) {
        if let Some(known) = words.get(name) {
            let Some(after) = line.strip_prefix(known.as_str()) else { return false };
            return matches(rest, after, words);
        }
        let end = line.find([' ', ';', ',']).unwrap_or(line.len());
        if end == 0 {
            return false;
        }
        words.insert(name.to_owned(), line[..end].to_owned());
        return matches(rest, &line[end..], words);
    }
    match (pattern.chars().next(), line.chars().next()) {
        (None, None) => true,
        (Some(expected), Some(found)) if expected == found => {
            matches(&pattern[expected.len_utf8()..], &line[found.len_utf8()..], words)
        }
        _ => false,
    }
}

/// `<name>` at the front of a text, and what follows.
fn variable(text: &str) -> Option<(&str, &str)> {
    let (name, rest) = text.strip_prefix('<')?.split_once('>')?;
    let word = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase());
    word.then_some((name, rest))
}

/// A text with the words that are remembered in their places.
pub(super) fn filled(text: &str, words: &Words) -> String {
    let mut text = text.to_owned();
    for (name, word) in words {
        text = text.replace(&format!("<{name}>"), word);
    }
    text
}

#[test]
fn patterns() {
    let rows = [
        ("PING a", "PING a", true),
        ("PING a", "PING b", false),
        (":*!* JOIN #a", ":ann!u@h JOIN #a", true),
        ("@*msgid=<id>* :a", "@time=1;msgid=77;x=y :a", true),
        ("<id> <id>", "7 7", true),
        ("<id> <id>", "7 8", false),
        ("a*", "a", true),
        ("*b*", "abc", true),
        ("LIST <5", "LIST <5", true),
    ];
    for (pattern, line, expected) in rows {
        assert_eq!(fits(pattern, line, &mut Words::new()), expected, "{pattern} {line}");
    }
    let mut words = Words::new();
    assert!(fits("@msgid=<id> *", "@msgid=77 :a", &mut words));
    assert_eq!(filled("REDACT #a <id> <x>", &words), "REDACT #a 77 <x>");
}
