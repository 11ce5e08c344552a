//! Masks: whom a ban, an exception or a mute fits.
//!
//! `nick!user@host` with `*` for any characters and `?` for one, as in RFC 1459, section 4.2.3.1, or `$a:account` for who is logged in, and
//! `$a` for anybody who is. Case does not count. An incomplete mask is completed: `alice` is `alice!*@*`, `*@host` is `*!*@host`.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Bytes of a mask at most.
pub const MAX_MASK: usize = 160;

/// What begins a mask of accounts.
const ACCOUNT: &str = "$a";

/// A mask.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Mask(Arc<str>);

/// Whom a mask is held against.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The nickname.
    pub nick: &'a str,
    /// What stands before the `@`.
    pub user: &'a str,
    /// What stands behind it.
    pub host: &'a str,
    /// The account's name.
    pub account: Option<&'a str>,
}

/// It is no mask: empty, too long, or with characters that no name has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is no mask")]
pub struct NotAMask;

impl Mask {
    /// The mask that was typed, complete.
    ///
    /// # Errors
    /// [`NotAMask`].
    pub fn parse(text: &str) -> Result<Self, NotAMask> {
        let unfit = |found: char| found.is_whitespace() || found.is_control() || found == ',';
        if text.is_empty() || text.starts_with(':') || text.len() > MAX_MASK || text.contains(unfit) {
            return Err(NotAMask);
        }
        if let Some(rest) = text.strip_prefix(ACCOUNT) {
            let whole = rest.is_empty() || rest.strip_prefix(':').is_some_and(|name| !name.is_empty());
            return if whole { Ok(Self(text.into())) } else { Err(NotAMask) };
        }
        let or_any = |part: &str| if part.is_empty() { "*".to_owned() } else { part.to_owned() };
        let (nick, rest) = match (text.split_once('!'), text.contains('@')) {
            (Some((nick, rest)), _) => (or_any(nick), rest),
            (None, true) => ("*".to_owned(), text),
            (None, false) => (text.to_owned(), ""),
        };
        let (user, host) = rest.split_once('@').unwrap_or((rest, ""));
        let mask = format!("{nick}!{}@{}", or_any(user), or_any(host));
        if mask.len() > MAX_MASK { Err(NotAMask) } else { Ok(Self(mask.into())) }
    }

    /// The mask of an account.
    #[must_use]
    pub fn of_account(name: &super::name::Nick) -> Self {
        Self(format!("{ACCOUNT}:{name}").into())
    }

    /// As it is kept and shown.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether two masks are the same but for case.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }

    /// Whether it fits.
    #[must_use]
    pub fn fits(&self, subject: Subject<'_>) -> bool {
        if let Some(rest) = self.0.strip_prefix(ACCOUNT) {
            let Some(account) = subject.account else { return false };
            return rest.strip_prefix(':').is_none_or(|pattern| glob(pattern, &[account]));
        }
        glob(&self.0, &[subject.nick, "!", subject.user, "@", subject.host])
    }
}

impl fmt::Display for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Whether `pattern` fits the `parts` one after the other. Time grows with the product of the lengths at worst, never faster.
#[must_use]
pub fn glob(pattern: &str, parts: &[&str]) -> bool {
    let text: Vec<u8> =
        parts.iter().flat_map(|part| part.bytes()).map(|byte| byte.to_ascii_lowercase()).collect();
    let pattern = pattern.as_bytes();
    let (mut at, mut seen) = (0, 0);
    // Where to go on when a star has to take one byte more.
    let mut again: Option<(usize, usize)> = None;
    while seen < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                again = Some((at + 1, seen));
                at += 1;
            }
            Some(byte) if *byte == b'?' || byte.to_ascii_lowercase() == text[seen] => {
                at += 1;
                seen += 1;
            }
            _ => {
                let Some((star, from)) = again else { return false };
                again = Some((star, from + 1));
                (at, seen) = (star, from + 1);
            }
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_are_completed() {
        let rows = [
            ("alice", "alice!*@*"),
            ("alice!a", "alice!a@*"),
            ("a@host", "*!a@host"),
            ("@host", "*!*@host"),
            ("*!*@*", "*!*@*"),
            ("!@", "*!*@*"),
            ("alice!", "alice!*@*"),
            ("$a", "$a"),
            ("$a:Bob*", "$a:Bob*"),
        ];
        for (text, whole) in rows {
            assert_eq!(Mask::parse(text).unwrap().as_str(), whole, "{text}");
        }
        let long = "a".repeat(MAX_MASK);
        for text in ["", "a b", "a,b", "a\n", ":a", "$a:", "$ab", &long] {
            assert_eq!(Mask::parse(text), Err(NotAMask), "{text:?}");
        }
    }

    #[test]
    fn masks_fit() {
        let subject = Subject { nick: "Alice", user: "al", host: "lan.example", account: Some("alice") };
        let guest = Subject { account: None, ..subject };
        let rows = [
            ("alice", true, true),
            ("a?ice!*@*", true, true),
            ("a?lice!*@*", false, false),
            ("*!al@*.example", true, true),
            ("*!al@*.exampl", false, false),
            ("*!*@*", true, true),
            ("*e!*l@*e*e", true, true),
            ("$a", true, false),
            ("$a:ALICE", true, false),
            ("$a:a*", true, false),
            ("$a:bob", false, false),
        ];
        for (mask, account, none) in rows {
            let mask = Mask::parse(mask).unwrap();
            assert_eq!((mask.fits(subject), mask.fits(guest)), (account, none), "{mask}");
        }
    }

    #[test]
    fn many_stars_take_no_long_time() {
        let pattern = "*a".repeat(MAX_MASK / 2) + "b";
        assert!(!glob(&pattern, &["a".repeat(400).as_str()]));
    }
}
