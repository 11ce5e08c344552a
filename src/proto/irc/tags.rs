//! Message tags (IRCv3 message-tags): `key=value` pairs before a message, their escapes, and which of them a client may send to others.

use std::borrow::Cow;

/// The tags of a message, as they stand in its line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tags<'a>(&'a str);

impl<'a> Tags<'a> {
    /// The tags in what stands between `@` and the space.
    #[must_use]
    pub fn parse(raw: &'a str) -> Self {
        Self(raw)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// Every tag whose key can be one, in order. Of several with one key the last one counts; all of them are given here.
    pub fn iter(self) -> impl Iterator<Item = (&'a str, Cow<'a, str>)> {
        self.0.split(';').filter_map(|tag| {
            let (key, value) = tag.split_once('=').unwrap_or((tag, ""));
            is_key(key).then(|| (key, unescape(value)))
        })
    }

    /// The value of a tag, which may be empty; `None` if the tag is missing.
    #[must_use]
    pub fn value(self, key: &str) -> Option<Cow<'a, str>> {
        self.iter().filter(|(name, _)| *name == key).last().map(|(_, value)| value)
    }

    /// Tags that a client sends to other clients: their keys begin with `+`. Each key once.
    #[must_use]
    pub fn client_only(self) -> Vec<(String, String)> {
        let mut found: Vec<(String, String)> = Vec::new();
        for (key, value) in self.iter().filter(|(key, _)| key.starts_with('+')) {
            found.retain(|(known, _)| known != key);
            found.push((key.to_owned(), value.into_owned()));
        }
        found
    }
}

/// Whether a text is the key of a tag: `[+][vendor/]name`.
#[must_use]
pub fn is_key(key: &str) -> bool {
    let key = key.strip_prefix('+').unwrap_or(key);
    let (vendor, name) = key.split_once('/').unwrap_or(("x", key));
    let word = |text: &str, more: &[u8]| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || more.contains(&byte))
    };
    word(vendor, b"-.") && word(name, b"-")
}

/// The value that was meant by an escaped one. A backslash before any other character means nothing, and so does one at the end.
#[must_use]
pub fn unescape(value: &str) -> Cow<'_, str> {
    if !value.contains('\\') {
        return Cow::Borrowed(value);
    }
    let mut plain = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(found) = chars.next() {
        if found != '\\' {
            plain.push(found);
            continue;
        }
        match chars.next() {
            Some(':') => plain.push(';'),
            Some('s') => plain.push(' '),
            Some('r') => plain.push('\r'),
            Some('n') => plain.push('\n'),
            Some(other) => plain.push(other),
            None => {}
        }
    }
    Cow::Owned(plain)
}

/// Appends a value, escaped. A NUL, which cannot be escaped, is left out.
pub fn escape(value: &str, to: &mut String) {
    for found in value.chars() {
        match found {
            ';' => to.push_str("\\:"),
            ' ' => to.push_str("\\s"),
            '\\' => to.push_str("\\\\"),
            '\r' => to.push_str("\\r"),
            '\n' => to.push_str("\\n"),
            '\0' => {}
            other => to.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_of_the_specification() {
        let tags = Tags::parse("aaa=bbb;ccc;example.com/ddd=eee;+typing=active");
        let expected = [("aaa", "bbb"), ("ccc", ""), ("example.com/ddd", "eee"), ("+typing", "active")];
        assert_eq!(tags.iter().collect::<Vec<_>>(), expected.map(|(key, value)| (key, value.into())));
        assert_eq!(tags.value("ccc").as_deref(), Some(""));
        assert_eq!(tags.value("bbb"), None);
        assert_eq!(tags.client_only(), [("+typing".to_owned(), "active".to_owned())]);
    }

    #[test]
    fn the_last_one_of_a_key_counts() {
        let tags = Tags::parse("+a=1;+b=2;+a=3");
        assert_eq!(tags.value("+a").as_deref(), Some("3"));
        let owned = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        assert_eq!(tags.client_only(), owned(&[("+b", "2"), ("+a", "3")]));
    }

    #[test]
    fn keys() {
        for key in ["a", "+a", "a-b", "+draft/reply", "example.com/x", "msgid", "1"] {
            assert!(is_key(key), "{key}");
        }
        for key in ["", "+", "a b", "++a", "a/", "/a", "a/b/c", "a_b", "ü"] {
            assert!(!is_key(key), "{key}");
        }
        assert_eq!(Tags::parse(";;=x;a_b=c;d=e").iter().count(), 1);
    }

    #[test]
    fn escapes_both_ways() {
        let rows = [
            ("a;b", "a\\:b"),
            ("a b", "a\\sb"),
            ("a\\b", "a\\\\b"),
            ("a\rb\n", "a\\rb\\n"),
            ("ü", "ü"),
            ("", ""),
        ];
        for (plain, escaped) in rows {
            let mut written = String::new();
            escape(plain, &mut written);
            assert_eq!(written, escaped);
            assert_eq!(unescape(escaped), plain);
        }
    }

    #[test]
    fn odd_escapes_are_read() {
        for (escaped, plain) in
            [("value\\1", "value1"), ("value\\", "value"), ("\\\\\\:", "\\;"), ("\\b\\ü", "bü")]
        {
            assert_eq!(unescape(escaped), plain);
        }
        let mut written = String::new();
        escape("a\0b", &mut written);
        assert_eq!(written, "ab");
    }
}
