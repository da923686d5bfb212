-- +goose NO TRANSACTION
-- +goose Up
-- How people are told. An alert is of state 0 waiting, 1 told, 2 dropped, 3 put
-- into a message that is not known to be shown. post_k is the message it is told
-- in, also_k a digest that lists it again. left_at is when the character left.
-- alert_turns has one row for each person: when there is news for them (due_ns), when
-- a message is to be changed (edit_ns), until when a bot has their turn (held_ns),
-- and what follows then (next_ns).
-- alert_posts are messages, of state 0 not known to be sent, 1 to be changed,
-- 2 as it should be, 3 gone at Discord, 4 never sent.
-- alert_fanouts are logins with too many watchers for one transaction: those with
-- an id up to cursor_id are done. alert_departures are logouts that become certain
-- at due_ns. watch_changes say who else is watched since then.
-- MySQL has no ADD COLUMN IF NOT EXISTS: the ALTER asks first, for it may run
-- again after a crash.

SET @ddl = IF((SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE()
    AND table_name = 'alerts' AND column_name = 'post_k') > 0, 'DO 0',
    'ALTER TABLE alerts ADD COLUMN post_k VARBINARY(15) NOT NULL DEFAULT '''', ADD COLUMN also_k VARBINARY(15) NOT NULL DEFAULT '''', ADD COLUMN told_ns BIGINT NOT NULL DEFAULT 0, ADD COLUMN left_at BIGINT NOT NULL DEFAULT 0, ADD INDEX alerts_user_id (user_id, state, created_ns), ADD INDEX alerts_character_id (character_id, login_at)');
PREPARE ddl FROM @ddl;
EXECUTE ddl;
DEALLOCATE PREPARE ddl;

UPDATE alerts SET told_ns = settled_ns WHERE state = 1 AND told_ns = 0;

CREATE TABLE IF NOT EXISTS alert_turns (
    user_id BIGINT NOT NULL CHECK (user_id > 0),
    due_ns BIGINT NULL CHECK (due_ns >= 0),
    edit_ns BIGINT NULL CHECK (edit_ns >= 0),
    held_ns BIGINT NOT NULL CHECK (held_ns >= 0),
    next_ns BIGINT NULL CHECK (next_ns >= 0),
    claim BIGINT NOT NULL,
    edited_ns BIGINT NOT NULL CHECK (edited_ns >= 0),
    PRIMARY KEY (user_id),
    INDEX alert_turns_due_ns (due_ns),
    INDEX alert_turns_edit_ns (edit_ns)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

INSERT INTO alert_turns (user_id, due_ns, held_ns, claim, edited_ns) SELECT DISTINCT user_id, 1, 0, 0, 0 FROM alerts WHERE state = 0
    ON DUPLICATE KEY UPDATE due_ns = 1;

CREATE TABLE IF NOT EXISTS alert_posts (
    k VARBINARY(15) NOT NULL,
    user_id BIGINT NOT NULL CHECK (user_id > 0),
    kind VARCHAR(16) NOT NULL,
    silent TINYINT NOT NULL,
    state BIGINT NOT NULL CHECK (state >= 0),
    channel VARCHAR(32) NOT NULL,
    message VARCHAR(32) NOT NULL,
    opened_ns BIGINT NOT NULL CHECK (opened_ns >= 0),
    news_ns BIGINT NOT NULL CHECK (news_ns >= 0),
    retry_ns BIGINT NOT NULL CHECK (retry_ns >= 0),
    attempts BIGINT NOT NULL CHECK (attempts >= 0),
    changed BIGINT NOT NULL CHECK (changed >= 0),
    PRIMARY KEY (k),
    INDEX alert_posts_user_id (user_id, state, opened_ns),
    INDEX alert_posts_opened_ns (opened_ns)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS alert_fanouts (
    character_id BIGINT NOT NULL CHECK (character_id > 0),
    after_at BIGINT NOT NULL CHECK (after_at >= 0),
    session_at BIGINT NOT NULL CHECK (session_at >= 0),
    world INT NOT NULL,
    created_ns BIGINT NOT NULL CHECK (created_ns >= 0),
    cursor_id BIGINT NOT NULL CHECK (cursor_id >= 0),
    PRIMARY KEY (character_id, after_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS alert_departures (
    character_id BIGINT NOT NULL CHECK (character_id > 0),
    left_at BIGINT NOT NULL CHECK (left_at >= 0),
    due_ns BIGINT NOT NULL CHECK (due_ns >= 0),
    PRIMARY KEY (character_id, left_at),
    INDEX alert_departures_due_ns (due_ns)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS watch_changes (
    at_ns BIGINT NOT NULL CHECK (at_ns >= 0),
    kind VARCHAR(16) NOT NULL,
    target BIGINT NOT NULL CHECK (target > 0),
    PRIMARY KEY (at_ns, kind, target)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
