-- +goose NO TRANSACTION
-- +goose Up
-- The newest term of each lease: the fencing token of its holder.

CREATE TABLE IF NOT EXISTS terms (
    name VARCHAR(191) NOT NULL,
    term BIGINT NOT NULL CHECK (term > 0),
    PRIMARY KEY (name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
