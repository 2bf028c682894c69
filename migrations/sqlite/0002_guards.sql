-- +goose Up

-- Test or live: the letters of one are none of the other.
ALTER TABLE installation ADD COLUMN mode TEXT NOT NULL DEFAULT '';

-- Times in a row that an account was claimed and neither given back nor brought
-- forward, and since when it has wanted to send a letter.
ALTER TABLE accounts ADD COLUMN claims BIGINT NOT NULL DEFAULT 0;
ALTER TABLE accounts ADD COLUMN wants_at TIMESTAMPTZ;
CREATE INDEX accounts_want ON accounts (wants_at) WHERE wants_at IS NOT NULL;

-- Why the last load of a source is not believed, the digest of the load that
-- looks wrong, and of one that a person said is right.
ALTER TABLE sources ADD COLUMN doubt TEXT NOT NULL DEFAULT '';
ALTER TABLE sources ADD COLUMN suspect TEXT NOT NULL DEFAULT '';
ALTER TABLE sources ADD COLUMN trusted TEXT NOT NULL DEFAULT '';

-- What a person must hear of about the installation as a whole.
CREATE TABLE alarms (
    id        TEXT NOT NULL PRIMARY KEY,
    kind      TEXT NOT NULL CHECK (kind <> ''),
    key       TEXT NOT NULL,
    detail    TEXT NOT NULL,
    stops     BOOLEAN NOT NULL, -- no letter leaves while it is open
    raised_at TIMESTAMPTZ NOT NULL,
    closed_at TIMESTAMPTZ,
    closed_by TEXT NOT NULL DEFAULT '',
    note      TEXT NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX alarms_open ON alarms (kind, key) WHERE closed_at IS NULL;

-- Letters that a run would have sent, had they not been so many.
CREATE TABLE plans (
    id          TEXT NOT NULL PRIMARY KEY,
    job         TEXT NOT NULL,
    made_at     TIMESTAMPTZ NOT NULL,
    letters     BIGINT NOT NULL,
    usual       BIGINT NOT NULL,
    items       BYTEA NOT NULL, -- JSON array, gzip
    approved_at TIMESTAMPTZ,
    approved_by TEXT NOT NULL DEFAULT ''
);
CREATE INDEX plans_job ON plans (job, made_at);

-- When each step was added to its policy; NULL: at the beginning.
CREATE TABLE rungs (
    policy TEXT NOT NULL,
    step   TEXT NOT NULL,
    since  TIMESTAMPTZ,
    PRIMARY KEY (policy, step)
);

-- How many letters a run sent.
ALTER TABLE runs ADD COLUMN letters BIGINT NOT NULL DEFAULT 0;
CREATE INDEX runs_letters ON runs (job, started_at) WHERE letters > 0;

-- What was said to the mail server and by it, of a letter that did not end well.
ALTER TABLE letters ADD COLUMN dialogue TEXT NOT NULL DEFAULT '';
