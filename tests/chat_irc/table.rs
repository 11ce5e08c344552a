//! Tables of cases. A file begins with `# Title`, and a case with `== name | what | requirement`; then come its steps, one a line:
//!
//! | step | |
//! |---|---|
//! | `connect ann caps...`, `account ann caps...` | a client that has registered, without and with an account |
//! | `raw ann` | a connection that has said nothing |
//! | `operator ann` | the account operates the server from now on |
//! | `join #room ann bob` | they enter, one after the other, and read all that follows |
//! | `ann> line` | sends it |
//! | `ann< pattern`, `ann<< pattern` | the next line, or the next one that fits, is this |
//! | `ann.` | nothing more is said to her |
//! | `ann! pattern` | reads all that is there, in which nothing fits the pattern, if there is one |
//! | `ann$` | the connection ends, behind whatever is said before |
//!
//! `%` is the number of the case, so that each has its own names; `\xHH` is a byte, and `{b64:...}` its text in Base64.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

/// A file of cases.
pub(super) struct Table {
    pub(super) title: String,
    pub(super) cases: Vec<Case>,
}

/// A case.
pub(super) struct Case {
    pub(super) name: String,
    /// The commands, numerics and capabilities that it is about.
    pub(super) about: String,
    /// What is required.
    pub(super) requirement: String,
    pub(super) steps: Vec<Step>,
}

/// A step, and its line in the file.
pub(super) struct Step {
    pub(super) line: usize,
    pub(super) text: String,
}

impl Table {
    pub(super) fn parse(text: &str) -> Self {
        let mut table = Self { title: String::new(), cases: Vec::new() };
        for (at, line) in text.lines().enumerate() {
            if let Some(title) = line.strip_prefix("# ") {
                table.title = title.to_owned();
            } else if let Some(head) = line.strip_prefix("== ") {
                let parts: Vec<&str> = head.splitn(3, " | ").collect();
                let [name, about, requirement] = parts[..] else { panic!("line {}: {line}", at + 1) };
                table.cases.push(Case {
                    name: name.to_owned(),
                    about: about.to_owned(),
                    requirement: requirement.to_owned(),
                    steps: Vec::new(),
                });
            } else if !line.trim().is_empty() {
                let number = table.cases.len().to_string();
                let case = table.cases.last_mut().unwrap_or_else(|| panic!("line {}: no case", at + 1));
                case.steps.push(Step { line: at + 1, text: line.replace('%', &number) });
            }
        }
        table
    }
}

/// The bytes that a text stands for.
pub(super) fn bytes(text: &str) -> Vec<u8> {
    let text = match text.split_once("{b64:") {
        Some((before, rest)) => {
            let (inside, after) = rest.split_once('}').expect("a brace that closes");
            let encoded = BASE64_STANDARD.encode(bytes(inside));
            return [bytes(before), encoded.into_bytes(), bytes(after)].concat();
        }
        None => text,
    };
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\\x") {
        out.extend_from_slice(before.as_bytes());
        let (hex, after) = after.split_at(2);
        out.push(u8::from_str_radix(hex, 16).expect("two hexadecimal digits"));
        rest = after;
    }
    out.extend_from_slice(rest.as_bytes());
    out
}

#[test]
fn bytes_of_texts() {
    assert_eq!(bytes("a\\x01b"), b"a\x01b");
    assert_eq!(bytes("AUTHENTICATE {b64:\\x00ann\\x00pw}"), b"AUTHENTICATE AGFubgBwdw==");
}
