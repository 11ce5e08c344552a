//! What is typed and what is heard, and what the user then sees.

use super::*;

/// A client that is in, in `#garden`, with two messages.
fn model() -> Model {
    let mut model = Model::new("tag".into(), 1_000_000);
    model.hear(&json!({"t": "hello", "server": "chat.test"}));
    let room =
        json!({"room": "#garden", "kind": "public", "seq": 5, "read": 5, "unread": 0, "topic": "Roses"});
    model.come_in(&json!({"t": "ok", "me": {"name": "ann", "account": "ann"}, "rooms": [room]}));
    model.turn_to(1);
    answer(
        &mut model,
        "history",
        json!({"events": [message(4, "bob", "hello"), message(5, "ann", "hi")], "more": true}),
    );
    let members = json!([{"name": "ann", "role": "owner", "presence": "online"}, {"name": "bob", "role": "member", "presence": "online"}]);
    answer(&mut model, "members", json!({"members": members}));
    assert_eq!(model.next_request(), None);
    model
}

fn message(seq: u64, from: &str, text: &str) -> Value {
    json!({"t": "message", "room": "#garden", "seq": seq, "id": format!("id{seq}"), "at": 1_000_000 + seq, "from": from, "text": text})
}

/// Takes the next request, which must be this verb, and answers it.
#[track_caller]
fn answer(model: &mut Model, verb: &str, mut fields: Value) -> Value {
    let request = model.next_request().expect("a request");
    assert_eq!(request["t"], verb, "{request}");
    fields["re"] = request["id"].clone();
    if fields.get("t").is_none() {
        fields["t"] = "ok".into();
    }
    model.hear(&fields);
    request
}

fn texts(model: &Model) -> Vec<String> {
    model.room().entries.iter().map(|entry| entry.text.clone()).collect()
}

#[test]
fn what_is_typed_is_said_once_it_is_kept() {
    let mut model = model();
    model.line("good morning");
    assert!(model.room().entries[2].pending.is_some());
    let request = answer(&mut model, "send", json!({"seq": 6, "id": "id6", "at": 1_000_006}));
    assert_eq!((&request["room"], &request["text"]), (&json!("#garden"), &json!("good morning")));
    let entry = &model.room().entries[2];
    assert_eq!((entry.seq, entry.id.as_str(), &entry.pending), (6, "id6", &None));
    assert_eq!(answer(&mut model, "read", json!({}))["seq"], 6);
    // A text may begin with a slash.
    model.line("//etc/passwd");
    assert_eq!(model.next_request().unwrap()["text"], "/etc/passwd");
}

#[test]
fn what_was_not_answered_is_said_again_under_its_own_name() {
    let mut model = model();
    model.line("one");
    let first = model.next_request().unwrap();
    model.lost("reset");
    model.line("two");
    assert_eq!(model.next_request(), None);
    assert_eq!(model.resume()["#garden"], 5);
    // It was kept, and somebody spoke: this is told before the answer to the login.
    model.hear(&message(6, "ann", "one"));
    model.hear(&message(7, "bob", "ok"));
    let room = json!({"room": "#garden", "kind": "public", "seq": 7, "read": 5, "unread": 1});
    model.come_in(
        &json!({"me": {"name": "ann", "account": "ann"}, "rooms": [room], "resumed": {"#garden": {"to": 7}}}),
    );
    let again = answer(&mut model, "send", json!({"seq": 6, "id": "id6", "at": 1_000_006, "again": true}));
    assert_eq!(again["cid"], first["cid"]);
    answer(&mut model, "send", json!({"seq": 8, "id": "id8", "at": 1_000_008}));
    let said: Vec<(u64, &str)> = model
        .room()
        .entries
        .iter()
        .filter(|entry| entry.is_said())
        .map(|entry| (entry.seq, entry.text.as_str()))
        .collect();
    assert_eq!(said, [(4, "hello"), (5, "hi"), (6, "one"), (7, "ok"), (8, "two")]);
}

#[test]
fn a_refused_message_comes_back_to_the_line() {
    let mut model = model();
    model.line("hello?");
    answer(&mut model, "send", json!({"t": "error", "code": "store_full", "message": "no room"}));
    assert_eq!(model.editor.text(), "hello?");
    assert_eq!(texts(&model).last().unwrap(), "Not sent: no room");
}

#[test]
fn unread_messages_are_counted_until_they_are_looked_at() {
    let mut model = model();
    model.turn_to(0);
    model.hear(&message(6, "bob", "anybody?"));
    assert_eq!(model.elsewhere(), (1, false));
    model.hear(&message(7, "bob", "Ann: you?"));
    assert_eq!(model.elsewhere(), (2, true));
    model.turn(true);
    assert_eq!((model.room().name.as_str(), model.elsewhere()), ("#garden", (0, false)));
    assert_eq!(answer(&mut model, "read", json!({}))["seq"], 7);
    // Read on another device.
    model.turn_to(0);
    model.hear(&message(8, "bob", "more"));
    model.hear(&json!({"t": "read", "room": "#garden", "seq": 8}));
    assert_eq!(model.elsewhere(), (0, false));
}

#[test]
fn messages_change() {
    let mut model = model();
    model.hear(
        &json!({"t": "edit", "room": "#garden", "seq": 6, "from": "bob", "message": "id4", "text": "Hello!"}),
    );
    model.hear(&json!({"t": "react", "room": "#garden", "seq": 7, "from": "bob", "message": "id5", "reaction": "+1"}));
    // What happens while the user looks is read.
    assert_eq!(answer(&mut model, "read", json!({}))["seq"], 6);
    assert_eq!(answer(&mut model, "read", json!({}))["seq"], 7);
    model.line("/react 4 🌹");
    let request = answer(&mut model, "react", json!({"seq": 8, "id": "id8"}));
    assert_eq!((&request["message"], &request["reaction"]), (&json!("id4"), &json!("🌹")));
    let entries = &model.room().entries;
    assert_eq!((entries[0].text.as_str(), entries[0].edited), ("Hello!", true));
    assert_eq!(entries[0].reactions, [("🌹".to_owned(), vec!["ann".to_owned()])]);
    assert_eq!(entries[1].reactions, [("+1".to_owned(), vec!["bob".to_owned()])]);
    assert_eq!(model.room().last, 8);
    model.out.clear();
    model.line("/edit hi there");
    assert_eq!(answer(&mut model, "edit", json!({"seq": 9}))["message"], "id5");
    assert_eq!(model.room().entries[1].text, "hi there");
    model.line("/edit");
    assert_eq!(model.editor.text(), "/edit hi there");
    model.line("/delete");
    answer(&mut model, "delete", json!({"seq": 10}));
    assert!(model.room().entries[1].deleted);
    model.room_mut().choose(true);
    model.room_mut().choose(true);
    model.line("/reply yes");
    assert_eq!(model.next_request().unwrap()["reply"], "id4");
}

#[test]
fn rooms_are_entered_and_left() {
    let mut model = model();
    model.line("/join kitchen secret");
    let request =
        answer(&mut model, "join", json!({"room": {"room": "#kitchen", "seq": 2, "topic": "Soup"}}));
    assert_eq!((&request["room"], &request["key"]), (&json!("#kitchen"), &json!("secret")));
    assert_eq!((model.room().name.as_str(), model.room().topic.as_str()), ("#kitchen", "Soup"));
    model.line("/part bye");
    while let Some(request) = model.next_request() {
        if request["t"] == "leave" {
            assert_eq!(request["reason"], "bye");
            model.hear(&json!({"t": "ok", "re": request["id"]}));
        }
    }
    assert_eq!(model.rooms.len(), 2);
    model.turn_to(1);
    model.hear(&json!({"t": "kick", "room": "#garden", "seq": 9, "from": "bob", "name": "ann"}));
    assert_eq!(
        (model.rooms.len(), texts(&model).last().unwrap().as_str()),
        (1, "You were put out of #garden")
    );
    model.line("hello");
    assert!(texts(&model).last().unwrap().starts_with("This is no room"));
}

#[test]
fn a_guest_enters_its_rooms_again() {
    let mut model = Model::new("tag".into(), 0);
    let reply = json!({"me": {"name": "gina"}, "rooms": []});
    model.come_in(&reply);
    model.line("/join #b");
    let refused = json!({"t": "error", "code": "full", "message": "the room is full", "forward": "#a"});
    answer(&mut model, "join", refused);
    assert_eq!(texts(&model).last().unwrap(), "#b: the room is full. /join #a leads on");
    model.line("/join #a");
    answer(&mut model, "join", json!({"room": {"room": "#a", "seq": 3}}));
    model.lost("reset");
    model.come_in(&reply);
    assert_eq!(answer(&mut model, "join", json!({"room": {"room": "#a", "seq": 9}}))["room"], "#a");
    assert_eq!(answer(&mut model, "history", json!({"events": [], "more": false}))["after"], 3);
    model.line("/nick georgina");
    assert_eq!(model.rename.as_deref(), Some("georgina"));
}

#[test]
fn older_messages_are_asked_for_once() {
    let mut model = model();
    model.scroll(true, 10, 4);
    model.scroll(true, 10, 4);
    let request =
        answer(&mut model, "history", json!({"events": [message(2, "bob", "first")], "more": false}));
    assert_eq!(request["before"], 4);
    assert_eq!(texts(&model)[0], "first");
    model.scroll(true, 10, 4);
    assert_eq!(model.next_request(), None, "there is no more");
}

#[test]
fn typing_is_told_now_and_then() {
    let mut model = model();
    model.editor.insert("h");
    model.edited();
    model.editor.insert("i");
    model.edited();
    assert_eq!(answer(&mut model, "typing", json!({}))["on"], true);
    assert_eq!(model.next_request(), None);
    model.tick(model.now + TYPING_AGAIN);
    model.editor.insert("!");
    model.edited();
    assert_eq!(answer(&mut model, "typing", json!({}))["on"], true);
    model.editor.delete_head();
    model.edited();
    assert_eq!(answer(&mut model, "typing", json!({}))["on"], false);
    model.editor.insert("/join");
    model.edited();
    assert_eq!(model.next_request(), None, "commands are nobody's business");
    model.hear(&json!({"t": "typing", "room": "#garden", "from": "bob", "on": true}));
    assert_eq!(model.room().typists(model.now), ["bob"]);
    model.tick(model.now + TYPING);
    assert!(model.room().typists(model.now).is_empty());
}

#[test]
fn tab_completes() {
    let mut model = model();
    for (typed, expected) in [
        ("b", "bob: "),
        ("hi b", "hi bob "),
        ("/to", "/topic "),
        ("/join #g", "/join #garden "),
        ("zzz", "zzz"),
    ] {
        model.editor.set(typed);
        model.edited();
        model.complete(true);
        assert_eq!(model.editor.text(), expected);
    }
    model.editor.set("/re");
    model.edited();
    let mut seen = Vec::new();
    for forward in [true, true, true, false] {
        model.complete(forward);
        seen.push(model.editor.text().to_owned());
    }
    assert_eq!(seen, ["/reply ", "/react ", "/reply ", "/react "]);
}

#[test]
fn commands_say_how_they_are_used() {
    let mut model = model();
    for (line, words) in [
        ("/nonsense", "There is no command /nonsense"),
        ("/join", "/join #room [key]"),
        ("/msg bob", "/msg name text"),
        ("/k", "/kick name [reason]"),
    ] {
        model.line(line);
        assert!(texts(&model).last().unwrap().starts_with(words), "{line}: {:?}", texts(&model).last());
    }
    model.line("/help");
    let said = texts(&model);
    assert!(
        COMMANDS.iter().all(|command| said.iter().any(|row| row.starts_with(&format!("/{} ", command.name))))
    );
    let mut names: Vec<_> = COMMANDS.iter().map(|command| command.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), COMMANDS.len());
    model.line("/quit");
    assert!(model.is_over);
}

#[test]
fn nothing_that_a_server_says_is_too_strange() {
    let mut model = model();
    for value in [
        json!(null),
        json!([1, 2]),
        json!({"t": 5}),
        json!({"t": "message"}),
        json!({"t": "message", "room": 7}),
        json!({"t": "message", "room": "#new", "seq": -1, "from": null}),
        json!({"t": "leave", "room": "#garden", "seq": 18_446_744_073_709_551_615_u64, "from": "ann"}),
        json!({"t": "ok", "re": 999}),
        json!({"t": "typing", "room": "#none", "on": "yes"}),
        json!({"t": "bye"}),
    ] {
        model.hear(&value);
    }
    model.come_in(&json!({"me": 3, "rooms": [{"room": null}, 5]}));
    model.turn(true);
}

#[test]
fn the_manual_has_every_command() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/chat-connect.md");
    let text = std::fs::read_to_string(path).unwrap();
    let rows: Vec<String> = COMMANDS
        .iter()
        .map(|command| {
            let line = format!("/{} {}", command.name, command.words);
            format!("| `{}` | {} |", line.trim_end(), command.help)
        })
        .collect();
    assert!(text.contains(&rows.join("\n")), "{}", rows.join("\n"));
}
