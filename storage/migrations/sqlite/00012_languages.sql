-- +goose Up
-- In which language people are written to: recipients.locale is what Discord says,
-- alert_settings.language what they have chosen instead, '' for nothing. Until now
-- what Discord said stood among the settings.

ALTER TABLE recipients ADD COLUMN locale TEXT NOT NULL DEFAULT '';
UPDATE recipients SET locale = COALESCE((SELECT s.locale FROM alert_settings s WHERE s.user_id = recipients.user_id), '');

ALTER TABLE alert_settings ADD COLUMN language TEXT NOT NULL DEFAULT '';
ALTER TABLE alert_settings DROP COLUMN locale;
