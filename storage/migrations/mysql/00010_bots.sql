-- +goose NO TRANSACTION
-- +goose Up
-- The bot processes that share Discord's shards, with when each was seen last by the
-- database's clock, and how many shards they go by (one row).

CREATE TABLE IF NOT EXISTS bot_processes (
    id BIGINT NOT NULL,
    seen_at BIGINT NOT NULL CHECK (seen_at >= 0),
    PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS bot_shards (
    id INT NOT NULL CHECK (id = 1),
    shards INT NOT NULL CHECK (shards > 0),
    PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
