//! The piece of a message's text that shows what was found, made by a small full-text index in memory.
//!
//! It also sees whether the text contains the words at all. Any store can use it, with a connection to a database in memory.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::words::{APART, indexed};

/// Words of a snippet.
const WORDS: i64 = 24;

/// A piece of `text` around what `expression` (of [`words`](super::words)) finds in it; `None` if it finds nothing.
pub(super) fn cut(db: &Connection, text: &str, expression: &str) -> rusqlite::Result<Option<String>> {
    db.prepare_cached(
        "CREATE VIRTUAL TABLE IF NOT EXISTS temp.shown USING fts5 (text, tokenize = 'unicode61 remove_diacritics 2')",
    )?
    .execute([])?;
    let words = indexed(text);
    db.prepare_cached("INSERT OR REPLACE INTO temp.shown (rowid, text) VALUES (1, ?1)")?.execute([words])?;
    let mut select = db.prepare_cached(
        "SELECT snippet(shown, 0, char(2), char(3), '…', ?2) FROM temp.shown WHERE shown MATCH ?1",
    )?;
    let snippet: Option<String> =
        select.query_row(params![expression, WORDS], |row| row.get(0)).optional()?;
    Ok(snippet.map(|snippet| snippet.replace(APART, "")))
}
