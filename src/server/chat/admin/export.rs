//! Exported messages as a page of HTML, which needs nothing beside it.

use std::io::{self, Write};

use serde_json::Value;

use super::act::at;
use super::ask::Rows;

const HEAD: &str = r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>Messages</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem }
h2 { border-bottom: 1px solid; margin-top: 3rem }
p { margin: .5rem 0; white-space: pre-wrap; overflow-wrap: anywhere }
time, small { opacity: .6; font-size: .8rem }
</style>
"#;

/// Writes messages as they come, a heading for each room.
#[derive(Debug)]
pub(super) struct Page<W: Write> {
    out: W,
    room: Option<String>,
}

impl<W: Write> Page<W> {
    /// Begins the page.
    pub(super) fn begin(mut out: W) -> io::Result<Self> {
        out.write_all(HEAD.as_bytes())?;
        Ok(Self { out, room: None })
    }

    /// Ends it.
    pub(super) fn end(mut self) -> io::Result<W> {
        self.out.write_all(b"</html>\n")?;
        Ok(self.out)
    }
}

impl<W: Write> Rows for Page<W> {
    fn take(&mut self, row: Value) -> io::Result<()> {
        let text = |name: &str| escaped(row.get(name).and_then(Value::as_str).unwrap_or_default());
        let room = text("room");
        if self.room.as_ref() != Some(&room) {
            writeln!(self.out, "<h2>{room}</h2>")?;
            self.room = Some(room);
        }
        let time = at(row.get("at").and_then(Value::as_u64).unwrap_or_default());
        let time = time.as_str().unwrap_or_default();
        let (from, said) = (text("from"), text("text"));
        let (id, deleted) = (text("id"), row.get("deleted").is_some());
        let note = match (deleted, row.get("edited").is_some()) {
            (true, _) => " <small>(deleted)</small>",
            (false, true) => " <small>(edited)</small>",
            (false, false) => "",
        };
        write!(self.out, "<p id=\"{id}\"><time>{time}</time> <b>{from}</b> {said}{note}")?;
        for file in row.get("media").and_then(Value::as_array).into_iter().flatten() {
            let name = escaped(file.get("name").and_then(Value::as_str).unwrap_or_default());
            write!(self.out, " <small>[file: {name}]</small>")?;
        }
        for reaction in row.get("reactions").and_then(Value::as_array).into_iter().flatten() {
            let word = escaped(reaction.get("reaction").and_then(Value::as_str).unwrap_or_default());
            let count = reaction.get("by").and_then(Value::as_array).map_or(0, Vec::len);
            write!(self.out, " <small>{word} {count}</small>")?;
        }
        writeln!(self.out, "</p>")
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for found in text.chars() {
        match found {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(found),
            found if found.is_control() => {}
            found => out.push(found),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_said_is_no_markup() {
        let mut page = Page::begin(Vec::new()).unwrap();
        let message = json!({
            "room": "#a", "at": 0, "from": "<b>", "id": "X", "text": "<script>\"&\u{2}\n", "edited": 5,
            "reactions": [{"reaction": "+1", "by": ["ann", "bob"]}], "media": [{"name": "<i>.png"}],
        });
        page.take(message).unwrap();
        page.take(json!({"room": "#a", "at": 0, "from": "ann", "id": "Y", "deleted": 7})).unwrap();
        let text = String::from_utf8(page.end().unwrap()).unwrap();
        let body = text.split_once("</style>").unwrap().1;
        assert_eq!(body.matches("<h2>#a</h2>").count(), 1);
        assert!(
            body.contains("<b>&lt;b&gt;</b> &lt;script&gt;&quot;&amp;\n <small>(edited)</small>"),
            "{body}"
        );
        assert!(body.contains("[file: &lt;i&gt;.png]") && body.contains("+1 2"), "{body}");
        assert!(body.contains("(deleted)") && body.trim_end().ends_with("</html>"), "{body}");
    }
}
