-- +goose NO TRANSACTION
-- +goose Up
-- A row for each process that reads from replicas: how far it has counted, which
-- the replicas show as late as they are.

CREATE TABLE IF NOT EXISTS beats (
    writer BIGINT NOT NULL CHECK (writer >= 0),
    n BIGINT NOT NULL CHECK (n > 0),
    at_ns BIGINT NOT NULL CHECK (at_ns >= 0),
    PRIMARY KEY (writer)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
