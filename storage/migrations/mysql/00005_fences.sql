-- +goose NO TRANSACTION
-- +goose Up
-- The highest term of each lease that has acted: who comes with a lower one is refused.

CREATE TABLE IF NOT EXISTS fences (
    name VARCHAR(191) NOT NULL,
    term BIGINT NOT NULL CHECK (term > 0),
    PRIMARY KEY (name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
