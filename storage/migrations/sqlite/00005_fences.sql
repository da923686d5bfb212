-- +goose Up
-- The highest term of each lease that has acted: who comes with a lower one is refused.

CREATE TABLE IF NOT EXISTS fences (
    name TEXT NOT NULL,
    term INTEGER NOT NULL CHECK (term > 0),
    PRIMARY KEY (name)
) STRICT, WITHOUT ROWID;
