-- When accounts were here the last time; at first, when one of their logins was used.

CREATE TABLE seen (
    account INTEGER PRIMARY KEY,
    at      INTEGER NOT NULL                   -- Unix time in milliseconds
) STRICT;
INSERT INTO seen (account, at) SELECT account, max(used) FROM sessions GROUP BY account;
