//! Texts in lines: cut where a line ends, packed several to a line, and CTCP ACTION.

/// The beginning of a text, at most `limit` bytes, cut between characters.
#[must_use]
pub fn cut(text: &str, limit: usize) -> &str {
    &text[..text.floor_char_boundary(limit)]
}

/// A piece of a text that leaves in several lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    /// What the line holds.
    pub text: &'a str,
    /// Whether it goes on the line before it (IRCv3 multiline, `draft/multiline-concat`).
    pub concat: bool,
}

/// A text in pieces of at most `limit` bytes (at least 4): each of its lines is one, and a long line several, cut at a space where there is one.
#[must_use]
pub fn pieces(text: &str, limit: usize) -> Vec<Piece<'_>> {
    let limit = limit.max(4);
    let mut pieces = Vec::new();
    for line in text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)) {
        let (mut rest, mut concat) = (line, false);
        while rest.len() > limit {
            let longest = cut(rest, limit);
            // A space stays with what is before it, so that the pieces give the text when they are put together.
            let end = longest.rfind(' ').map_or(longest.len(), |space| space + 1);
            let (piece, after) = rest.split_at(end);
            pieces.push(Piece { text: piece, concat });
            (rest, concat) = (after, true);
        }
        pieces.push(Piece { text: rest, concat });
    }
    pieces
}

/// As [`pieces`], and cut at these bytes, too, as far as they lie between characters.
#[must_use]
pub fn pieces_at<'a>(text: &'a str, cuts: &[usize], limit: usize) -> Vec<Piece<'a>> {
    let (mut found, mut from) = (Vec::new(), 0);
    for end in cuts.iter().copied().chain([text.len()]) {
        let Some(part) = text.get(from..end).filter(|part| !part.is_empty() || text.is_empty()) else {
            continue;
        };
        let more = from > 0;
        let part = pieces(part, limit).into_iter().enumerate();
        found.extend(part.map(|(at, piece)| Piece { concat: piece.concat || more && at == 0, ..piece }));
        from = end;
    }
    found
}

/// Words in texts of at most `limit` bytes, a space between two of them. A word that is longer has a text of its own.
#[must_use]
pub fn pack<S: AsRef<str>>(words: impl IntoIterator<Item = S>, limit: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in words {
        let word = word.as_ref();
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= limit => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// What is done, in `\x01ACTION does something\x01`; `None` for other texts.
#[must_use]
pub fn action(text: &str) -> Option<&str> {
    let inner = text.strip_prefix("\x01ACTION")?;
    let inner = inner.strip_suffix('\x01').unwrap_or(inner);
    if inner.is_empty() { Some("") } else { inner.strip_prefix(' ') }
}

/// Whether a text is CTCP, but no ACTION: asked of one client, and worth nothing to others.
#[must_use]
pub fn is_ctcp(text: &str) -> bool {
    text.starts_with('\x01') && action(text).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_between_characters() {
        for (limit, expected) in [(0, ""), (1, ""), (2, "ü"), (3, "üx"), (9, "üx")] {
            assert_eq!(cut("üx", limit), expected, "{limit}");
        }
    }

    #[test]
    fn pieces_give_the_text_again() {
        let texts = ["", "a", "one\ntwo\n\nthree", "word ".repeat(50).as_str(), &"ü".repeat(99), "a\r\nb"]
            .map(str::to_owned);
        for text in texts {
            for limit in [4, 5, 7, 20, 1000] {
                let mut again = String::new();
                for (at, piece) in pieces(&text, limit).iter().enumerate() {
                    assert!(piece.text.len() <= limit && !piece.text.contains('\n'));
                    if at > 0 && !piece.concat {
                        again.push('\n');
                    }
                    again.push_str(piece.text);
                }
                assert_eq!(again, text.replace('\r', ""), "{limit}");
            }
        }
    }

    #[test]
    fn long_lines_are_cut_at_spaces() {
        let found: Vec<_> =
            pieces("alpha beta gamma", 12).iter().map(|piece| (piece.text, piece.concat)).collect();
        assert_eq!(found, [("alpha beta ", false), ("gamma", true)]);
    }

    #[test]
    fn texts_are_cut_where_they_were_written() {
        type Row = (&'static str, &'static [usize], &'static [(&'static str, bool)]);
        let rows: [Row; 6] = [
            ("one\ntwo three", &[8], &[("one", false), ("two ", false), ("three", true)]),
            ("one", &[], &[("one", false)]),
            ("", &[], &[("", false)]),
            ("\none two", &[5], &[("", false), ("one ", false), ("two", true)]),
            ("äb", &[1, 9], &[("äb", false)]),
            ("abc", &[2, 1], &[("ab", false), ("c", true)]),
        ];
        for (text, cuts, expected) in rows {
            let found: Vec<_> =
                pieces_at(text, cuts, 100).iter().map(|piece| (piece.text, piece.concat)).collect();
            assert_eq!(found, expected, "{text:?}");
        }
    }

    #[test]
    fn words_are_packed() {
        assert_eq!(pack(["a", "bb", "ccc", "dddddddd", "e"], 6), ["a bb", "ccc", "dddddddd", "e"]);
        assert_eq!(pack(Vec::<String>::new(), 6), Vec::<String>::new());
    }

    #[test]
    fn actions() {
        let rows = [
            ("\x01ACTION waves\x01", Some("waves")),
            ("\x01ACTION waves", Some("waves")),
            ("\x01ACTION\x01", Some("")),
            ("\x01ACTIONS\x01", None),
            ("ACTION waves", None),
            ("\x01VERSION\x01", None),
        ];
        for (text, expected) in rows {
            assert_eq!(action(text), expected, "{text:?}");
        }
        assert!(is_ctcp("\x01VERSION\x01") && !is_ctcp("\x01ACTION waves\x01") && !is_ctcp("hello"));
    }
}
