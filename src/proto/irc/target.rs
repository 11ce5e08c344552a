//! Targets: lists with commas, and what a name in them can be (Modern IRC, "PRIVMSG", "STATUSMSG", "TARGMAX").

/// Prefixes of members, the highest first, each with its mode: `PREFIX=(qov)~@+`.
pub const PREFIXES: [(char, char); 3] = [('q', '~'), ('o', '@'), ('v', '+')];

/// The names of a list: empty ones are left out.
pub fn split(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').filter(|name| !name.is_empty())
}

/// The names of a list, each once by ASCII case, or `None` if there are more than `limit`.
#[must_use]
pub fn distinct(list: &str, limit: usize) -> Option<Vec<&str>> {
    let mut names: Vec<&str> = Vec::new();
    for name in split(list) {
        if names.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            continue;
        }
        if names.len() == limit {
            return None;
        }
        names.push(name);
    }
    Some(names)
}

/// Whom a name means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    /// A channel.
    Channel(&'a str),
    /// The members of a channel with this prefix or a higher one (`@#channel`).
    Status(char, &'a str),
    /// Somebody.
    Nick(&'a str),
}

impl<'a> Target<'a> {
    /// What the name means.
    #[must_use]
    pub fn of(name: &'a str) -> Self {
        if name.starts_with('#') {
            return Self::Channel(name);
        }
        for (_, prefix) in PREFIXES {
            if let Some(rest) = name.strip_prefix(prefix).filter(|rest| rest.starts_with('#')) {
                return Self::Status(prefix, rest);
            }
        }
        Self::Nick(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists() {
        assert_eq!(split("#a,b,,#c,").collect::<Vec<_>>(), ["#a", "b", "#c"]);
        assert_eq!(split(",").count(), 0);
        assert_eq!(distinct("a,b,A,c", 3), Some(vec!["a", "b", "c"]));
        assert_eq!(distinct("a,b,A,c", 2), None);
        assert_eq!(distinct("", 2), Some(vec![]));
    }

    #[test]
    fn names() {
        let rows = [
            ("#a", Target::Channel("#a")),
            ("@#a", Target::Status('@', "#a")),
            ("+#a", Target::Status('+', "#a")),
            ("~#a", Target::Status('~', "#a")),
            ("@a", Target::Nick("@a")),
            ("alice", Target::Nick("alice")),
            ("%#a", Target::Nick("%#a")),
        ];
        for (name, expected) in rows {
            assert_eq!(Target::of(name), expected);
        }
    }
}
