//! What the user types: words for the room, or a command that begins with `/`. A command is a row of a table, from which the help is printed.

use serde_json::json;

use super::super::room::{Entry, Kind};
use super::{Asked, Model};

/// A command.
#[derive(Debug)]
pub(in super::super) struct Command {
    pub(in super::super) name: &'static str,
    /// What follows it.
    pub(in super::super) words: &'static str,
    pub(in super::super) help: &'static str,
    run: fn(&mut Model, &str) -> Result<(), &'static str>,
}

macro_rules! commands {
    ($($name:literal $words:literal $help:literal $run:expr;)*) => {
        /// All commands.
        pub(in super::super) const COMMANDS: &[Command] =
            &[$(Command { name: $name, words: $words, help: $help, run: $run }),*];
    };
}

commands! {
    "join" "#room [key]" "enters a room, or opens it" join;
    "part" "[reason]" "leaves the room for good" part;
    "msg" "name text" "says something to somebody" msg;
    "query" "name" "opens the conversation with somebody" query;
    "me" "text" "says what you do" me;
    "reply" "[n] text" "answers a message" reply;
    "edit" "[n] text" "changes what you said" edit;
    "delete" "[n]" "deletes a message" delete;
    "react" "[n] emoji" "reacts to a message" |model, words| react(model, words, true);
    "unreact" "[n] emoji" "takes a reaction back" |model, words| react(model, words, false);
    "search" "words" "finds messages of the room, or of all rooms" search;
    "topic" "[text]" "shows the topic, or sets it" topic;
    "rooms" "[word]" "lists the rooms that are open" rooms;
    "members" "" "lists who is in the room" members;
    "whois" "name" "tells about somebody" whois;
    "invite" "name" "invites somebody" invite;
    "kick" "name [reason]" "puts somebody out" kick;
    "away" "[why]" "says that you are away" |model, words| presence(model, "away", words);
    "back" "" "says that you are back" |model, words| presence(model, "online", words);
    "nick" "name" "sets the name by which you are shown" nick;
    "goto" "room" "turns to a room" goto;
    "help" "[command]" "explains the commands" help;
    "quit" "" "ends" |model, _| { model.is_over = true; Ok(()) };
}

impl Model {
    /// Takes the line that was typed.
    pub(in super::super) fn enter(&mut self) {
        let line = self.editor.take();
        self.line(&line);
    }

    /// Takes a line.
    pub(in super::super) fn line(&mut self, line: &str) {
        self.completion = None;
        let line = line.trim_end();
        let Some(rest) = line.strip_prefix('/').filter(|rest| !rest.starts_with('/')) else {
            // Two slashes begin a text with one.
            let text = line.strip_prefix('/').unwrap_or(line);
            return self.words(text);
        };
        let (name, words) = rest.split_once(' ').unwrap_or((rest, ""));
        let mut fitting =
            COMMANDS.iter().filter(|command| command.name.starts_with(name) && !name.is_empty());
        let exact = COMMANDS.iter().find(|command| command.name == name);
        let command = match (exact, fitting.next(), fitting.next()) {
            (Some(command), ..) | (None, Some(command), None) => command,
            _ => return self.error(&format!("There is no command /{name}: /help lists them")),
        };
        if let Err(usage) = (command.run)(self, words.trim()) {
            let usage = if usage.is_empty() {
                format!("/{} {}", command.name, command.words)
            } else {
                usage.to_owned()
            };
            self.error(&usage);
        }
    }

    /// Says something in the room that is looked at.
    fn words(&mut self, text: &str) {
        if text.trim().is_empty() {
            return;
        }
        let room = self.room().name.clone();
        if room.is_empty() {
            return self.error("This is no room: /join #room enters one, /help explains the rest");
        }
        self.say(&room, text, Kind::Text, None);
    }

    /// The room that is looked at.
    fn here(&self) -> Result<String, &'static str> {
        let name = &self.room().name;
        if name.is_empty() { Err("Not in a room") } else { Ok(name.clone()) }
    }

    /// The message that is meant: by its number at the beginning of the words, or the chosen one, or else the last one that fits.
    fn meant(&self, words: &str, fits: impl Fn(&Entry) -> bool) -> Result<(String, String), &'static str> {
        let room = self.room();
        let (first, rest) = words.split_once(' ').unwrap_or((words, ""));
        if let Ok(seq) = first.trim_start_matches('#').parse::<u64>()
            && let Some(entry) = room.entries.iter().find(|entry| entry.seq == seq && entry.is_said())
        {
            return Ok((entry.id.clone(), rest.trim_start().to_owned()));
        }
        if let Some(chosen) = &room.chosen {
            return Ok((chosen.clone(), words.to_owned()));
        }
        let said = |entry: &&Entry| entry.is_said() && !entry.id.is_empty() && !entry.deleted && fits(entry);
        let last = room.entries.iter().rev().find(said).ok_or("There is no such message")?;
        Ok((last.id.clone(), words.to_owned()))
    }
}

fn join(model: &mut Model, words: &str) -> Result<(), &'static str> {
    let (room, key) = words.split_once(' ').unwrap_or((words, ""));
    if room.is_empty() {
        return Err("");
    }
    let room = if room.starts_with('#') { room.to_owned() } else { format!("#{room}") };
    if let Some(at) = model.rooms.iter().position(|other| other.name.eq_ignore_ascii_case(&room)) {
        model.turn_to(at);
        return Ok(());
    }
    let mut request = json!({"t": "join", "room": room});
    if !key.is_empty() {
        request["key"] = key.trim().into();
    }
    // Where it is answered, the user looks.
    model.current = 0;
    model.ask(request, Asked::Join(room));
    Ok(())
}

fn part(model: &mut Model, reason: &str) -> Result<(), &'static str> {
    let room = model.here()?;
    if !room.starts_with('#') {
        // A conversation with somebody lasts; it is only put away.
        let at = model.current;
        model.rooms.remove(at);
        model.turn_to(at - 1);
        return Ok(());
    }
    let mut request = json!({"t": "leave", "room": room});
    if !reason.is_empty() {
        request["reason"] = reason.into();
    }
    model.ask(request, Asked::Leave(room));
    Ok(())
}

fn msg(model: &mut Model, words: &str) -> Result<(), &'static str> {
    let (to, text) = words.split_once(' ').ok_or("")?;
    if to.is_empty() || text.trim().is_empty() {
        return Err("");
    }
    let at = model.open(to);
    model.turn_to(at);
    model.say(to, text.trim(), Kind::Text, None);
    Ok(())
}

fn query(model: &mut Model, name: &str) -> Result<(), &'static str> {
    if name.is_empty() || name.contains([' ', '#']) {
        return Err("");
    }
    let at = model.open(name);
    model.turn_to(at);
    Ok(())
}

fn me(model: &mut Model, text: &str) -> Result<(), &'static str> {
    let room = model.here()?;
    if text.is_empty() {
        return Err("");
    }
    model.say(&room, text, Kind::Action, None);
    Ok(())
}

fn reply(model: &mut Model, words: &str) -> Result<(), &'static str> {
    let room = model.here()?;
    let me = model.me.clone();
    let (message, text) = model.meant(words, |entry| entry.from != me)?;
    if text.is_empty() {
        return Err("");
    }
    model.say(&room, &text, Kind::Text, Some(message));
    Ok(())
}

fn edit(model: &mut Model, words: &str) -> Result<(), &'static str> {
    let room = model.here()?;
    let me = model.me.clone();
    let (message, text) = model.meant(words, |entry| entry.from == me)?;
    if text.is_empty() {
        // The old text is there to be changed.
        let old = model.room().message(&message).map(|entry| entry.text.clone()).unwrap_or_default();
        model.editor.set(&format!("/edit {old}"));
        return Ok(());
    }
    let request = json!({"t": "edit", "room": room, "message": message, "text": text});
    model.room_mut().chosen = None;
    model.ask(request, Asked::Edit { room, message, text });
    Ok(())
}

fn delete(model: &mut Model, words: &str) -> Result<(), &'static str> {
    let room = model.here()?;
    let me = model.me.clone();
    let (message, _) = model.meant(words, |entry| entry.from == me)?;
    model.room_mut().chosen = None;
    let request = json!({"t": "delete", "room": room, "message": message});
    model.ask(request, Asked::Delete { room, message });
    Ok(())
}

fn react(model: &mut Model, words: &str, on: bool) -> Result<(), &'static str> {
    let room = model.here()?;
    let me = model.me.clone();
    let (message, reaction) = model.meant(words, |entry| entry.from != me)?;
    if reaction.is_empty() {
        return Err("");
    }
    model.room_mut().chosen = None;
    let t = if on { "react" } else { "unreact" };
    let request = json!({"t": t, "room": room, "message": message, "reaction": reaction});
    model.ask(request, Asked::React { room, message, reaction, on });
    Ok(())
}

fn search(model: &mut Model, words: &str) -> Result<(), &'static str> {
    if words.is_empty() {
        return Err("");
    }
    let mut request = json!({"t": "search", "text": words, "limit": 20});
    if let Ok(room) = model.here() {
        request["room"] = room.into();
    }
    model.ask(request, Asked::Search);
    Ok(())
}

fn topic(model: &mut Model, text: &str) -> Result<(), &'static str> {
    let room = model.here()?;
    if text.is_empty() {
        let topic = model.room().topic.clone();
        model.note(&if topic.is_empty() {
            "There is no topic".to_owned()
        } else {
            format!("Topic: {topic}")
        });
        return Ok(());
    }
    model.ask(json!({"t": "topic", "room": room, "topic": text}), Asked::Nothing);
    Ok(())
}

fn rooms(model: &mut Model, word: &str) -> Result<(), &'static str> {
    model.ask(json!({"t": "rooms", "search": word, "limit": 50}), Asked::Rooms);
    Ok(())
}

fn members(model: &mut Model, _: &str) -> Result<(), &'static str> {
    model.here()?;
    let words: Vec<String> = model
        .members()
        .iter()
        .map(|(name, member)| match (member.role.as_str(), member.presence.as_str()) {
            ("member" | "", "online") => name.clone(),
            ("member" | "", presence) => format!("{name} ({presence})"),
            (role, "online") => format!("{name} ({role})"),
            (role, presence) => format!("{name} ({role}, {presence})"),
        })
        .collect();
    model.note(&format!("{}: {}", words.len(), words.join(", ")));
    Ok(())
}

fn whois(model: &mut Model, name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        return Err("");
    }
    model.ask(json!({"t": "whois", "name": name}), Asked::Whois);
    Ok(())
}

fn invite(model: &mut Model, name: &str) -> Result<(), &'static str> {
    let room = model.here()?;
    if name.is_empty() {
        return Err("");
    }
    let words = format!("{name} is invited");
    model.ask(json!({"t": "invite", "room": room, "name": name}), Asked::Tell(words));
    Ok(())
}

fn kick(model: &mut Model, words: &str) -> Result<(), &'static str> {
    let room = model.here()?;
    let (name, reason) = words.split_once(' ').unwrap_or((words, ""));
    if name.is_empty() {
        return Err("");
    }
    let mut request = json!({"t": "kick", "room": room, "name": name});
    if !reason.is_empty() {
        request["reason"] = reason.into();
    }
    model.ask(request, Asked::Nothing);
    Ok(())
}

fn presence(model: &mut Model, presence: &str, status: &str) -> Result<(), &'static str> {
    let request = json!({"t": "presence", "presence": presence, "status": status});
    let words = if presence == "away" { "You are away" } else { "You are back" };
    model.ask(request, Asked::Tell(words.into()));
    Ok(())
}

fn nick(model: &mut Model, name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        return Err("");
    }
    if model.is_account {
        let words = format!("You are shown as {name}");
        model.ask(json!({"t": "profile", "display": name}), Asked::Tell(words));
    } else {
        model.rename = Some(name.to_owned());
    }
    Ok(())
}

fn goto(model: &mut Model, name: &str) -> Result<(), &'static str> {
    let wanted = name.trim_start_matches('#').to_lowercase();
    let fits = |room: &super::Room| room.name.trim_start_matches('#').to_lowercase().starts_with(&wanted);
    let at = model.rooms.iter().position(fits).ok_or("You are in no such room")?;
    model.turn_to(at);
    Ok(())
}

fn help(model: &mut Model, name: &str) -> Result<(), &'static str> {
    let name = name.trim_start_matches('/');
    let rows: Vec<String> = COMMANDS
        .iter()
        .filter(|command| name.is_empty() || command.name == name)
        .map(|command| format!("{:<24}{}", format!("/{} {}", command.name, command.words), command.help))
        .collect();
    if rows.is_empty() {
        return Err("There is no such command");
    }
    rows.iter().for_each(|row| model.note(row));
    if name.is_empty() {
        for row in [
            "[n] is the number of a message; without it the chosen message is meant (Alt-Up, Alt-Down), or the last one.",
            "Tab completes names. Ctrl-N and Ctrl-P turn to other rooms, Alt-1 to Alt-9 too; PageUp shows what was before.",
        ] {
            model.note(row);
        }
    }
    Ok(())
}
