-- +goose NO TRANSACTION
-- +goose Up
-- Whether others may ask which characters somebody plays. MySQL has no ADD COLUMN IF NOT
-- EXISTS: the ALTER asks first, for it may run again after a crash.

SET @ddl = IF((SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE()
    AND table_name = 'alert_settings' AND column_name = 'shown') > 0, 'DO 0',
    'ALTER TABLE alert_settings ADD COLUMN shown TINYINT NOT NULL DEFAULT 0');
PREPARE ddl FROM @ddl;
EXECUTE ddl;
DEALLOCATE PREPARE ddl;
