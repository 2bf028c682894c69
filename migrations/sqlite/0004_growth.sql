-- +goose Up

-- What a claim reads: the accounts that wait for one act, in the order in which
-- they fall due, and nothing else. Those that are leased or were claimed in
-- vain are elsewhere, so that they stand in nobody's way.
CREATE INDEX accounts_ready ON accounts (next_act, next_at, id)
    WHERE next_at IS NOT NULL AND lease_id = '' AND claims < 2;
-- Those that somebody has, by when the lease ends.
CREATE INDEX accounts_leased ON accounts (lease_until)
    WHERE lease_id <> '' AND claims < 2;
-- Those claimed in vain, which are claimed alone, and those set aside.
CREATE INDEX accounts_vain ON accounts (claims, next_at, id) WHERE claims >= 2 AND claims < 8;
CREATE INDEX accounts_aside ON accounts (id) WHERE claims >= 8;
-- Those that wait for a person.
CREATE INDEX accounts_person ON accounts (id) WHERE next_person;

-- Accounts are to be looked at again, because the configuration is another or a
-- source was read after long: how far that has come, all up to this id (NULL: all
-- of them), since when, and whether what failed for good is tried again.
ALTER TABLE installation ADD COLUMN woken_to TEXT;
ALTER TABLE installation ADD COLUMN woken_at TIMESTAMPTZ;
ALTER TABLE installation ADD COLUMN woken_rests BOOLEAN NOT NULL DEFAULT FALSE;
