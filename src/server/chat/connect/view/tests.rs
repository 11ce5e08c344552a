//! Screens of several sizes, as text.

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use serde_json::json;

use super::*;

/// The screen, in lines.
fn screen(model: &Model, columns: u16, rows: u16) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
    let look = Look { colours: true, zone: Zone::default() };
    terminal
        .draw(|frame| {
            draw(frame, model, &look);
        })
        .unwrap();
    let buffer = terminal.backend().buffer();
    (0..rows)
        .map(|y| {
            let mut line = String::new();
            let mut x = 0;
            while x < columns {
                let symbol = buffer[(x, y)].symbol();
                line.push_str(symbol);
                x += u16::try_from(width(symbol).max(1)).unwrap();
            }
            line.trim_end().to_owned()
        })
        .collect()
}

fn model() -> Model {
    let mut model = Model::new("tag".into(), 1_795_358_900_000);
    model.hear(&json!({"t": "hello", "server": "chat.test"}));
    let room = |name: &str, unread: u64| json!({"room": name, "seq": 9, "read": 9, "unread": unread, "topic": "Roses 🌹"});
    model.come_in(&json!({"me": {"name": "ann", "account": "ann"}, "rooms": [room("#garden", 0), room("#kitchen", 3), room("bob", 1)]}));
    model.turn_to(1);
    let at = 1_795_358_897_496_u64;
    let mut say = |seq: u64, from: &str, text: &str| {
        model.hear(&json!({"t": "message", "room": "#garden", "seq": seq, "id": format!("id{seq}"), "at": at + seq * 400_000, "from": from, "text": text}));
    };
    say(10, "bob", "The roses have to be cut before the frost comes, who has an hour on Saturday?");
    say(11, "漢字", "我有時間 \x1b[31m");
    say(12, "ann", "me too");
    model.hear(&json!({"t": "react", "room": "#garden", "seq": 13, "from": "bob", "message": "id12", "reaction": "👍"}));
    model.hear(&json!({"t": "message", "room": "#garden", "seq": 14, "id": "id14", "at": at + 6_000_000, "from": "bob", "text": "thanks", "reply": "id12"}));
    model.hear(&json!({"t": "typing", "room": "#garden", "from": "bob", "on": true}));
    while let Some(request) = model.next_request() {
        if request["t"] == "members" {
            let members = json!([{"name": "ann", "role": "owner", "presence": "online"}, {"name": "bob", "role": "member", "presence": "away"}]);
            model.hear(&json!({"t": "ok", "re": request["id"], "members": members}));
        }
        if request["t"] == "history" {
            model.hear(&json!({"t": "ok", "re": request["id"], "events": [], "more": false}));
        }
    }
    model.editor.insert("hello");
    model
}

#[test]
fn a_wide_screen_has_rooms_messages_and_members() {
    let rows = screen(&model(), 100, 16);
    let all = rows.join("\n");
    assert!(rows[0].starts_with(" #garden Roses 🌹"), "{all}");
    for part in [
        "#kitchen         3 │",
        "│ ●~ann",
        "│ ◐bob",
        "bob The roses have to be cut before the frost",
        "漢字 我有時間 ␛[31m",
        "👍 1",
        "┌ ann: me too",
        "bob is typing…",
        "4 unread elsewhere",
        "Sunday, 22 November 2026",
    ] {
        assert!(all.contains(part), "{part}: {all}");
    }
    assert_eq!(rows[15], "> hello");
}

#[test]
fn a_small_screen_has_what_matters() {
    let rows = screen(&model(), 40, 12);
    let all = rows.join("\n");
    assert!(rows[0].starts_with(" #garden") && !all.contains("#kitchen"), "{all}");
    assert!(rows.iter().all(|row| width(row) <= 40), "{all}");
    assert!(all.contains("thanks") && all.contains("> hello") && all.contains("4 unread"), "{all}");
}

#[test]
fn every_size_can_be_drawn() {
    let mut model = model();
    model.line("/help");
    for columns in (1..120).step_by(7) {
        for rows in [1, 2, 3, 4, 5, 9, 30] {
            screen(&model, columns, rows);
        }
    }
    model.room_mut().scroll = 10_000;
    model.room_mut().choose(true);
    screen(&model, 40, 10);
    model.turn_to(0);
    screen(&model, 40, 10);
}

#[test]
fn a_lost_connection_is_seen() {
    let mut model = model();
    model.lost("closed with 1013: too far behind");
    let all = screen(&model, 80, 16).join("\n");
    assert!(
        all.contains("Connection lost: closed with 1013: too far behind") && all.contains("reconnecting"),
        "{all}"
    );
}

#[test]
fn without_colours_there_are_none() {
    let mut terminal = Terminal::new(TestBackend::new(100, 20)).unwrap();
    let look = Look { colours: false, zone: Zone::default() };
    terminal
        .draw(|frame| {
            draw(frame, &model(), &look);
        })
        .unwrap();
    let cells = terminal.backend().buffer().content();
    assert!(cells.iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset));
}
