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

ALTER TABLE alerts ADD COLUMN post_k BLOB NOT NULL DEFAULT x'';
ALTER TABLE alerts ADD COLUMN also_k BLOB NOT NULL DEFAULT x'';
ALTER TABLE alerts ADD COLUMN told_ns INTEGER NOT NULL DEFAULT 0;
ALTER TABLE alerts ADD COLUMN left_at INTEGER NOT NULL DEFAULT 0;
UPDATE alerts SET told_ns = settled_ns WHERE state = 1;
CREATE INDEX alerts_user_id ON alerts (user_id, state, created_ns);
CREATE INDEX alerts_character_id ON alerts (character_id, login_at);

CREATE TABLE alert_turns (
    user_id INTEGER NOT NULL CHECK (user_id > 0),
    due_ns INTEGER CHECK (due_ns >= 0),
    edit_ns INTEGER CHECK (edit_ns >= 0),
    held_ns INTEGER NOT NULL CHECK (held_ns >= 0),
    next_ns INTEGER CHECK (next_ns >= 0),
    claim INTEGER NOT NULL,
    edited_ns INTEGER NOT NULL CHECK (edited_ns >= 0),
    PRIMARY KEY (user_id)
) STRICT;
CREATE INDEX alert_turns_due_ns ON alert_turns (due_ns);
CREATE INDEX alert_turns_edit_ns ON alert_turns (edit_ns);
INSERT INTO alert_turns (user_id, due_ns, held_ns, claim, edited_ns) SELECT DISTINCT user_id, 1, 0, 0, 0 FROM alerts WHERE state = 0;

CREATE TABLE alert_posts (
    k BLOB NOT NULL,
    user_id INTEGER NOT NULL CHECK (user_id > 0),
    kind TEXT NOT NULL,
    silent INTEGER NOT NULL,
    state INTEGER NOT NULL CHECK (state >= 0),
    channel TEXT NOT NULL,
    message TEXT NOT NULL,
    opened_ns INTEGER NOT NULL CHECK (opened_ns >= 0),
    news_ns INTEGER NOT NULL CHECK (news_ns >= 0),
    retry_ns INTEGER NOT NULL CHECK (retry_ns >= 0),
    attempts INTEGER NOT NULL CHECK (attempts >= 0),
    changed INTEGER NOT NULL CHECK (changed >= 0),
    PRIMARY KEY (k)
) STRICT, WITHOUT ROWID;
CREATE INDEX alert_posts_user_id ON alert_posts (user_id, state, opened_ns);
CREATE INDEX alert_posts_opened_ns ON alert_posts (opened_ns);

CREATE TABLE alert_fanouts (
    character_id INTEGER NOT NULL CHECK (character_id > 0),
    after_at INTEGER NOT NULL CHECK (after_at >= 0),
    session_at INTEGER NOT NULL CHECK (session_at >= 0),
    world INTEGER NOT NULL,
    created_ns INTEGER NOT NULL CHECK (created_ns >= 0),
    cursor_id INTEGER NOT NULL CHECK (cursor_id >= 0),
    PRIMARY KEY (character_id, after_at)
) STRICT, WITHOUT ROWID;

CREATE TABLE alert_departures (
    character_id INTEGER NOT NULL CHECK (character_id > 0),
    left_at INTEGER NOT NULL CHECK (left_at >= 0),
    due_ns INTEGER NOT NULL CHECK (due_ns >= 0),
    PRIMARY KEY (character_id, left_at)
) STRICT, WITHOUT ROWID;
CREATE INDEX alert_departures_due_ns ON alert_departures (due_ns);

CREATE TABLE watch_changes (
    at_ns INTEGER NOT NULL CHECK (at_ns >= 0),
    kind TEXT NOT NULL,
    target INTEGER NOT NULL CHECK (target > 0),
    PRIMARY KEY (at_ns, kind, target)
) STRICT, WITHOUT ROWID;
