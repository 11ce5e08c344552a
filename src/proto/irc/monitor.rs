//! `MONITOR` (IRCv3 monitor): who is watched.

use super::target;

/// A subcommand of `MONITOR`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// These, too.
    Add(Vec<&'a str>),
    /// These no longer.
    Remove(Vec<&'a str>),
    /// None any longer.
    Clear,
    /// Who is watched?
    List,
    /// Who of them is online?
    Status,
}

impl<'a> Request<'a> {
    /// The request in the parameters of `MONITOR`; `None` for another word.
    #[must_use]
    pub fn parse(params: &[&'a str]) -> Option<Self> {
        let names = || target::split(params.get(1).copied().unwrap_or_default()).collect();
        Some(match *params.first()? {
            "+" => Self::Add(names()),
            "-" => Self::Remove(names()),
            "C" | "c" => Self::Clear,
            "L" | "l" => Self::List,
            "S" | "s" => Self::Status,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subcommands() {
        let rows: [(&[&str], Option<Request<'_>>); 8] = [
            (&["+", "a,b"], Some(Request::Add(vec!["a", "b"]))),
            (&["+"], Some(Request::Add(vec![]))),
            (&["-", "a"], Some(Request::Remove(vec!["a"]))),
            (&["C"], Some(Request::Clear)),
            (&["L"], Some(Request::List)),
            (&["s"], Some(Request::Status)),
            (&["X"], None),
            (&[], None),
        ];
        for (params, expected) in rows {
            assert_eq!(Request::parse(params), expected);
        }
    }
}
