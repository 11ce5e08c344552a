//! What the model looks like on a screen of any size: nothing here changes anything.
//!
//! From 60 columns on the rooms stand on the left, from 90 on the members on the right. The last line is the one that is typed, above it a line says how things are.

mod lines;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Position, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use self::lines::lines;
use super::model::{Link, Model};
use super::text::{cut, one_line, padded, width};
use super::zone::Zone;

/// Columns of the lists at the sides, and from which width on they are there.
const ROOMS: u16 = 20;
const ROOMS_FROM: u16 = 60;
const MEMBERS: u16 = 18;
const MEMBERS_FROM: u16 = 90;

/// Colours of names: those that can be read on dark and on light.
const NAMES: [Color; 8] = [
    Color::Cyan,
    Color::Magenta,
    Color::Green,
    Color::Blue,
    Color::Yellow,
    Color::LightRed,
    Color::LightBlue,
    Color::LightMagenta,
];

/// How things are shown.
#[derive(Clone, Debug)]
pub(super) struct Look {
    /// Whether there are colours.
    pub(super) colours: bool,
    pub(super) zone: Zone,
}

impl Look {
    fn coloured(&self, colour: Color) -> Style {
        if self.colours { Style::new().fg(colour) } else { Style::new() }
    }

    fn name(&self, name: &str) -> Style {
        let colour = NAMES[super::text::colour_of(name, NAMES.len())];
        self.coloured(colour).add_modifier(Modifier::BOLD)
    }

    fn faint(&self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    fn alarm(&self) -> Style {
        self.coloured(Color::Red).add_modifier(Modifier::BOLD)
    }
}

/// What was drawn, as far as scrolling has to know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Drawn {
    /// Lines that the messages have.
    pub(super) height: usize,
    /// How far one can scroll up.
    pub(super) most: usize,
}

/// Draws.
pub(super) fn draw(frame: &mut Frame<'_>, model: &Model, look: &Look) -> Drawn {
    let area = frame.area();
    if area.width < 4 || area.height < 4 {
        return Drawn::default();
    }
    let [top, middle, bar, input] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Min(1),
        Constraint::Length(1),
        Constraint::Length(1),
    ])
    .areas(area);
    let rooms = if area.width >= ROOMS_FROM { ROOMS } else { 0 };
    let has_members = area.width >= MEMBERS_FROM && !model.members().is_empty();
    let members = if has_members { MEMBERS } else { 0 };
    let [left, centre, right] =
        Layout::horizontal([Constraint::Length(rooms), Constraint::Min(1), Constraint::Length(members)])
            .areas(middle);
    head(frame, top, model, look);
    if rooms > 0 {
        room_list(frame, left, model, look);
    }
    if members > 0 {
        member_list(frame, right, model, look);
    }
    let drawn = messages(frame, centre, model, look);
    status(frame, bar, model, look);
    type_line(frame, input, model, look);
    drawn
}

/// The room, and what it is about.
fn head(frame: &mut Frame<'_>, area: Rect, model: &Model, look: &Look) {
    let room = model.room();
    let name = if room.name.is_empty() { &model.server } else { &room.name };
    let mut spans =
        vec![Span::styled(format!(" {} ", one_line(name)), Style::new().add_modifier(Modifier::BOLD))];
    if !room.topic.is_empty() {
        spans.push(Span::raw(format!("{} ", one_line(&room.topic))));
    }
    let used: usize = spans.iter().map(|span| width(&span.content)).sum();
    let columns = usize::from(area.width);
    let text: String = spans.iter().map(|span| span.content.as_ref()).collect();
    let line = if used > columns { Line::raw(cut(&text, columns)) } else { Line::from(spans) };
    let bar = look.coloured(Color::Reset).add_modifier(Modifier::REVERSED);
    frame.render_widget(Paragraph::new(line).style(bar), area);
}

/// Rooms, with what is unread in them.
fn room_list(frame: &mut Frame<'_>, area: Rect, model: &Model, look: &Look) {
    let columns = usize::from(area.width).saturating_sub(2);
    let height = usize::from(area.height);
    // The one that is looked at is always to be seen.
    let first = (model.current + 1).saturating_sub(height);
    let rows = model.rooms.iter().enumerate().skip(first).take(height).map(|(at, room)| {
        let unread = match room.unread {
            0 => String::new(),
            count @ 1..=999 => count.to_string(),
            _ => "999+".into(),
        };
        let name = if room.name.is_empty() { "server" } else { &room.name };
        let space = columns.saturating_sub(if unread.is_empty() { 0 } else { width(&unread) + 1 });
        let name = padded(&one_line(name), space);
        let style = match (at == model.current, room.called, room.unread > 0) {
            (true, ..) => Style::new().add_modifier(Modifier::REVERSED),
            (_, true, _) => look.alarm(),
            (_, _, true) => Style::new().add_modifier(Modifier::BOLD),
            _ => Style::new(),
        };
        let gap = if unread.is_empty() { "" } else { " " };
        Line::from(vec![
            Span::styled(format!("{name}{gap}{unread}"), style),
            Span::styled(" │", look.faint()),
        ])
    });
    let mut rows: Vec<Line<'_>> = rows.collect();
    while rows.len() < height {
        rows.push(Line::styled(format!("{} │", " ".repeat(columns)), look.faint()));
    }
    frame.render_widget(Paragraph::new(rows), area);
}

/// Who is here: those who are, and those who are not.
fn member_list(frame: &mut Frame<'_>, area: Rect, model: &Model, look: &Look) {
    let columns = usize::from(area.width).saturating_sub(4);
    let height = usize::from(area.height);
    let mut members: Vec<_> = model.members().iter().collect();
    members.sort_by_key(|(name, member)| (member.presence == "offline", name.to_lowercase()));
    let count = members.len();
    let mut rows: Vec<Line<'_>> = members
        .into_iter()
        .take(height)
        .map(|(name, member)| {
            let (mark, style) = match member.presence.as_str() {
                "online" => ("●", look.coloured(Color::Green)),
                "away" => ("◐", look.coloured(Color::Yellow)),
                "busy" => ("◉", look.coloured(Color::Red)),
                _ => ("○", look.faint()),
            };
            let rank = match member.role.as_str() {
                "owner" => "~",
                "admin" => "@",
                "voiced" => "+",
                _ => "",
            };
            let name_style = if member.presence == "offline" { look.faint() } else { Style::new() };
            Line::from(vec![
                Span::styled("│ ", look.faint()),
                Span::styled(mark, style),
                Span::styled(cut(&format!("{rank}{}", one_line(name)), columns), name_style),
            ])
        })
        .collect();
    if count > height
        && let Some(last) = rows.last_mut()
    {
        *last = Line::styled(format!("│ and {} more", count - height + 1), look.faint());
    }
    while rows.len() < height {
        rows.push(Line::styled("│", look.faint()));
    }
    frame.render_widget(Paragraph::new(rows), area);
}

fn messages(frame: &mut Frame<'_>, area: Rect, model: &Model, look: &Look) -> Drawn {
    let height = usize::from(area.height);
    let rows = lines(model, look, usize::from(area.width));
    let most = rows.len().saturating_sub(height);
    let scroll = model.room().scroll.min(most);
    let end = rows.len() - scroll;
    let shown: Vec<Line<'_>> = rows[end.saturating_sub(height)..end].to_vec();
    let blank = height.saturating_sub(shown.len());
    let below = Rect {
        y: area.y + u16::try_from(blank).unwrap_or_default(),
        height: area.height - u16::try_from(blank).unwrap_or_default(),
        ..area
    };
    frame.render_widget(Paragraph::new(shown), below);
    Drawn { height, most }
}

/// How things are: the connection, who types, what is unread elsewhere.
fn status(frame: &mut Frame<'_>, area: Rect, model: &Model, look: &Look) {
    let columns = usize::from(area.width);
    let (mark, style) = match &model.link {
        Link::Up => ("●", look.coloured(Color::Green)),
        Link::Down(_) => ("○", look.alarm()),
    };
    let mut parts = vec![one_line(&model.me)];
    if let Link::Down(_) = &model.link {
        parts.push("reconnecting".into());
    }
    if model.room().scroll > 0 {
        parts.push("scrolled back".into());
    }
    if model.room().is_loading {
        parts.push("loading".into());
    }
    let (unread, called) = model.elsewhere();
    if unread > 0 {
        parts.push(format!("{unread} unread elsewhere"));
    }
    let typists = model.room().typists(model.now);
    let typing = match typists.as_slice() {
        [] => String::new(),
        [one] => format!("{} is typing…", one_line(one)),
        [one, two] => format!("{} and {} are typing…", one_line(one), one_line(two)),
        more => format!("{} people are typing…", more.len()),
    };
    if !typing.is_empty() {
        parts.push(typing);
    }
    let text = cut(&parts.join(" · "), columns.saturating_sub(3));
    let words = if called { look.alarm() } else { look.faint() };
    let line = Line::from(vec![Span::styled(format!(" {mark} "), style), Span::styled(text, words)]);
    frame.render_widget(Paragraph::new(line), area);
}

/// The line that is typed.
fn type_line(frame: &mut Frame<'_>, area: Rect, model: &Model, look: &Look) {
    let prompt = "> ";
    let columns = usize::from(area.width).saturating_sub(prompt.len());
    let (text, cursor) = model.editor.window(columns);
    let line = Line::from(vec![Span::styled(prompt, look.faint()), Span::raw(text)]);
    frame.render_widget(Paragraph::new(line), area);
    let column = u16::try_from(prompt.len() + cursor).unwrap_or(area.width);
    frame.set_cursor_position(Position {
        x: (area.x + column).min(area.right().saturating_sub(1)),
        y: area.y,
    });
}

#[cfg(test)]
mod tests;
