-- +goose Up

-- Nothing: SQLite has no such settings. The numbers of migrations are those of
-- both databases.
SELECT 1;
