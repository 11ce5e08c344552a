//! What a page shows in its fenced blocks, by the word behind the fence:
//!
//! * `sh`: a command a line, or several that end with `\\`. What follows ` # ` is a remark.
//! * `text`: what the last command printed, or a part of it; `...` stands for anything, and spaces count as one.
//! * `toml`, when the first line is `# NAME`: a file of that name.
//!
//! Other blocks are not for a shell.

/// Something to do or to look at, in the order of the page.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    Command(String),
    Printed(String),
    File { name: String, text: String },
}

/// The parts of a page.
pub(super) fn parts(page: &str) -> impl Iterator<Item = Part> {
    blocks(page).into_iter().flat_map(|(kind, text)| match kind {
        "sh" => text.replace("\\\n", " ").lines().filter_map(command).collect(),
        "text" => vec![Part::Printed(text)],
        "toml" => file(text).into_iter().collect(),
        _ => Vec::new(),
    })
}

/// The fenced blocks: the word behind the fence, and the lines.
fn blocks(page: &str) -> Vec<(&str, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(&str, String)> = None;
    for line in page.lines() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(kind), None) => open = Some((kind, String::new())),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some((_, text))) => *text += &format!("{line}\n"),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block without an end: {open:?}");
    blocks
}

fn command(line: &str) -> Option<Part> {
    let command = line.split(" # ").next()?.trim();
    (!command.is_empty()).then(|| Part::Command(command.to_owned()))
}

fn file(text: String) -> Option<Part> {
    let name = text.lines().next()?.strip_prefix("# ")?.to_owned();
    Some(Part::File { name, text })
}

/// Whether `pattern` stands in `said`.
pub(super) fn stands_in(pattern: &str, said: &str) -> bool {
    let said = plain(said);
    let mut rest = said.as_str();
    plain(pattern).split("...").all(|piece| {
        let Some(at) = rest.find(piece.trim()) else {
            return false;
        };
        rest = &rest[at + piece.trim().len()..];
        true
    })
}

/// Lines without spaces at their ends or several in a row.
fn plain(text: &str) -> String {
    let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    lines.collect::<Vec<_>>().join("\n").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_taken_apart() {
        let page = "A `page`:\n```sh\na b  # remark\n\nc \\\n  '#'\n```\n```text\nsaid\n```\n```rust\nfn x() {}\n```\n\
                    ```toml\n# x.toml\ny = 1\n```\n```toml\nz = 1\n```\n";
        let command = |text: &str| Part::Command(text.to_owned());
        assert_eq!(
            parts(page).collect::<Vec<_>>(),
            [
                command("a b"),
                command("c    '#'"),
                Part::Printed("said\n".to_owned()),
                Part::File { name: "x.toml".to_owned(), text: "# x.toml\ny = 1\n".to_owned() }
            ]
        );
    }

    #[test]
    fn what_is_shown_stands_in_what_is_said() {
        let said = "HTTP/1.1 200 OK\r\ndate: today\r\nserver:  mine\r\n\r\nbody\nmore\n";
        for (pattern, stands) in [
            ("HTTP/1.1 200 OK\ndate: ...\nserver: mine\n", true),
            ("HTTP/1.1 200 OK\n...\nbody\n", true),
            ("body\nmore", true),
            ("HTTP/1.1 200 OK\nserver: mine\n", false),
            ("body\n...\nserver", false),
            ("bodies", false),
        ] {
            assert_eq!(stands_in(pattern, said), stands, "{pattern:?}");
        }
    }
}
