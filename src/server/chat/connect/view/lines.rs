//! Entries of a room as lines: days, times, names in their colours, and what became of messages.

use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

use super::super::model::Model;
use super::super::room::{Entry, Kind, Room};
use super::super::text::{cut, harmless, mentions, one_line, width, wrap};
use super::Look;

/// Columns of a name, at most; those of a time, with the space behind it.
const NAME: usize = 14;
const TIME: usize = 6;

/// From which width on texts stand beside the names of whoever said them, and not below.
const BESIDE: usize = 44;

/// The lines of the room that is looked at.
pub(super) fn lines<'a>(model: &Model, look: &Look, columns: usize) -> Vec<Line<'a>> {
    let room = model.room();
    let mut out = Vec::new();
    let mut day = None;
    let mut before: Option<&Entry> = None;
    for entry in &room.entries {
        let local = look.zone.local(entry.at);
        if entry.at > 0 && day != Some(local.days) {
            day = Some(local.days);
            before = None;
            let words = cut(&format!(" {} ", local.day_in_words()), columns);
            let dashes = columns.saturating_sub(width(&words));
            let (left, right) = ("─".repeat(dashes / 2), "─".repeat(dashes - dashes / 2));
            out.push(Line::styled(format!("{left}{words}{right}"), look.faint()));
        }
        // What somebody says on, within some minutes, needs no name.
        let goes_on = before.is_some_and(|before| {
            before.from == entry.from
                && before.kind == Kind::Text
                && entry.kind == Kind::Text
                && entry.reply.is_none()
                && entry.at.saturating_sub(before.at) < 5 * 60_000
        });
        let first = out.len();
        one(&mut out, &Row { model, room, look, columns, entry, clock: local.clock(), goes_on });
        if room.chosen.as_ref().is_some_and(|id| *id == entry.id && entry.is_said()) {
            for line in &mut out[first..] {
                line.style = line.style.add_modifier(Modifier::REVERSED);
            }
        }
        before = Some(entry);
    }
    out
}

/// An entry, and all that its lines depend on.
struct Row<'a> {
    model: &'a Model,
    room: &'a Room,
    look: &'a Look,
    columns: usize,
    entry: &'a Entry,
    clock: String,
    goes_on: bool,
}

/// The lines of one entry.
fn one<'a>(out: &mut Vec<Line<'a>>, row: &Row<'_>) {
    let Row { look, columns, entry, .. } = *row;
    let faint = look.faint();
    match entry.kind {
        Kind::Event | Kind::Note | Kind::Error => {
            let style = match entry.kind {
                Kind::Error => look.alarm(),
                Kind::Note => Style::new(),
                _ => faint,
            };
            let mark = if entry.kind == Kind::Event { "· " } else { "» " };
            let clock = format!("{} ", row.clock);
            hanging(
                out,
                columns,
                vec![Span::styled(clock, faint), Span::styled(mark, style)],
                &harmless(&entry.text),
                style,
            );
        }
        Kind::Action => {
            let name =
                Span::styled(format!("* {} ", cut(&one_line(&entry.from), NAME)), look.name(&entry.from));
            let clock = Span::styled(format!("{} ", row.clock), faint);
            hanging(out, columns, vec![clock, name], &text_of(entry), text_style(row));
            tail(out, row, TIME);
        }
        Kind::Text | Kind::Notice => said(out, row),
    }
}

/// Something that somebody said.
fn said(out: &mut Vec<Line<'_>>, row: &Row<'_>) {
    let Row { look, columns, entry, .. } = *row;
    let faint = look.faint();
    let beside = columns >= BESIDE;
    let name = cut(&one_line(&entry.from), NAME);
    let indent = if beside { TIME + NAME + 1 } else { 2 };
    if let Some(reply) = &entry.reply {
        let quote = match row.room.message(reply) {
            Some(message) => format!("{}: {}", one_line(&message.from), one_line(&message.text)),
            None => "an earlier message".into(),
        };
        let quote = cut(&format!("┌ {quote}"), columns.saturating_sub(indent));
        out.push(Line::styled(format!("{}{quote}", " ".repeat(indent)), faint));
    }
    let style = text_style(row);
    let text = text_of(entry);
    if beside {
        let space = NAME.saturating_sub(width(&name));
        let head = if row.goes_on {
            vec![Span::raw(" ".repeat(TIME + NAME + 1))]
        } else {
            vec![
                Span::styled(format!("{} ", row.clock), faint),
                Span::raw(" ".repeat(space)),
                Span::styled(name, look.name(&entry.from)),
                Span::raw(" "),
            ]
        };
        hanging(out, columns, head, &text, style);
    } else {
        if !row.goes_on {
            let clock = Span::styled(format!("{} ", row.clock), faint);
            out.push(Line::from(vec![clock, Span::styled(name, look.name(&entry.from))]));
        }
        hanging(out, columns, vec![Span::raw("  ")], &text, style);
    }
    tail(out, row, indent);
}

fn text_of(entry: &Entry) -> String {
    if entry.deleted {
        return "(deleted)".into();
    }
    let mut text = harmless(&entry.text);
    if entry.edited {
        text.push_str(" (edited)");
    }
    text
}

fn text_style(row: &Row<'_>) -> Style {
    let entry = row.entry;
    if entry.deleted || entry.pending.is_some() {
        row.look.faint()
    } else if entry.from != row.model.me && mentions(&entry.text, &row.model.me) {
        row.look.alarm()
    } else if entry.kind == Kind::Notice {
        Style::new().add_modifier(Modifier::ITALIC)
    } else {
        Style::new()
    }
}

/// Files and reactions, below the text.
fn tail(out: &mut Vec<Line<'_>>, row: &Row<'_>, indent: usize) {
    let entry = row.entry;
    let mut parts: Vec<String> =
        entry.files.iter().map(|name| format!("[file {}]", one_line(name))).collect();
    parts.extend(entry.reactions.iter().map(|(reaction, by)| format!("{} {}", one_line(reaction), by.len())));
    if !parts.is_empty() {
        let text = cut(&parts.join("  "), row.columns.saturating_sub(indent));
        out.push(Line::styled(format!("{}{text}", " ".repeat(indent)), row.look.faint()));
    }
}

/// A text behind a head, wrapped under its own beginning.
fn hanging(out: &mut Vec<Line<'_>>, columns: usize, head: Vec<Span<'static>>, text: &str, style: Style) {
    let indent: usize = head.iter().map(|span| width(&span.content)).sum();
    // On a screen as narrow as the head the text begins on the next line.
    let (indent, narrow) = if indent + 8 > columns { (1, true) } else { (indent, false) };
    let mut rows = wrap(text, columns.saturating_sub(indent)).into_iter();
    let mut first = head;
    if !narrow && let Some(row) = rows.next() {
        first.push(Span::styled(row, style));
    }
    out.push(Line::from(first));
    out.extend(rows.map(|row| Line::from(vec![Span::raw(" ".repeat(indent)), Span::styled(row, style)])));
}
