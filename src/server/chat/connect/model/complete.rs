//! Tab: a word becomes the name that begins like it, of a command, a room or a person; another Tab makes it the next one.

use super::{COMMANDS, Model};

/// Words in turn, in place of what was typed.
#[derive(Clone, Debug)]
pub(super) struct Completion {
    /// Where the word begins.
    from: usize,
    words: Vec<String>,
    /// The one that is shown.
    at: usize,
}

impl Model {
    /// Completes the word before the cursor.
    pub(in super::super) fn complete(&mut self, forward: bool) {
        let next = match self.completion.take() {
            Some(Completion { from, words, at }) => {
                let step = if forward { 1 } else { words.len() - 1 };
                let at = (at + step) % words.len();
                Completion { from, words, at }
            }
            None => {
                let head = self.editor.head();
                let from = head.rfind(' ').map_or(0, |space| space + 1);
                let words = self.fitting(&head[from..], from == 0);
                if words.is_empty() {
                    return;
                }
                let at = if forward { 0 } else { words.len() - 1 };
                Completion { from, words, at }
            }
        };
        self.editor.replace(next.from, &next.words[next.at]);
        self.completion = Some(next);
    }

    /// What a word could become.
    fn fitting(&self, word: &str, is_first: bool) -> Vec<String> {
        let begins = |name: &str| name.to_lowercase().starts_with(&word.to_lowercase());
        if let Some(start) = word.strip_prefix('/').filter(|_| is_first) {
            let names = COMMANDS.iter().map(|command| command.name).filter(|name| name.starts_with(start));
            return names.map(|name| format!("/{name} ")).collect();
        }
        if word.starts_with('#') {
            let rooms = self.rooms.iter().map(|room| room.name.as_str()).filter(|name| begins(name));
            return rooms.map(|name| format!("{name} ")).collect();
        }
        // Whoever spoke last comes first.
        let room = self.room();
        let mut names: Vec<&str> = Vec::new();
        let spoken =
            room.entries.iter().rev().filter(|entry| entry.is_said()).map(|entry| entry.from.as_str());
        let others = self.rooms.iter().filter(|room| room.is_direct()).map(|room| room.name.as_str());
        for name in spoken.chain(room.members.keys().map(String::as_str)).chain(others) {
            if !name.is_empty() && name != self.me && begins(name) && !names.contains(&name) {
                names.push(name);
            }
        }
        let behind = if is_first { ": " } else { " " };
        names.into_iter().map(|name| format!("{name}{behind}")).collect()
    }
}
