-- +goose Up

-- The policy an invoice asks for by itself, words of finance's own, and what a
-- person approved of: JSON arrays.
ALTER TABLE invoices ADD COLUMN policy TEXT NOT NULL DEFAULT '';
ALTER TABLE invoices ADD COLUMN tags TEXT NOT NULL DEFAULT '[]';
ALTER TABLE invoices ADD COLUMN approved TEXT NOT NULL DEFAULT '[]';

-- When people spoke to a customer themselves, as far back as pacing looks: a
-- JSON array. The events tell of all of them.
ALTER TABLE accounts ADD COLUMN contacts TEXT NOT NULL DEFAULT '[]';

-- What customers said they would pay. The last one of an invoice has not ended.
CREATE TABLE promises (
    id        TEXT NOT NULL PRIMARY KEY,
    invoice   TEXT   NOT NULL REFERENCES invoices (number),
    amount    BIGINT NOT NULL CHECK (amount > 0),
    currency  TEXT   NOT NULL CHECK (currency <> ''),
    open      BIGINT NOT NULL,             -- the open balance when it was made
    due_on    DATE   NOT NULL,
    made_at   TIMESTAMPTZ NOT NULL,
    made_by   TEXT   NOT NULL,
    note      TEXT   NOT NULL DEFAULT '',
    kept_at   TIMESTAMPTZ,                 -- when the books first showed it
    ended_at  TIMESTAMPTZ,                 -- replaced or withdrawn
    ended_by  TEXT   NOT NULL DEFAULT '',
    ended_why TEXT   NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX promises_last ON promises (invoice) WHERE ended_at IS NULL;
CREATE INDEX promises_made ON promises (made_at);
