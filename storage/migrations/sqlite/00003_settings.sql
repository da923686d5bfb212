-- +goose Up
-- What a person sets: when they want to hear of whom. hidden_characters are
-- players who do not want to be watched; user_id is who showed that the character
-- is theirs, 0 once that user's data was deleted.
-- worlds is a list of ids with commas, '' for all. The last good reading of a
-- friends list is read_ns; tried_ns is the last one of any kind, empties how many
-- in a row had nobody while somebody is stored, since empty_ns.

ALTER TABLE watches ADD COLUMN worlds TEXT NOT NULL DEFAULT '';
ALTER TABLE watches ADD COLUMN muted INTEGER NOT NULL DEFAULT 0;
ALTER TABLE watches ADD COLUMN muted_until_ns INTEGER NOT NULL DEFAULT 0;
ALTER TABLE watches ADD COLUMN max_ordinal INTEGER NOT NULL DEFAULT 0;

ALTER TABLE friend_lists ADD COLUMN tried_ns INTEGER NOT NULL DEFAULT 0;
ALTER TABLE friend_lists ADD COLUMN empties INTEGER NOT NULL DEFAULT 0;
ALTER TABLE friend_lists ADD COLUMN empty_ns INTEGER NOT NULL DEFAULT 0;
UPDATE friend_lists SET tried_ns = read_ns;

CREATE TABLE alert_settings (
    user_id INTEGER NOT NULL CHECK (user_id > 0),
    zone TEXT NOT NULL,
    quiet_from INTEGER NOT NULL,
    quiet_to INTEGER NOT NULL,
    quiet_mode TEXT NOT NULL,
    paused_until_ns INTEGER NOT NULL CHECK (paused_until_ns >= 0),
    cooldown_ns INTEGER NOT NULL CHECK (cooldown_ns >= 0),
    only_when_away INTEGER NOT NULL,
    at_least INTEGER NOT NULL,
    digest INTEGER NOT NULL,
    summary INTEGER NOT NULL,
    edit_on_leave INTEGER NOT NULL,
    locale TEXT NOT NULL,
    updated_ns INTEGER NOT NULL CHECK (updated_ns >= 0),
    PRIMARY KEY (user_id)
) STRICT;

CREATE TABLE mutes (
    user_id INTEGER NOT NULL CHECK (user_id > 0),
    character_id INTEGER NOT NULL CHECK (character_id > 0),
    until_ns INTEGER NOT NULL CHECK (until_ns >= 0),
    PRIMARY KEY (user_id, character_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE watch_groups (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id INTEGER NOT NULL CHECK (user_id > 0),
    name TEXT NOT NULL,
    name_lower TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX watch_groups_name ON watch_groups (user_id, name_lower);

CREATE TABLE watch_group_members (
    group_id INTEGER NOT NULL CHECK (group_id > 0),
    character_id INTEGER NOT NULL CHECK (character_id > 0),
    PRIMARY KEY (group_id, character_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX watch_group_members_character_id ON watch_group_members (character_id);

CREATE TABLE hidden_characters (
    character_id INTEGER NOT NULL CHECK (character_id > 0),
    user_id INTEGER NOT NULL CHECK (user_id >= 0),
    hidden_ns INTEGER NOT NULL CHECK (hidden_ns >= 0),
    PRIMARY KEY (character_id)
) STRICT;
CREATE INDEX hidden_characters_user_id ON hidden_characters (user_id);
