//! A password, from somebody at a terminal, who does not see it, or from the first line of the input.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use crossterm::event::{Event, KeyCode, KeyEventKind, KeyModifiers, read};
use crossterm::terminal::{disable_raw_mode, enable_raw_mode};

/// Bytes of the longest one.
const LONGEST: usize = 1024;

/// The password; `None` when there is none.
pub(super) fn ask(account: &str) -> io::Result<Option<String>> {
    if !io::stdin().is_terminal() {
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line)?;
        let password = line.trim_end_matches(['\r', '\n']);
        return Ok(Some(password.to_owned()).filter(|password| !password.is_empty()));
    }
    let mut stderr = io::stderr().lock();
    write!(stderr, "Password of {account}: ")?;
    stderr.flush()?;
    let hidden = Hidden::begin()?;
    let typed = typed();
    drop(hidden);
    writeln!(stderr)?;
    typed
}

/// What is typed is not shown, until this is dropped.
struct Hidden;

impl Hidden {
    fn begin() -> io::Result<Self> {
        enable_raw_mode()?;
        Ok(Self)
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        let _ = disable_raw_mode();
    }
}

fn typed() -> io::Result<Option<String>> {
    let mut password = String::new();
    loop {
        let Event::Key(key) = read()? else { continue };
        if key.kind == KeyEventKind::Release {
            continue;
        }
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Enter => return Ok(Some(password).filter(|password| !password.is_empty())),
            KeyCode::Esc => return Ok(None),
            KeyCode::Char('c' | 'd') if control => return Ok(None),
            KeyCode::Char('u') if control => password.clear(),
            KeyCode::Backspace => drop(password.pop()),
            KeyCode::Char(found) if !control && password.len() < LONGEST => password.push(found),
            _ => {}
        }
    }
}
