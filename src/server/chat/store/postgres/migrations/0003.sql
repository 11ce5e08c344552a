-- When accounts were here the last time; at first, when one of their logins was used.

CREATE TABLE seen (
    account bigint PRIMARY KEY,
    at      bigint NOT NULL
);
INSERT INTO seen (account, at) SELECT account, max(used) FROM sessions GROUP BY account;
