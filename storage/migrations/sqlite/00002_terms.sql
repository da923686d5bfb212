-- +goose Up
-- The newest term of each lease: the fencing token of its holder.

CREATE TABLE IF NOT EXISTS terms (
    name TEXT NOT NULL,
    term INTEGER NOT NULL CHECK (term > 0),
    PRIMARY KEY (name)
) STRICT, WITHOUT ROWID;
