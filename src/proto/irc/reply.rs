//! What a command is answered with: standard replies, and the frame of labeled responses (IRCv3 standard-replies, labeled-response).

use super::write::Line;

/// How serious a standard reply is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Something was not done.
    Fail,
    /// Something was done, and may not be what was meant.
    Warn,
    /// Something to know.
    Note,
}

/// A standard reply: `FAIL COMMAND CODE context :text`.
#[must_use]
pub fn standard(
    server: &str,
    severity: Severity,
    command: &str,
    code: &str,
    context: &[&str],
    text: &str,
) -> Line {
    let word = match severity {
        Severity::Fail => "FAIL",
        Severity::Warn => "WARN",
        Severity::Note => "NOTE",
    };
    let line = Line::new(server, word).param(command).param(code);
    context.iter().fold(line, |line, word| line.param(word)).last(text)
}

/// Whether a batch begins with the one line and ends with the other.
fn frame(open: &Line, close: &Line) -> bool {
    let reference = |line: &Line, sign: &str| {
        let body = line.body();
        let rest = match body.strip_prefix(':') {
            Some(rest) => rest.split_once(' ')?.1,
            None => body,
        };
        let rest = rest.strip_prefix("BATCH ")?.strip_prefix(sign)?;
        Some(rest.split(' ').next().unwrap_or_default().to_owned())
    };
    !open.has_tag("batch") && reference(open, "+").is_some_and(|name| reference(close, "-") == Some(name))
}

/// The answers to one command, framed for a client that gave it a label: one line carries the label itself, several stand in a batch, and
/// none become an `ACK`.
#[must_use]
pub fn labeled(server: &str, label: &str, batch: &str, mut lines: Vec<Line>) -> Vec<Line> {
    match &mut lines[..] {
        [] => vec![Line::new(server, "ACK").tag("label", label)],
        [line] => {
            line.add_tag("label", label);
            lines
        }
        [open, .., close] if frame(open, close) => {
            // One batch of another type needs none around it.
            open.add_tag("label", label);
            lines
        }
        _ => {
            let open = Line::new(server, "BATCH").param(&format!("+{batch}")).param("labeled-response");
            let close = Line::new(server, "BATCH").param(&format!("-{batch}"));
            let mut framed = Vec::with_capacity(lines.len() + 2);
            framed.push(open.tag("label", label));
            // A line of a batch within stands in that one.
            framed.extend(
                lines
                    .into_iter()
                    .map(|line| if line.has_tag("batch") { line } else { line.tag("batch", batch) }),
            );
            framed.push(close);
            framed
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(lines: &[Line]) -> Vec<String> {
        lines.iter().map(|line| String::from_utf8_lossy(&line.to_bytes()).trim_end().to_owned()).collect()
    }

    #[test]
    fn standard_replies() {
        let fail = standard("s", Severity::Fail, "REDACT", "UNKNOWN_MSGID", &["#a", "x"], "No such message");
        let warn = standard("s", Severity::Warn, "*", "CODE", &[], "Careful");
        let note = standard("s", Severity::Note, "X", "CODE", &[], "Fine");
        let expected = [
            ":s FAIL REDACT UNKNOWN_MSGID #a x :No such message",
            ":s WARN * CODE :Careful",
            ":s NOTE X CODE :Fine",
        ];
        assert_eq!(texts(&[fail, warn, note]), expected);
    }

    #[test]
    fn labels() {
        let pong = || Line::new("s", "PONG").last("x");
        assert_eq!(texts(&labeled("s", "l", "b", vec![])), ["@label=l :s ACK"]);
        assert_eq!(texts(&labeled("s", "l", "b", vec![pong()])), ["@label=l :s PONG :x"]);
        let inner = Line::new("s", "BATCH").param("+c").param("chathistory");
        let within = pong().tag("batch", "c");
        let expected = [
            "@label=l :s BATCH +b labeled-response",
            "@batch=b :s BATCH +c chathistory",
            "@batch=c :s PONG :x",
            "@batch=b :s PONG :x",
            ":s BATCH -b",
        ];
        assert_eq!(texts(&labeled("s", "l", "b", vec![inner.clone(), within.clone(), pong()])), expected);
        // One batch alone carries the label itself.
        let close = Line::new("s", "BATCH").param("-c");
        let expected = ["@label=l :s BATCH +c chathistory", "@batch=c :s PONG :x", ":s BATCH -c"];
        assert_eq!(texts(&labeled("s", "l", "b", vec![inner, within, close])), expected);
    }
}
