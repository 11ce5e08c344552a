//! `CHATHISTORY` (IRCv3 chathistory): which part of the past is asked for. Also the timestamps of `MARKREAD` (read-marker).

use super::time;

/// Messages of an answer at most: the token CHATHISTORY.
pub const MAX_LIMIT: usize = 1000;

/// A place in the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selector<'a> {
    /// A message.
    Msgid(&'a str),
    /// A time, in milliseconds since 1970.
    Timestamp(u64),
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// The last ones, after a place if there is one.
    Latest(Option<Selector<'a>>),
    /// Those before a place.
    Before(Selector<'a>),
    /// Those after it.
    After(Selector<'a>),
    /// Those before and after it.
    Around(Selector<'a>),
    /// Those between two places.
    Between(Selector<'a>, Selector<'a>),
}

/// A command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Query<'a> {
    /// Messages of a channel, or with somebody.
    Messages {
        /// Whose.
        target: &'a str,
        /// Which.
        request: Request<'a>,
        /// As many at most.
        limit: usize,
    },
    /// Whose history has something between two times.
    Targets {
        /// After this.
        from: u64,
        /// Before this.
        to: u64,
        /// As many at most.
        limit: usize,
    },
}

/// What is wrong with a command: the text of its `FAIL`, whose code is `INVALID_PARAMS` in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// There is no such subcommand.
    #[error("Unknown command")]
    UnknownCommand,
    /// Parameters are missing.
    #[error("Insufficient parameters")]
    NeedMoreParams,
    /// A parameter is none of those that are allowed.
    #[error("Invalid parameters")]
    InvalidParams,
}

/// Reads the parameters of `CHATHISTORY`.
///
/// # Errors
/// [`Fault`].
pub fn parse<'a>(params: &[&'a str]) -> Result<Query<'a>, Fault> {
    let word = params.first().ok_or(Fault::NeedMoreParams)?.to_ascii_uppercase();
    let count = match word.as_str() {
        "LATEST" | "BEFORE" | "AFTER" | "AROUND" | "TARGETS" => 4,
        "BETWEEN" => 5,
        _ => return Err(Fault::UnknownCommand),
    };
    if params.len() < count {
        return Err(Fault::NeedMoreParams);
    }
    let limit = params[count - 1].parse::<usize>().map_err(|_| Fault::InvalidParams)?.min(MAX_LIMIT);
    let target = params[1];
    if word == "TARGETS" {
        let (from, to) = (timestamp(target)?, timestamp(params[2])?);
        return Ok(Query::Targets { from: from.min(to), to: from.max(to), limit });
    }
    let request = match word.as_str() {
        "LATEST" if params[2] == "*" => Request::Latest(None),
        "LATEST" => Request::Latest(Some(selector(params[2])?)),
        "BEFORE" => Request::Before(selector(params[2])?),
        "AFTER" => Request::After(selector(params[2])?),
        "AROUND" => Request::Around(selector(params[2])?),
        _ => Request::Between(selector(params[2])?, selector(params[3])?),
    };
    Ok(Query::Messages { target, request, limit })
}

/// The time in `timestamp=2019-01-04T14:33:26.123Z`.
///
/// # Errors
/// [`Fault::InvalidParams`].
pub fn timestamp(param: &str) -> Result<u64, Fault> {
    param.strip_prefix("timestamp=").and_then(time::parse).ok_or(Fault::InvalidParams)
}

fn selector(param: &str) -> Result<Selector<'_>, Fault> {
    match param.strip_prefix("msgid=").filter(|id| !id.is_empty()) {
        Some(id) => Ok(Selector::Msgid(id)),
        None => timestamp(param).map(Selector::Timestamp),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: &str = "timestamp=1970-01-01T00:00:01.000Z";

    fn query(line: &str) -> Result<Query<'_>, Fault> {
        parse(&line.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>())
    }

    #[test]
    fn subcommands() {
        let (msgid, second) = (Selector::Msgid("abc"), Selector::Timestamp(1000));
        let rows = [
            ("LATEST #a * 50".to_owned(), Request::Latest(None), 50),
            ("latest #a msgid=abc 50".to_owned(), Request::Latest(Some(msgid)), 50),
            (format!("BEFORE #a {TIME} 10"), Request::Before(second), 10),
            ("AFTER #a msgid=abc 0".to_owned(), Request::After(msgid), 0),
            ("AROUND #a msgid=abc 99999".to_owned(), Request::Around(msgid), MAX_LIMIT),
            (format!("BETWEEN #a msgid=abc {TIME} 7"), Request::Between(msgid, second), 7),
        ];
        for (line, request, limit) in rows {
            assert_eq!(query(&line), Ok(Query::Messages { target: "#a", request, limit }), "{line}");
        }
        let line = format!("TARGETS {TIME} timestamp=1970-01-01T00:00:00.500Z 5");
        assert_eq!(query(&line), Ok(Query::Targets { from: 500, to: 1000, limit: 5 }));
    }

    #[test]
    fn faults() {
        let rows = [
            ("", Fault::NeedMoreParams),
            ("FOO #a", Fault::UnknownCommand),
            ("LATEST", Fault::NeedMoreParams),
            ("LATEST #a *", Fault::NeedMoreParams),
            ("BETWEEN #a msgid=a msgid=b", Fault::NeedMoreParams),
            ("LATEST #a * x", Fault::InvalidParams),
            ("LATEST #a * -1", Fault::InvalidParams),
            ("BEFORE #a * 5", Fault::InvalidParams),
            ("BEFORE #a msgid= 5", Fault::InvalidParams),
            ("BEFORE #a timestamp=now 5", Fault::InvalidParams),
            ("TARGETS msgid=a msgid=b 5", Fault::InvalidParams),
        ];
        for (line, fault) in rows {
            assert_eq!(query(line), Err(fault), "{line}");
        }
    }
}
