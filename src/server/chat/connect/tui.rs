//! The client on a whole screen: keys in, pictures out.

use std::io;
use std::time::Duration;

use crossterm::event::{
    DisableBracketedPaste, EnableBracketedPaste, Event, EventStream, KeyCode, KeyEvent, KeyEventKind,
    KeyModifiers,
};
use crossterm::execute;
use futures_util::StreamExt as _;
use ratatui::DefaultTerminal;
use tokio::time::{MissedTickBehavior, interval};

use super::model::Model;
use super::session::{Credentials, LoginError, News, Session};
use super::view::{Drawn, Look, draw};
use super::{ConnectError, millis};
use crate::server::load::signals::Signals;

/// How often the clock is looked at: who types is forgotten, and a new day begins.
const TICK: Duration = Duration::from_secs(1);

/// The terminal, which is as it was before when this is dropped, and when there is a panic.
struct Screen(DefaultTerminal);

impl Screen {
    fn take() -> io::Result<Self> {
        let terminal = ratatui::try_init()?;
        let screen = Self(terminal);
        execute!(io::stdout(), EnableBracketedPaste)?;
        Ok(screen)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // There is nobody left who could be told.
        let _ = execute!(io::stdout(), DisableBracketedPaste);
        let _ = ratatui::try_restore();
    }
}

/// Talks until the user goes.
pub(super) async fn run(
    model: &mut Model,
    session: &mut Session,
    look: &Look,
    signals: &mut Signals,
) -> Result<(), ConnectError> {
    let mut screen = Screen::take()?;
    let mut keys = EventStream::new();
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        while let Some(request) = model.next_request() {
            session.send(&request);
        }
        if model.is_over {
            return Ok(());
        }
        if let Some(name) = model.rename.take() {
            session.renew(Credentials::Guest(name));
            model.lost("another name");
        }
        let mut drawn = Drawn::default();
        screen.0.draw(|frame| drawn = draw(frame, model, look))?;
        tokio::select! {
            key = keys.next() => match key {
                Some(event) => handle(model, &event?, drawn),
                None => return Ok(()),
            },
            news = session.news(|| model.resume()) => take(model, news)?,
            _ = tick.tick() => {}
            () = signals.next() => return Ok(()),
        }
        model.tick(millis());
    }
}

/// Takes in what came of the connection.
pub(super) fn take(model: &mut Model, news: News) -> Result<(), LoginError> {
    match news {
        News::Said(value) => model.hear(&value),
        News::Lost(reason) => model.lost(&reason),
        News::Kept(reason) => model.error(&reason),
        News::Back(before, reply) => {
            before.iter().for_each(|value| model.hear(value));
            model.come_in(&reply);
        }
        News::Over(error) => return Err(error),
    }
    Ok(())
}

/// What an event of the terminal does.
fn handle(model: &mut Model, event: &Event, drawn: Drawn) {
    match event {
        Event::Key(key) if key.kind != KeyEventKind::Release => press(model, *key, drawn),
        Event::Paste(text) => {
            model.editor.insert(text);
            model.edited();
        }
        _ => {}
    }
}

/// What a key does.
fn press(model: &mut Model, key: KeyEvent, drawn: Drawn) {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    let alt = key.modifiers.contains(KeyModifiers::ALT);
    let page = drawn.height.saturating_sub(2).max(1);
    match key.code {
        KeyCode::Char('c') if control => model.is_over = true,
        KeyCode::Char('d') if control && model.editor.text().is_empty() => model.is_over = true,
        KeyCode::Char('n') if control => model.turn(true),
        KeyCode::Char('p') if control => model.turn(false),
        KeyCode::Char(digit @ '1'..='9') if alt => {
            let at = usize::try_from(u32::from(digit) - u32::from('0')).unwrap_or_default();
            if at < model.rooms.len() {
                model.turn_to(at);
            }
        }
        KeyCode::PageUp => model.scroll(true, page, drawn.most),
        KeyCode::PageDown => model.scroll(false, page, drawn.most),
        KeyCode::Up if alt => model.room_mut().choose(true),
        KeyCode::Down if alt => model.room_mut().choose(false),
        KeyCode::Up => model.editor.older(),
        KeyCode::Down => model.editor.newer(),
        KeyCode::Esc => {
            model.room_mut().chosen = None;
            model.room_mut().scroll = 0;
        }
        KeyCode::F(1) => model.line("/help"),
        KeyCode::Enter => model.enter(),
        KeyCode::Tab => model.complete(true),
        KeyCode::BackTab => model.complete(false),
        _ => {
            if edit(model, key.code, control, alt) {
                model.edited();
            }
        }
    }
}

/// What a key does to the line; whether it has changed anything.
fn edit(model: &mut Model, key: KeyCode, control: bool, alt: bool) -> bool {
    let editor = &mut model.editor;
    match key {
        KeyCode::Left => editor.left(),
        KeyCode::Right => editor.right(),
        KeyCode::Home => editor.home(),
        KeyCode::End => editor.end(),
        KeyCode::Char('a') if control => editor.home(),
        KeyCode::Char('e') if control => editor.end(),
        KeyCode::Char('u') if control => editor.delete_head(),
        KeyCode::Char('k') if control => editor.delete_tail(),
        KeyCode::Char('w') if control => editor.delete_word(),
        KeyCode::Backspace if alt => editor.delete_word(),
        KeyCode::Backspace => editor.backspace(),
        KeyCode::Delete => editor.delete(),
        KeyCode::Char(found) if !control && !alt => editor.insert(found.encode_utf8(&mut [0; 4])),
        _ => return false,
    }
    !matches!(key, KeyCode::Left | KeyCode::Right | KeyCode::Home | KeyCode::End)
}
