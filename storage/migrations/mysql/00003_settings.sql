-- +goose NO TRANSACTION
-- +goose Up
-- What a person sets: when they want to hear of whom. hidden_characters are
-- players who do not want to be watched; user_id is who showed that the character
-- is theirs, 0 once that user's data was deleted.
-- worlds is a list of ids with commas, '' for all. The last good reading of a
-- friends list is read_ns; tried_ns is the last one of any kind, empties how many
-- in a row had nobody while somebody is stored, since empty_ns.
-- MySQL has no ADD COLUMN IF NOT EXISTS: each ALTER asks first, for it may run
-- again after a crash.

SET @ddl = IF((SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE()
    AND table_name = 'watches' AND column_name = 'worlds') > 0, 'DO 0',
    'ALTER TABLE watches ADD COLUMN worlds VARCHAR(255) NOT NULL DEFAULT '''', ADD COLUMN muted TINYINT NOT NULL DEFAULT 0, ADD COLUMN muted_until_ns BIGINT NOT NULL DEFAULT 0, ADD COLUMN max_ordinal INT NOT NULL DEFAULT 0');
PREPARE ddl FROM @ddl;
EXECUTE ddl;
DEALLOCATE PREPARE ddl;

SET @ddl = IF((SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE()
    AND table_name = 'friend_lists' AND column_name = 'tried_ns') > 0, 'DO 0',
    'ALTER TABLE friend_lists ADD COLUMN tried_ns BIGINT NOT NULL DEFAULT 0, ADD COLUMN empties BIGINT NOT NULL DEFAULT 0, ADD COLUMN empty_ns BIGINT NOT NULL DEFAULT 0');
PREPARE ddl FROM @ddl;
EXECUTE ddl;
DEALLOCATE PREPARE ddl;

UPDATE friend_lists SET tried_ns = read_ns WHERE tried_ns = 0;

CREATE TABLE IF NOT EXISTS alert_settings (
    user_id BIGINT NOT NULL CHECK (user_id > 0),
    zone VARCHAR(64) NOT NULL,
    quiet_from INT NOT NULL,
    quiet_to INT NOT NULL,
    quiet_mode VARCHAR(16) NOT NULL,
    paused_until_ns BIGINT NOT NULL CHECK (paused_until_ns >= 0),
    cooldown_ns BIGINT NOT NULL CHECK (cooldown_ns >= 0),
    only_when_away TINYINT NOT NULL,
    at_least INT NOT NULL,
    digest TINYINT NOT NULL,
    summary TINYINT NOT NULL,
    edit_on_leave TINYINT NOT NULL,
    locale VARCHAR(16) NOT NULL,
    updated_ns BIGINT NOT NULL CHECK (updated_ns >= 0),
    PRIMARY KEY (user_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS mutes (
    user_id BIGINT NOT NULL CHECK (user_id > 0),
    character_id BIGINT NOT NULL CHECK (character_id > 0),
    until_ns BIGINT NOT NULL CHECK (until_ns >= 0),
    PRIMARY KEY (user_id, character_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS watch_groups (
    id BIGINT NOT NULL AUTO_INCREMENT,
    user_id BIGINT NOT NULL CHECK (user_id > 0),
    name VARCHAR(64) NOT NULL,
    name_lower VARCHAR(64) NOT NULL,
    PRIMARY KEY (id),
    UNIQUE INDEX watch_groups_name (user_id, name_lower)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS watch_group_members (
    group_id BIGINT NOT NULL CHECK (group_id > 0),
    character_id BIGINT NOT NULL CHECK (character_id > 0),
    PRIMARY KEY (group_id, character_id),
    INDEX watch_group_members_character_id (character_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS hidden_characters (
    character_id BIGINT NOT NULL CHECK (character_id > 0),
    user_id BIGINT NOT NULL CHECK (user_id >= 0),
    hidden_ns BIGINT NOT NULL CHECK (hidden_ns >= 0),
    PRIMARY KEY (character_id),
    INDEX hidden_characters_user_id (user_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
