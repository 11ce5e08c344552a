-- What absent members are told: devices, what accounts want to hear of rooms, and the queue.

CREATE TABLE devices (
    n        INTEGER PRIMARY KEY AUTOINCREMENT,
    account  INTEGER NOT NULL,
    session  BLOB    NOT NULL,                 -- the login, with which it ends
    endpoint TEXT    NOT NULL UNIQUE,
    key      BLOB    NOT NULL,                 -- a point of P-256, uncompressed
    auth     BLOB    NOT NULL,
    created  INTEGER NOT NULL
) STRICT;
CREATE INDEX devices_account ON devices (account);
CREATE INDEX devices_session ON devices (session);
CREATE TRIGGER devices_end AFTER DELETE ON sessions BEGIN
    DELETE FROM devices WHERE session = old.id;
END;

CREATE TABLE levels (                          -- 0 every message, 2 none; a row is missing where only mentions are wanted
    room    INTEGER NOT NULL,
    account INTEGER NOT NULL,
    level   INTEGER NOT NULL,
    PRIMARY KEY (room, account)
) STRICT, WITHOUT ROWID;

CREATE TABLE notices (
    n        INTEGER PRIMARY KEY AUTOINCREMENT,
    account  INTEGER NOT NULL,
    kind     INTEGER NOT NULL,                 -- 0 mention, 1 direct, 2 invitation, 3 every message
    room     INTEGER NOT NULL,
    seq      INTEGER NOT NULL,
    id       BLOB    NOT NULL,
    webhook  INTEGER NOT NULL,
    target   TEXT    NOT NULL,                 -- the endpoint of a device, or the URL of a webhook
    due      INTEGER NOT NULL,                 -- Unix time in milliseconds: not before this
    held     INTEGER NOT NULL DEFAULT 0,       -- somebody works on it until then, if it is later than now
    attempts INTEGER NOT NULL DEFAULT 0,
    dead     INTEGER,                          -- when it was given up
    error    TEXT    NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX notices_due ON notices (due) WHERE dead IS NULL;
CREATE INDEX notices_dead ON notices (n) WHERE dead IS NOT NULL;
CREATE INDEX notices_account ON notices (account) WHERE dead IS NULL;
CREATE INDEX notices_target ON notices (target);
