-- What absent members are told. What the columns mean is said in ../../sqlite/migrations/0002.sql.

CREATE TABLE devices (
    n        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account  bigint NOT NULL,
    session  bytea  NOT NULL,
    endpoint text   NOT NULL UNIQUE,
    key      bytea  NOT NULL,
    auth     bytea  NOT NULL,
    created  bigint NOT NULL
);
CREATE INDEX devices_account ON devices (account);
CREATE INDEX devices_session ON devices (session);
CREATE FUNCTION devices_end() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM devices WHERE session = old.id;
    RETURN NULL;
END $$;
CREATE TRIGGER devices_end AFTER DELETE ON sessions FOR EACH ROW EXECUTE FUNCTION devices_end();

CREATE TABLE levels (
    room    bigint   NOT NULL,
    account bigint   NOT NULL,
    level   smallint NOT NULL,
    PRIMARY KEY (room, account)
);

CREATE TABLE notices (
    n        bigint   GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account  bigint   NOT NULL,
    kind     smallint NOT NULL,
    room     bigint   NOT NULL,
    seq      bigint   NOT NULL,
    id       bytea    NOT NULL,
    webhook  boolean  NOT NULL,
    target   text     NOT NULL,
    due      bigint   NOT NULL,
    held     bigint   NOT NULL DEFAULT 0,      -- one of several nodes works on it until then
    attempts bigint   NOT NULL DEFAULT 0,
    dead     bigint,
    error    text     NOT NULL DEFAULT ''
);
CREATE INDEX notices_due ON notices (due) WHERE dead IS NULL;
CREATE INDEX notices_dead ON notices (n) WHERE dead IS NOT NULL;
CREATE INDEX notices_account ON notices (account) WHERE dead IS NULL;
CREATE INDEX notices_target ON notices (target);
