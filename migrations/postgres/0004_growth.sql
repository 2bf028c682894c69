-- +goose Up

-- Rows that are changed often keep room beside them, so that a change of what no
-- index holds stays on the page and needs no new entries in the indexes.
ALTER TABLE accounts SET (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE links SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE letters SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE steps SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE invoices SET (autovacuum_vacuum_scale_factor = 0.05);

-- The bytes of letters are compressed already.
ALTER TABLE letters ALTER COLUMN raw SET STORAGE EXTERNAL;
