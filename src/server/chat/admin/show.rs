//! Rows as people read them: a table, or a list of what is known of one thing.

use std::io::{self, Write};

use serde_json::Value;

use super::ask::Rows;
use super::request::Request;

/// Characters of a value in a table at most.
const WIDEST: usize = 60;

/// How the rows of an answer are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// A line each, under these names.
    Table(&'static [&'static str]),
    /// One row: a line for each of these names.
    List(&'static [&'static str]),
    /// There are none.
    None,
}

/// How the answer to a request is shown.
pub(super) fn shape(request: &Request) -> Shape {
    match request {
        Request::UserList => Shape::Table(&["name", "role", "state", "here", "created", "email"]),
        Request::UserShow { .. } => Shape::List(&[
            "name",
            "account",
            "role",
            "state",
            "reason",
            "suspended",
            "here",
            "created",
            "used",
            "password",
            "certificates",
            "sessions",
            "email",
            "display",
            "rooms",
        ]),
        Request::SessionList { .. } => Shape::Table(&["session", "device", "created", "used", "expires"]),
        Request::CertificateList { .. } => Shape::Table(&["sha256"]),
        Request::RoomList => Shape::Table(&["room", "kind", "members", "here", "events", "created", "topic"]),
        Request::RoomShow { .. } => Shape::List(&[
            "room", "kind", "members", "here", "events", "created", "topic", "owners", "admins", "settings",
            "bans", "mutes", "pins",
        ]),
        Request::NoticeList => {
            Shape::Table(&["notice", "account", "kind", "room", "to", "attempts", "dead", "error"])
        }
        _ => Shape::None,
    }
}

/// Shows rows when all of them are there, so that columns are as wide as what is in them.
#[derive(Debug)]
pub(super) struct Shown {
    shape: Shape,
    rows: Vec<Value>,
}

impl Shown {
    pub(super) fn new(shape: Shape) -> Self {
        Self { shape, rows: Vec::new() }
    }

    /// Writes them.
    pub(super) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        match self.shape {
            Shape::Table(names) => table(names, &self.rows, out),
            Shape::List(names) => self.rows.iter().try_for_each(|row| list(names, row, out)),
            Shape::None => Ok(()),
        }
    }
}

impl Rows for Shown {
    fn take(&mut self, row: Value) -> io::Result<()> {
        self.rows.push(row);
        Ok(())
    }
}

/// Writes rows as they come: a line of JSON each.
#[derive(Debug)]
pub(super) struct Lines<W: Write>(pub(super) W);

impl<W: Write> Rows for Lines<W> {
    fn take(&mut self, row: Value) -> io::Result<()> {
        serde_json::to_writer(&mut self.0, &row)?;
        self.0.write_all(b"\n")
    }
}

/// A value in a line: without control characters, since terminals obey them.
fn text(value: Option<&Value>) -> String {
    let text = match value {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::Bool(true)) => "yes".to_owned(),
        Some(Value::Bool(false)) => "no".to_owned(),
        Some(Value::String(text)) if text.is_empty() => "-".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(values)) if values.is_empty() => "-".to_owned(),
        Some(Value::Array(values)) => {
            let texts: Vec<String> = values.iter().map(|value| text(Some(value))).collect();
            texts.join(", ")
        }
        Some(value) => value.to_string(),
    };
    text.chars().map(|found| if found.is_control() { ' ' } else { found }).collect()
}

fn table(names: &[&str], rows: &[Value], out: &mut impl Write) -> io::Result<()> {
    let cut = |text: String| match text.char_indices().nth(WIDEST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    };
    let head = names.iter().map(|name| name.to_uppercase()).collect::<Vec<_>>();
    let cells = rows.iter().map(|row| names.iter().map(|name| cut(text(row.get(name)))).collect());
    let lines: Vec<Vec<String>> = std::iter::once(head).chain(cells).collect();
    let width = |at: usize| lines.iter().map(|line| line[at].chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..names.len()).map(width).collect();
    for line in &lines {
        let padded: Vec<String> =
            line.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}")).collect();
        writeln!(out, "{}", padded.join("  ").trim_end())?;
    }
    Ok(())
}

fn list(names: &[&str], row: &Value, out: &mut impl Write) -> io::Result<()> {
    let known = names.iter().filter(|name| row.get(**name).is_some_and(|value| !value.is_null()));
    let width = known.clone().map(|name| name.len()).max().unwrap_or_default();
    for name in known {
        writeln!(out, "{name:width$}  {}", text(row.get(*name)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn written(shape: Shape, rows: &[Value]) -> String {
        let mut shown = Shown::new(shape);
        rows.iter().for_each(|row| shown.take(row.clone()).unwrap());
        let mut out = Vec::new();
        shown.write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_table_has_straight_columns() {
        let rows = [
            json!({"name": "ann", "here": true, "rooms": 5}),
            json!({"name": "bartholomé", "here": false, "topic": "\u{1b}[31mred"}),
        ];
        let expected =
            "NAME        HERE  ROOMS  TOPIC\nann         yes   5      -\nbartholomé  no    -       [31mred\n";
        assert_eq!(written(Shape::Table(&["name", "here", "rooms", "topic"]), &rows), expected);
        assert_eq!(written(Shape::Table(&["name"]), &[]), "NAME\n");
        let long = written(Shape::Table(&["name"]), &[json!({"name": "é".repeat(200)})]);
        assert_eq!(long.lines().nth(1).unwrap().chars().count(), WIDEST + 1);
    }

    #[test]
    fn one_thing_is_a_list() {
        let row = json!({"name": "ann", "rooms": ["#a", "#b"], "reason": null, "email": ""});
        let expected = "name   ann\nrooms  #a, #b\nemail  -\n";
        assert_eq!(written(Shape::List(&["name", "rooms", "reason", "email"]), &[row]), expected);
    }
}
