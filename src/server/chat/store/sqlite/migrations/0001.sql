-- Rooms, their logs and what became of messages; accounts, sessions and cursors; the full-text index.
-- Numbers of rooms and accounts are 64 bits without a sign in the program; here they are the same bits with one.
-- A member (`who`) is written 'a' and the number of an account, or 'g' and the nickname of a guest in lower case.

CREATE TABLE meta (
    name  TEXT PRIMARY KEY NOT NULL,
    value ANY
) STRICT, WITHOUT ROWID;

CREATE TABLE rooms (
    n       INTEGER PRIMARY KEY AUTOINCREMENT, -- what other tables call it; below 2^27, see index.rs
    id      INTEGER NOT NULL UNIQUE,
    key     TEXT,                              -- the name in lower case, or the pair of a direct room; NULL once it is closed
    head    INTEGER NOT NULL,                  -- the number of its last event
    last    BLOB    NOT NULL,                  -- the largest id of its events
    bytes   INTEGER NOT NULL,                  -- of text, in all messages
    indexed INTEGER NOT NULL,                  -- events up to this one are in the full-text index
    closed  INTEGER NOT NULL DEFAULT 0,
    dropped INTEGER NOT NULL DEFAULT 0         -- its rows are deleted little by little
) STRICT;
CREATE UNIQUE INDEX rooms_key ON rooms (key) WHERE key IS NOT NULL;
CREATE INDEX rooms_dropped ON rooms (n) WHERE dropped;

CREATE TABLE snapshots (
    room INTEGER PRIMARY KEY NOT NULL,
    head INTEGER NOT NULL,
    body TEXT    NOT NULL                      -- JSON of the room as it was after the event `head`
) STRICT;

CREATE TABLE authors (
    n       INTEGER PRIMARY KEY,
    nick    TEXT NOT NULL,
    account INTEGER,
    user    TEXT NOT NULL,
    host    TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX authors_all ON authors (nick, user, host, ifnull(account, ''));

CREATE TABLE events (
    room      INTEGER NOT NULL,
    seq       INTEGER NOT NULL,
    id        BLOB    NOT NULL,                -- ULID, 16 bytes
    kind      INTEGER NOT NULL,                -- 0 message, 1 edit, 2 reaction, 3 withdrawn reaction, 4 deletion, 5 change of state
    author    INTEGER NOT NULL,
    body      TEXT    NOT NULL,                -- JSON: the message as it is now, or the change
    bytes     INTEGER NOT NULL DEFAULT 0,      -- of its text as it is now
    thread    BLOB,                            -- the message that began the thread
    edited    INTEGER,                         -- Unix time in milliseconds
    deleted   INTEGER,                         -- likewise
    reactions INTEGER NOT NULL DEFAULT 0,
    replies   INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (room, seq)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX events_id ON events (room, id);
CREATE INDEX events_message ON events (room, seq) WHERE kind = 0;
CREATE INDEX events_state ON events (room, seq) WHERE kind >= 4;
CREATE INDEX events_thread ON events (room, thread, seq) WHERE thread IS NOT NULL;

CREATE TABLE edits (                           -- which events hold a text of a message
    room    INTEGER NOT NULL,
    message INTEGER NOT NULL,
    seq     INTEGER NOT NULL,
    PRIMARY KEY (room, message, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE reactions (
    room     INTEGER NOT NULL,
    message  INTEGER NOT NULL,
    reaction TEXT    NOT NULL,
    who      TEXT    NOT NULL,
    seq      INTEGER NOT NULL,
    PRIMARY KEY (room, message, reaction, who)
) STRICT, WITHOUT ROWID;

CREATE TABLE media (                           -- which files a message names
    room    INTEGER NOT NULL,
    message INTEGER NOT NULL,
    digest  TEXT    NOT NULL,                  -- SHA-256, hexadecimal
    PRIMARY KEY (room, message, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX media_digest ON media (digest);

-- What clients have called their drafts. Two tables take turns, so that forgetting is emptying one of them.
CREATE TABLE sent_even (
    account INTEGER NOT NULL,
    client  TEXT    NOT NULL,
    seq     INTEGER NOT NULL,
    id      BLOB    NOT NULL,
    PRIMARY KEY (account, client)
) STRICT, WITHOUT ROWID;
CREATE TABLE sent_odd (
    account INTEGER NOT NULL,
    client  TEXT    NOT NULL,
    seq     INTEGER NOT NULL,
    id      BLOB    NOT NULL,
    PRIMARY KEY (account, client)
) STRICT, WITHOUT ROWID;

-- Its rows are numbered room << 36 | seq. The texts stand in `events`.
CREATE VIRTUAL TABLE words USING fts5 (
    text, who,
    content = '', contentless_delete = 1,
    tokenize = 'unicode61 remove_diacritics 2'
);

CREATE TABLE cursors (
    room      INTEGER NOT NULL,
    account   INTEGER NOT NULL,
    delivered INTEGER NOT NULL,
    read      INTEGER NOT NULL,
    read_at   INTEGER NOT NULL,
    PRIMARY KEY (room, account)
) STRICT, WITHOUT ROWID;
CREATE INDEX cursors_account ON cursors (account);

CREATE TABLE accounts (
    id              INTEGER PRIMARY KEY NOT NULL,
    name            TEXT    NOT NULL,
    folded          TEXT    NOT NULL UNIQUE,
    password        TEXT,                      -- JSON
    profile         TEXT    NOT NULL,          -- JSON
    operator        INTEGER NOT NULL,
    suspended       INTEGER,
    suspended_why   TEXT,
    certificates    BLOB    NOT NULL,          -- 32 bytes each
    created         INTEGER NOT NULL
) STRICT;

CREATE TABLE certificates (                    -- whom a certificate opens; their order stands in `accounts`
    digest  BLOB    PRIMARY KEY NOT NULL,
    account INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX certificates_account ON certificates (account);

CREATE TABLE sessions (
    id      BLOB    PRIMARY KEY NOT NULL,
    account INTEGER NOT NULL,
    digest  BLOB    NOT NULL UNIQUE,
    device  TEXT    NOT NULL,
    created INTEGER NOT NULL,
    used    INTEGER NOT NULL,
    expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_account ON sessions (account);
CREATE INDEX sessions_expires ON sessions (expires);

-- For the files that are in use.
CREATE INDEX accounts_avatar ON accounts (profile ->> 'avatar');
