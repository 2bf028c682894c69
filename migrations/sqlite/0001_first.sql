-- +goose Up

-- What every replica of one installation shares: one row.
CREATE TABLE installation (
    id     BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    salt   TEXT NOT NULL CHECK (salt <> ''), -- letter ids are derived from it
    config TEXT NOT NULL DEFAULT ''          -- hash of the configuration that accounts were last woken for
);

-- Where invoices come from, and when each was last read and found well.
CREATE TABLE sources (
    name      TEXT NOT NULL PRIMARY KEY,
    loaded_at TIMESTAMPTZ,
    rows_read BIGINT  NOT NULL DEFAULT 0,
    file      TEXT    NOT NULL DEFAULT '',
    digest    TEXT    NOT NULL DEFAULT '',
    complete  BOOLEAN NOT NULL DEFAULT FALSE -- the last load listed every open invoice
);

-- The last reading of each file of a source.
CREATE TABLE loads (
    source    TEXT        NOT NULL REFERENCES sources (name),
    file      TEXT        NOT NULL,
    digest    TEXT        NOT NULL,
    loaded_at TIMESTAMPTZ NOT NULL,
    rows_read BIGINT      NOT NULL,
    PRIMARY KEY (source, file)
);

-- One debtor. The version is the lock of every decision about them, the lease a
-- politeness between workers; next_* is a cache of what was last decided.
CREATE TABLE accounts (
    id          TEXT NOT NULL PRIMARY KEY CHECK (id <> ''),
    name        TEXT    NOT NULL,
    email       TEXT    NOT NULL,
    cc          TEXT    NOT NULL DEFAULT '[]', -- JSON array of addresses
    language    TEXT    NOT NULL DEFAULT '',
    zone        TEXT    NOT NULL DEFAULT '',
    country     TEXT    NOT NULL DEFAULT '',
    policy      TEXT    NOT NULL DEFAULT '',
    suppressed  TEXT    NOT NULL DEFAULT '',   -- an address that does not exist
    version     BIGINT  NOT NULL DEFAULT 1,
    lease_id    TEXT    NOT NULL DEFAULT '',
    lease_until TIMESTAMPTZ,
    next_act    TEXT    NOT NULL DEFAULT 'look'
        CHECK (next_act IN ('look', 'check', 'make_link', 'renew_link', 'email', 'remind', 'again', 'withdraw', 'doubt')),
    next_at     TIMESTAMPTZ,                   -- NULL: only when something changes
    next_code   TEXT    NOT NULL DEFAULT '',
    next_why    TEXT    NOT NULL DEFAULT '',
    next_person BOOLEAN NOT NULL DEFAULT FALSE
);
CREATE INDEX accounts_due ON accounts (next_at, id, next_act) WHERE next_at IS NOT NULL;
CREATE INDEX accounts_stale ON accounts (id) WHERE next_code = 'stale_source';

-- One debt. Amounts are minor units of its currency.
CREATE TABLE invoices (
    number      TEXT NOT NULL PRIMARY KEY CHECK (number <> ''),
    account_id  TEXT    NOT NULL REFERENCES accounts (id),
    source      TEXT    NOT NULL REFERENCES sources (name),
    status      TEXT    NOT NULL CHECK (status <> ''),
    currency    TEXT    NOT NULL CHECK (currency <> ''),
    total       BIGINT  NOT NULL,
    paid        BIGINT  NOT NULL DEFAULT 0,
    credited    BIGINT  NOT NULL DEFAULT 0,
    issued_on   DATE,
    due_on      DATE,
    description TEXT    NOT NULL DEFAULT '',
    vanished    BOOLEAN NOT NULL DEFAULT FALSE, -- the last full load did not mention it
    changed_in  TEXT    NOT NULL DEFAULT '',    -- the load that last changed it
    episode     BIGINT  NOT NULL DEFAULT 1 CHECK (episode >= 1),
    moved_at    TIMESTAMPTZ,
    released_at TIMESTAMPTZ,
    rest_act    TEXT    NOT NULL DEFAULT 'look'
        CHECK (rest_act IN ('look', 'check', 'make_link', 'renew_link', 'email', 'remind', 'again', 'withdraw', 'doubt')),
    rest_until  TIMESTAMPTZ,                    -- NULL: until data or configuration change
    rest_tries  BIGINT  NOT NULL DEFAULT 0 CHECK (rest_tries >= 0),
    rest_why    TEXT    NOT NULL DEFAULT ''
);
CREATE INDEX invoices_account ON invoices (account_id);
CREATE INDEX invoices_open ON invoices (source, account_id) WHERE status = 'open';

-- The last full load that mentioned an invoice. Apart from the invoice's row,
-- so that a load which changes nothing locks nothing that a worker needs.
CREATE TABLE mentions (
    invoice TEXT NOT NULL PRIMARY KEY REFERENCES invoices (number),
    load_id TEXT NOT NULL
);

-- Every link ever wanted. A link is live while somebody can pay by it as far as
-- we know; a replaced one was not live when the next was wanted, and may be
-- found alive later without standing in the way of writing that down.
CREATE TABLE links (
    invoice         TEXT    NOT NULL REFERENCES invoices (number),
    gen             BIGINT  NOT NULL CHECK (gen >= 1),
    ref             TEXT    NOT NULL UNIQUE CHECK (ref <> ''),
    hook            TEXT    UNIQUE,
    amount          BIGINT  NOT NULL CHECK (amount > 0),
    currency        TEXT    NOT NULL CHECK (currency <> ''),
    key_fingerprint TEXT    NOT NULL,
    state           TEXT    NOT NULL CHECK (state <> ''),
    reason          TEXT    NOT NULL DEFAULT '',
    remote_id       TEXT    NOT NULL DEFAULT '',
    url             TEXT    NOT NULL DEFAULT '',
    attempts        BIGINT  NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    expires_at      TIMESTAMPTZ,
    since           TIMESTAMPTZ,
    seen_at         TIMESTAMPTZ,
    booked          BIGINT  NOT NULL DEFAULT 0,
    watched         BOOLEAN NOT NULL,               -- not final: to be looked at
    replaced        BOOLEAN NOT NULL DEFAULT FALSE,
    PRIMARY KEY (invoice, gen)
);
CREATE UNIQUE INDEX links_live ON links (invoice, amount, currency, key_fingerprint)
    WHERE state IN ('wanted', 'new', 'processing', 'all_unsuccessful') AND attempts < 25 AND NOT replaced;
CREATE INDEX links_watched ON links (invoice) WHERE watched;

-- Every letter whose last dot was, or is about to be, written.
CREATE TABLE letters (
    id         TEXT NOT NULL PRIMARY KEY CHECK (id <> ''),
    try        BIGINT  NOT NULL CHECK (try >= 1),
    account_id TEXT    NOT NULL REFERENCES accounts (id),
    state      TEXT    NOT NULL CHECK (state IN ('sending', 'sent', 'skipped', 'failed', 'uncertain', 'resend', 'delayed')),
    at         TIMESTAMPTZ NOT NULL,
    template   TEXT    NOT NULL,
    language   TEXT    NOT NULL,
    single     BOOLEAN NOT NULL,
    items      TEXT    NOT NULL,          -- JSON array
    recipients TEXT    NOT NULL,          -- JSON array of addresses
    cc         TEXT    NOT NULL,          -- JSON array of addresses
    subject    TEXT    NOT NULL,
    message_id TEXT    NOT NULL UNIQUE,
    digest     TEXT    NOT NULL,          -- SHA-256 of the bytes, before compression
    raw        BLOB    NOT NULL,          -- the exact bytes, gzip
    reply      TEXT    NOT NULL DEFAULT ''
);
CREATE INDEX letters_account ON letters (account_id, at);
CREATE INDEX letters_unsettled ON letters (account_id) WHERE state IN ('sending', 'uncertain', 'resend', 'delayed');

-- What became of each step: one row for ever (R1).
CREATE TABLE steps (
    invoice   TEXT   NOT NULL REFERENCES invoices (number),
    episode   BIGINT NOT NULL CHECK (episode >= 1),
    step      TEXT   NOT NULL CHECK (step <> ''),
    result    TEXT   NOT NULL CHECK (result IN ('sending', 'sent', 'skipped', 'failed', 'uncertain', 'resend')),
    letter_id TEXT   REFERENCES letters (id),
    gen       BIGINT NOT NULL DEFAULT 0,
    at        TIMESTAMPTZ NOT NULL,
    why       TEXT   NOT NULL DEFAULT '',
    PRIMARY KEY (invoice, episode, step)
);
CREATE INDEX steps_unsettled ON steps (invoice) WHERE result IN ('sending', 'uncertain', 'failed', 'resend');
CREATE INDEX steps_letter ON steps (letter_id);

-- What people said must wait; at most one at a time of one account or invoice.
CREATE TABLE holds (
    id         TEXT NOT NULL PRIMARY KEY,
    account_id TEXT REFERENCES accounts (id),
    invoice    TEXT REFERENCES invoices (number),
    reason     TEXT NOT NULL CHECK (reason <> ''),
    placed_by  TEXT NOT NULL,
    placed_at  TIMESTAMPTZ NOT NULL,
    ends_at    TIMESTAMPTZ,                -- NULL: when a person lifts it
    lifted_at  TIMESTAMPTZ,
    lifted_by  TEXT NOT NULL DEFAULT '',
    lifted_why TEXT NOT NULL DEFAULT '',
    CHECK ((account_id IS NULL) <> (invoice IS NULL))
);
CREATE UNIQUE INDEX holds_account ON holds (account_id) WHERE lifted_at IS NULL;
CREATE UNIQUE INDEX holds_invoice ON holds (invoice) WHERE lifted_at IS NULL;

-- What a person must hear of about money.
CREATE TABLE incidents (
    id        TEXT NOT NULL PRIMARY KEY,
    invoice   TEXT NOT NULL REFERENCES invoices (number),
    kind      TEXT NOT NULL CHECK (kind <> ''),
    key       TEXT NOT NULL,
    detail    TEXT NOT NULL,
    raised_at TIMESTAMPTZ NOT NULL,
    closed_at TIMESTAMPTZ,
    closed_by TEXT NOT NULL DEFAULT '',
    note      TEXT NOT NULL DEFAULT '',
    UNIQUE (invoice, kind, key)
);
CREATE INDEX incidents_open ON incidents (raised_at, id) WHERE closed_at IS NULL;

-- Who did what, when, under which configuration. Nothing is ever changed here.
CREATE TABLE events (
    id         TEXT NOT NULL PRIMARY KEY,           -- UUID, version 7
    at         TIMESTAMPTZ NOT NULL,
    actor      TEXT NOT NULL,
    kind       TEXT NOT NULL CHECK (kind <> ''),
    account_id TEXT,
    invoice    TEXT,
    letter_id  TEXT,
    detail     TEXT NOT NULL DEFAULT '',
    config     TEXT NOT NULL DEFAULT ''
);
CREATE INDEX events_invoice ON events (invoice, at, id) WHERE invoice IS NOT NULL;
CREATE INDEX events_account ON events (account_id, at, id) WHERE account_id IS NOT NULL;

-- Every run of a job.
CREATE TABLE runs (
    id           TEXT NOT NULL PRIMARY KEY,
    job          TEXT NOT NULL,
    scheduled_at TIMESTAMPTZ NOT NULL,
    worker       TEXT NOT NULL,
    started_at   TIMESTAMPTZ NOT NULL,
    ended_at     TIMESTAMPTZ,
    counts       TEXT NOT NULL DEFAULT '{}', -- JSON object
    error        TEXT NOT NULL DEFAULT '',
    UNIQUE (job, scheduled_at, worker)
);
CREATE INDEX runs_ended ON runs (job, ended_at);
CREATE INDEX runs_started ON runs (started_at);

-- +goose StatementBegin
CREATE TRIGGER events_unchanged BEFORE UPDATE ON events
BEGIN
    SELECT RAISE(ABORT, 'events are never changed');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER events_kept BEFORE DELETE ON events
BEGIN
    SELECT RAISE(ABORT, 'events are never deleted');
END;
-- +goose StatementEnd
