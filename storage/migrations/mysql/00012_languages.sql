-- +goose NO TRANSACTION
-- +goose Up
-- In which language people are written to: recipients.locale is what Discord says,
-- alert_settings.language what they have chosen instead, '' for nothing. Until now
-- what Discord said stood among the settings.
-- MySQL has no ADD COLUMN IF NOT EXISTS: each step asks first, for it may run
-- again after a crash.

SET @ddl = IF((SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE()
    AND table_name = 'recipients' AND column_name = 'locale') > 0, 'DO 0',
    'ALTER TABLE recipients ADD COLUMN locale VARCHAR(16) NOT NULL DEFAULT ''''');
PREPARE ddl FROM @ddl;
EXECUTE ddl;
DEALLOCATE PREPARE ddl;

SET @ddl = IF((SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE()
    AND table_name = 'alert_settings' AND column_name = 'locale') = 0, 'DO 0',
    'UPDATE recipients r JOIN alert_settings s ON s.user_id = r.user_id SET r.locale = s.locale WHERE r.locale = ''''');
PREPARE ddl FROM @ddl;
EXECUTE ddl;
DEALLOCATE PREPARE ddl;

SET @ddl = IF((SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE()
    AND table_name = 'alert_settings' AND column_name = 'language') > 0, 'DO 0',
    'ALTER TABLE alert_settings ADD COLUMN language VARCHAR(16) NOT NULL DEFAULT '''', DROP COLUMN locale');
PREPARE ddl FROM @ddl;
EXECUTE ddl;
DEALLOCATE PREPARE ddl;
