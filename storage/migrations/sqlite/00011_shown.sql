-- +goose Up
-- Whether others may ask which characters somebody plays.

ALTER TABLE alert_settings ADD COLUMN shown INTEGER NOT NULL DEFAULT 0;
