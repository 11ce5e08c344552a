//! Asking for a password: at a terminal without showing it, and twice; else it is the first line of the input.

use std::io::{self, BufRead, IsTerminal, Write};

use crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use crossterm::terminal::{disable_raw_mode, enable_raw_mode};

/// Why there is no password.
#[derive(Debug, thiserror::Error)]
pub enum PromptError {
    /// The terminal or the input cannot be read.
    #[error("cannot read the password")]
    Io(#[from] io::Error),
    /// Nothing was typed.
    #[error("no password was given")]
    Empty,
    /// The second one was another.
    #[error("the two passwords differ")]
    Differ,
    /// Who was asked does not want to say.
    #[error("interrupted")]
    Interrupted,
}

/// A new password for somebody.
pub(super) fn password(name: &str) -> Result<String, PromptError> {
    let mut input = io::stdin().lock();
    if !input.is_terminal() {
        return line(&mut input);
    }
    let first = hidden(&format!("Password for {name}: "))?;
    if first.is_empty() {
        return Err(PromptError::Empty);
    }
    let second = hidden("Once more: ")?;
    if first == second { Ok(first) } else { Err(PromptError::Differ) }
}

fn line(input: &mut impl BufRead) -> Result<String, PromptError> {
    let mut line = String::new();
    input.read_line(&mut line)?;
    let password = line.trim_end_matches(['\r', '\n']);
    if password.is_empty() { Err(PromptError::Empty) } else { Ok(password.to_owned()) }
}

/// The terminal shows what is typed again when this is dropped.
struct Quiet;

impl Quiet {
    fn begin() -> io::Result<Self> {
        enable_raw_mode().map(|()| Self)
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // Nothing can be done about it, and the command ends soon.
        let _ = disable_raw_mode();
        eprintln!();
    }
}

fn hidden(question: &str) -> Result<String, PromptError> {
    eprint!("{question}");
    io::stderr().flush()?;
    let _quiet = Quiet::begin()?;
    let mut typed = String::new();
    loop {
        let Event::Key(key) = event::read()? else { continue };
        if key.kind == KeyEventKind::Release {
            continue;
        }
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Enter => return Ok(typed),
            KeyCode::Char('c' | 'd') if control => return Err(PromptError::Interrupted),
            KeyCode::Char('u') if control => typed.clear(),
            KeyCode::Backspace => drop(typed.pop()),
            KeyCode::Char(found) if !control => typed.push(found),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_input_is_the_password() {
        for (input, expected) in [
            ("secret\n", Some("secret")),
            ("two words \r\nmore", Some("two words ")),
            ("\n", None),
            ("", None),
        ] {
            assert_eq!(line(&mut input.as_bytes()).ok().as_deref(), expected, "{input:?}");
        }
    }
}
