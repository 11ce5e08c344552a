//! The line that is being typed: a cursor between characters as people see them, and the lines typed before.

use unicode_segmentation::UnicodeSegmentation as _;

use super::text::width;

/// Lines that are remembered.
const REMEMBERED: usize = 200;

/// Bytes that can be typed: what the server takes at most, and a little more.
const LONGEST: usize = 20 << 10;

/// The line.
#[derive(Clone, Debug, Default)]
pub(super) struct Editor {
    text: String,
    /// A place in the text, between two graphemes.
    cursor: usize,
    before: Vec<String>,
    /// Which of those before is shown, and what was being typed when they were turned to.
    shown: Option<(usize, String)>,
}

impl Editor {
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// What stands before the cursor.
    pub(super) fn head(&self) -> &str {
        &self.text[..self.cursor]
    }

    /// Types a text; ends of lines become spaces.
    pub(super) fn insert(&mut self, text: &str) {
        for found in text.chars() {
            let found = if matches!(found, '\n' | '\r' | '\t') { ' ' } else { found };
            if found.is_control() || self.text.len() + found.len_utf8() > LONGEST {
                continue;
            }
            self.text.insert(self.cursor, found);
            self.cursor += found.len_utf8();
        }
    }

    /// Puts `text` in place of what stands between `from` and the cursor.
    pub(super) fn replace(&mut self, from: usize, text: &str) {
        if self.text.is_char_boundary(from) && from <= self.cursor {
            self.text.replace_range(from..self.cursor, "");
            self.cursor = from;
            self.insert(text);
        }
    }

    pub(super) fn backspace(&mut self) {
        let from = self.left_of();
        self.text.replace_range(from..self.cursor, "");
        self.cursor = from;
    }

    pub(super) fn delete(&mut self) {
        let to = self.right_of();
        self.text.replace_range(self.cursor..to, "");
    }

    pub(super) fn left(&mut self) {
        self.cursor = self.left_of();
    }

    pub(super) fn right(&mut self) {
        self.cursor = self.right_of();
    }

    pub(super) fn home(&mut self) {
        self.cursor = 0;
    }

    pub(super) fn end(&mut self) {
        self.cursor = self.text.len();
    }

    /// Deletes the word before the cursor.
    pub(super) fn delete_word(&mut self) {
        let head = self.head().trim_end();
        let from = head.rfind(' ').map_or(0, |space| space + 1);
        self.text.replace_range(from..self.cursor, "");
        self.cursor = from;
    }

    /// Deletes what stands before the cursor.
    pub(super) fn delete_head(&mut self) {
        self.text.replace_range(..self.cursor, "");
        self.cursor = 0;
    }

    /// Deletes what stands behind it.
    pub(super) fn delete_tail(&mut self) {
        self.text.truncate(self.cursor);
    }

    /// Takes the line, and remembers it.
    pub(super) fn take(&mut self) -> String {
        let text = std::mem::take(&mut self.text);
        self.cursor = 0;
        self.shown = None;
        if !text.trim().is_empty() && self.before.last() != Some(&text) {
            self.before.push(text.clone());
            if self.before.len() > REMEMBERED {
                self.before.remove(0);
            }
        }
        text
    }

    /// Sets the whole line.
    pub(super) fn set(&mut self, text: &str) {
        self.text.clear();
        self.cursor = 0;
        self.insert(text);
    }

    /// The line before.
    pub(super) fn older(&mut self) {
        let at = match &self.shown {
            None => self.before.len(),
            Some((at, _)) => *at,
        };
        if at == 0 {
            return;
        }
        let draft = self.shown.take().map_or_else(|| self.text.clone(), |(_, draft)| draft);
        let text = self.before[at - 1].clone();
        self.set(&text);
        self.shown = Some((at - 1, draft));
    }

    /// The line after, and at last what was being typed.
    pub(super) fn newer(&mut self) {
        let Some((at, draft)) = self.shown.take() else { return };
        match self.before.get(at + 1).cloned() {
            Some(text) => {
                self.set(&text);
                self.shown = Some((at + 1, draft));
            }
            None => self.set(&draft),
        }
    }

    /// The part of the line that fits in so many columns, with the cursor in it, and the column of the cursor.
    pub(super) fn window(&self, columns: usize) -> (&str, usize) {
        let columns = columns.max(2);
        let mut from = 0;
        while width(&self.text[from..self.cursor]) + 1 > columns {
            from += self.text[from..].graphemes(true).next().map_or(1, str::len);
        }
        let mut to = from;
        for grapheme in self.text[from..].graphemes(true) {
            if width(&self.text[from..to]) + width(grapheme) > columns {
                break;
            }
            to += grapheme.len();
        }
        (&self.text[from..to], width(&self.text[from..self.cursor]))
    }

    fn left_of(&self) -> usize {
        let last = self.head().graphemes(true).next_back();
        self.cursor - last.map_or(0, str::len)
    }

    fn right_of(&self) -> usize {
        let next = self.text[self.cursor..].graphemes(true).next();
        self.cursor + next.map_or(0, str::len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(text: &str) -> Editor {
        let mut editor = Editor::default();
        editor.insert(text);
        editor
    }

    #[test]
    fn the_cursor_moves_by_what_people_see() {
        let mut editor = typed("ae\u{301}👩‍👩‍👧z");
        editor.left();
        editor.backspace();
        assert_eq!(editor.text(), "ae\u{301}z");
        editor.backspace();
        assert_eq!((editor.text(), editor.head()), ("az", "a"));
        editor.delete();
        editor.right();
        editor.left();
        editor.left();
        editor.insert("x\ny\x1b");
        assert_eq!(editor.text(), "x ya");
        editor.backspace();
        editor.end();
        editor.insert(" one two ");
        editor.delete_word();
        assert_eq!(editor.text(), "x a one ");
        editor.home();
        editor.delete_tail();
        assert_eq!(editor.text(), "");
    }

    #[test]
    fn lines_before_come_back() {
        let mut editor = Editor::default();
        for line in ["one", "two", "two", " "] {
            editor.insert(line);
            editor.take();
        }
        editor.insert("draft");
        editor.older();
        assert_eq!(editor.text(), "two");
        editor.older();
        editor.older();
        assert_eq!(editor.text(), "one");
        editor.newer();
        editor.newer();
        assert_eq!(editor.text(), "draft");
        editor.newer();
        assert_eq!(editor.text(), "draft");
    }

    #[test]
    fn a_long_line_scrolls() {
        let mut editor = typed("0123456789");
        assert_eq!(editor.window(20), ("0123456789", 10));
        assert_eq!(editor.window(5), ("6789", 4));
        editor.home();
        assert_eq!(editor.window(5), ("01234", 0));
        let wide = typed("漢字漢字");
        assert_eq!(wide.window(5), ("漢字", 4));
        assert!(typed(&"x".repeat(100_000)).text().len() <= LONGEST);
    }
}
