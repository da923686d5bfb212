-- +goose Up
-- The bot processes that share Discord's shards, with when each was seen last by the
-- database's clock, and how many shards they go by (one row).

CREATE TABLE bot_processes (
    id INTEGER PRIMARY KEY,
    seen_at INTEGER NOT NULL CHECK (seen_at >= 0)
) STRICT;

CREATE TABLE bot_shards (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    shards INTEGER NOT NULL CHECK (shards > 0)
) STRICT;
