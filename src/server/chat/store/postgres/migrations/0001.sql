-- The tables of a chat. What they mean is said in ../../sqlite/migrations/0001.sql; what differs is said here.
-- Numbers of rooms and accounts are 64 bits without a sign in the program; here they are the same bits with one.

CREATE TABLE meta (                            -- the secret that the nodes share; the largest id of dropped rooms
    name  text  PRIMARY KEY,
    value bytea NOT NULL
);

CREATE TABLE rooms (
    n       bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id      bigint  NOT NULL UNIQUE,
    key     text,
    head    bigint  NOT NULL DEFAULT 0,
    last    bytea   NOT NULL,
    bytes   bigint  NOT NULL DEFAULT 0,
    closed  boolean NOT NULL DEFAULT false,
    dropped boolean NOT NULL DEFAULT false
) WITH (fillfactor = 50);                      -- each change of a room is a new version of its row
CREATE UNIQUE INDEX rooms_key ON rooms (key) WHERE key IS NOT NULL;
CREATE INDEX rooms_last ON rooms (last);
CREATE INDEX rooms_dropped ON rooms (n) WHERE dropped;

CREATE TABLE snapshots (
    room bigint PRIMARY KEY,
    head bigint NOT NULL,
    body text   NOT NULL
);

CREATE TABLE events (
    room      bigint   NOT NULL,
    seq       bigint   NOT NULL,
    id        bytea    NOT NULL,
    kind      smallint NOT NULL,
    nick      text     NOT NULL,
    account   bigint,
    username  text     NOT NULL,
    host      text     NOT NULL,
    body      text     NOT NULL,
    bytes     bigint   NOT NULL DEFAULT 0,
    thread    bytea,
    edited    bigint,
    deleted   bigint,
    reactions bigint   NOT NULL DEFAULT 0,
    replies   bigint   NOT NULL DEFAULT 0,
    words     tsvector,                        -- of its text, and '#' with the number of its room; see words.rs
    PRIMARY KEY (room, seq)
);
CREATE UNIQUE INDEX events_id ON events (room, id);
CREATE INDEX events_message ON events (room, seq) WHERE kind = 0;
CREATE INDEX events_state ON events (room, seq) WHERE kind >= 4;
CREATE INDEX events_thread ON events (room, thread, seq) WHERE thread IS NOT NULL;
CREATE INDEX events_words ON events USING gin (words);

CREATE TABLE edits (
    room    bigint NOT NULL,
    message bigint NOT NULL,
    seq     bigint NOT NULL,
    PRIMARY KEY (room, message, seq)
);

CREATE TABLE reactions (
    room     bigint NOT NULL,
    message  bigint NOT NULL,
    reaction text   NOT NULL,
    who      text   NOT NULL,
    seq      bigint NOT NULL,
    PRIMARY KEY (room, message, reaction, who)
);

CREATE TABLE media (
    room    bigint NOT NULL,
    message bigint NOT NULL,
    digest  text   NOT NULL,
    PRIMARY KEY (room, message, digest)
);
CREATE INDEX media_digest ON media (digest);

CREATE TABLE sent (
    account bigint NOT NULL,
    client  text   NOT NULL,
    seq     bigint NOT NULL,
    id      bytea  NOT NULL,
    period  bigint NOT NULL,                   -- of three days: what is older than the one before the present one is forgotten
    PRIMARY KEY (account, client)
);
CREATE INDEX sent_period ON sent (period);

CREATE TABLE cursors (
    room      bigint NOT NULL,
    account   bigint NOT NULL,
    delivered bigint NOT NULL,
    read      bigint NOT NULL,
    read_at   bigint NOT NULL,
    PRIMARY KEY (room, account)
);
CREATE INDEX cursors_account ON cursors (account);

CREATE TABLE accounts (
    id            bigint  PRIMARY KEY,
    name          text    NOT NULL,
    folded        text    COLLATE "C" NOT NULL UNIQUE,
    password      text,
    profile       text    NOT NULL,
    avatar        text    NOT NULL,            -- of the profile
    operator      boolean NOT NULL,
    suspended     bigint,
    suspended_why text,
    certificates  bytea   NOT NULL,
    created       bigint  NOT NULL
);
CREATE INDEX accounts_avatar ON accounts (avatar) WHERE avatar <> '';

CREATE TABLE certificates (
    digest  bytea  PRIMARY KEY,
    account bigint NOT NULL
);
CREATE INDEX certificates_account ON certificates (account);

CREATE TABLE sessions (
    id      bytea  PRIMARY KEY,
    account bigint NOT NULL,
    digest  bytea  NOT NULL UNIQUE,
    device  text   NOT NULL,
    created bigint NOT NULL,
    used    bigint NOT NULL,
    expires bigint NOT NULL
);
CREATE INDEX sessions_account ON sessions (account);
CREATE INDEX sessions_expires ON sessions (expires);

CREATE TABLE nodes (                           -- the nodes that run, as long as they say so
    id      bigint      PRIMARY KEY,
    until   timestamptz NOT NULL
);

CREATE TABLE nicks (                           -- who is called how, on which node
    nick    text   NOT NULL,
    node    bigint NOT NULL,
    account bigint,
    PRIMARY KEY (nick, node)
);
CREATE INDEX nicks_node ON nicks (node);
