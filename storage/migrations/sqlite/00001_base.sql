-- +goose Up
-- Columns ending in _at hold a game second (Unix seconds), those ending in _ns a
-- wall clock (Unix nanoseconds); both are UTC, and 0 means "none". "at" is the
-- event's own second, k the first 16 bytes of its key, batch the transaction
-- that stored it. The keys of events, sessions and sums hold the time that a
-- partition by day needs.

CREATE TABLE IF NOT EXISTS event_login (
    at INTEGER NOT NULL CHECK (at >= 0),
    k BLOB NOT NULL,
    batch INTEGER NOT NULL,
    received_ns INTEGER NOT NULL,
    world INTEGER NOT NULL,
    zone INTEGER NOT NULL,
    character_id INTEGER NOT NULL CHECK (character_id >= 0),
    PRIMARY KEY (at, k)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS event_logout (
    at INTEGER NOT NULL CHECK (at >= 0),
    k BLOB NOT NULL,
    batch INTEGER NOT NULL,
    received_ns INTEGER NOT NULL,
    world INTEGER NOT NULL,
    zone INTEGER NOT NULL,
    character_id INTEGER NOT NULL CHECK (character_id >= 0),
    PRIMARY KEY (at, k)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS event_kill (
    at INTEGER NOT NULL CHECK (at >= 0),
    k BLOB NOT NULL,
    batch INTEGER NOT NULL,
    received_ns INTEGER NOT NULL,
    world INTEGER NOT NULL,
    zone INTEGER NOT NULL,
    attacker_id INTEGER NOT NULL CHECK (attacker_id >= 0),
    victim_id INTEGER NOT NULL CHECK (victim_id >= 0),
    attacker_loadout INTEGER NOT NULL,
    victim_loadout INTEGER NOT NULL,
    attacker_team INTEGER NOT NULL,
    victim_team INTEGER NOT NULL,
    weapon_id INTEGER NOT NULL,
    fire_mode INTEGER NOT NULL,
    attacker_vehicle INTEGER NOT NULL,
    headshot INTEGER NOT NULL,
    critical INTEGER NOT NULL,
    PRIMARY KEY (at, k)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS event_vehicle_kill (
    at INTEGER NOT NULL CHECK (at >= 0),
    k BLOB NOT NULL,
    batch INTEGER NOT NULL,
    received_ns INTEGER NOT NULL,
    world INTEGER NOT NULL,
    zone INTEGER NOT NULL,
    attacker_id INTEGER NOT NULL CHECK (attacker_id >= 0),
    owner_id INTEGER NOT NULL CHECK (owner_id >= 0),
    attacker_loadout INTEGER NOT NULL,
    attacker_team INTEGER NOT NULL,
    owner_team INTEGER NOT NULL,
    vehicle_faction INTEGER NOT NULL,
    vehicle_id INTEGER NOT NULL,
    attacker_vehicle INTEGER NOT NULL,
    weapon_id INTEGER NOT NULL,
    facility_id INTEGER NOT NULL,
    copy_no INTEGER NOT NULL,
    PRIMARY KEY (at, k)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS event_experience (
    at INTEGER NOT NULL CHECK (at >= 0),
    k BLOB NOT NULL,
    batch INTEGER NOT NULL,
    received_ns INTEGER NOT NULL,
    world INTEGER NOT NULL,
    zone INTEGER NOT NULL,
    character_id INTEGER NOT NULL CHECK (character_id >= 0),
    other_id INTEGER NOT NULL,
    experience_id INTEGER NOT NULL,
    amount INTEGER NOT NULL,
    loadout INTEGER NOT NULL,
    team INTEGER NOT NULL,
    PRIMARY KEY (at, k)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS event_facility_control (
    at INTEGER NOT NULL CHECK (at >= 0),
    k BLOB NOT NULL,
    batch INTEGER NOT NULL,
    received_ns INTEGER NOT NULL,
    world INTEGER NOT NULL,
    zone INTEGER NOT NULL,
    facility_id INTEGER NOT NULL,
    old_faction INTEGER NOT NULL,
    new_faction INTEGER NOT NULL,
    held_seconds INTEGER NOT NULL,
    outfit_id INTEGER NOT NULL,
    PRIMARY KEY (at, k)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS event_facility_capture (
    at INTEGER NOT NULL CHECK (at >= 0),
    k BLOB NOT NULL,
    batch INTEGER NOT NULL,
    received_ns INTEGER NOT NULL,
    world INTEGER NOT NULL,
    zone INTEGER NOT NULL,
    character_id INTEGER NOT NULL CHECK (character_id >= 0),
    facility_id INTEGER NOT NULL,
    outfit_id INTEGER NOT NULL,
    PRIMARY KEY (at, k)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS event_facility_defend (
    at INTEGER NOT NULL CHECK (at >= 0),
    k BLOB NOT NULL,
    batch INTEGER NOT NULL,
    received_ns INTEGER NOT NULL,
    world INTEGER NOT NULL,
    zone INTEGER NOT NULL,
    character_id INTEGER NOT NULL CHECK (character_id >= 0),
    facility_id INTEGER NOT NULL,
    outfit_id INTEGER NOT NULL,
    PRIMARY KEY (at, k)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS event_metagame (
    at INTEGER NOT NULL CHECK (at >= 0),
    k BLOB NOT NULL,
    batch INTEGER NOT NULL,
    received_ns INTEGER NOT NULL,
    world INTEGER NOT NULL,
    zone INTEGER NOT NULL,
    metagame_id INTEGER NOT NULL,
    instance INTEGER NOT NULL,
    state INTEGER NOT NULL,
    vs REAL NOT NULL,
    nc REAL NOT NULL,
    tr REAL NOT NULL,
    bonus REAL NOT NULL,
    PRIMARY KEY (at, k)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS event_continent_lock (
    at INTEGER NOT NULL CHECK (at >= 0),
    k BLOB NOT NULL,
    batch INTEGER NOT NULL,
    received_ns INTEGER NOT NULL,
    world INTEGER NOT NULL,
    zone INTEGER NOT NULL,
    by_faction INTEGER NOT NULL,
    previous_faction INTEGER NOT NULL,
    vs INTEGER NOT NULL,
    nc INTEGER NOT NULL,
    tr INTEGER NOT NULL,
    metagame_id INTEGER NOT NULL,
    PRIMARY KEY (at, k)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS event_continent_unlock (
    at INTEGER NOT NULL CHECK (at >= 0),
    k BLOB NOT NULL,
    batch INTEGER NOT NULL,
    received_ns INTEGER NOT NULL,
    world INTEGER NOT NULL,
    zone INTEGER NOT NULL,
    by_faction INTEGER NOT NULL,
    previous_faction INTEGER NOT NULL,
    vs INTEGER NOT NULL,
    nc INTEGER NOT NULL,
    tr INTEGER NOT NULL,
    metagame_id INTEGER NOT NULL,
    PRIMARY KEY (at, k)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS event_achievement (
    at INTEGER NOT NULL CHECK (at >= 0),
    k BLOB NOT NULL,
    batch INTEGER NOT NULL,
    received_ns INTEGER NOT NULL,
    world INTEGER NOT NULL,
    zone INTEGER NOT NULL,
    character_id INTEGER NOT NULL CHECK (character_id >= 0),
    achievement_id INTEGER NOT NULL,
    PRIMARY KEY (at, k)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS event_battle_rank (
    at INTEGER NOT NULL CHECK (at >= 0),
    k BLOB NOT NULL,
    batch INTEGER NOT NULL,
    received_ns INTEGER NOT NULL,
    world INTEGER NOT NULL,
    zone INTEGER NOT NULL,
    character_id INTEGER NOT NULL CHECK (character_id >= 0),
    battle_rank INTEGER NOT NULL,
    PRIMARY KEY (at, k)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS event_item_added (
    at INTEGER NOT NULL CHECK (at >= 0),
    k BLOB NOT NULL,
    batch INTEGER NOT NULL,
    received_ns INTEGER NOT NULL,
    world INTEGER NOT NULL,
    zone INTEGER NOT NULL,
    character_id INTEGER NOT NULL CHECK (character_id >= 0),
    item_id INTEGER NOT NULL,
    count INTEGER NOT NULL,
    context TEXT NOT NULL,
    PRIMARY KEY (at, k)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS event_skill_added (
    at INTEGER NOT NULL CHECK (at >= 0),
    k BLOB NOT NULL,
    batch INTEGER NOT NULL,
    received_ns INTEGER NOT NULL,
    world INTEGER NOT NULL,
    zone INTEGER NOT NULL,
    character_id INTEGER NOT NULL CHECK (character_id >= 0),
    skill_id INTEGER NOT NULL,
    PRIMARY KEY (at, k)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS event_fish_scan (
    at INTEGER NOT NULL CHECK (at >= 0),
    k BLOB NOT NULL,
    batch INTEGER NOT NULL,
    received_ns INTEGER NOT NULL,
    world INTEGER NOT NULL,
    zone INTEGER NOT NULL,
    character_id INTEGER NOT NULL CHECK (character_id >= 0),
    fish_id INTEGER NOT NULL,
    loadout INTEGER NOT NULL,
    team INTEGER NOT NULL,
    PRIMARY KEY (at, k)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS event_unknown (
    at INTEGER NOT NULL CHECK (at >= 0),
    k BLOB NOT NULL,
    batch INTEGER NOT NULL,
    received_ns INTEGER NOT NULL,
    world INTEGER NOT NULL,
    zone INTEGER NOT NULL,
    name TEXT NOT NULL,
    reason TEXT NOT NULL,
    payload BLOB NOT NULL,
    PRIMARY KEY (at, k)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS characters (
    id INTEGER NOT NULL CHECK (id >= 0),
    name TEXT NOT NULL,
    name_lower TEXT NOT NULL,
    faction INTEGER NOT NULL CHECK (faction >= 0),
    world INTEGER NOT NULL CHECK (world >= 0),
    battle_rank INTEGER NOT NULL CHECK (battle_rank >= 0),
    resolved_ns INTEGER NOT NULL CHECK (resolved_ns >= 0),
    missing INTEGER NOT NULL CHECK (missing >= 0),
    tries INTEGER NOT NULL CHECK (tries >= 0),
    retry_ns INTEGER CHECK (retry_ns >= 0),
    PRIMARY KEY (id)
) STRICT;

CREATE INDEX IF NOT EXISTS characters_name_lower ON characters (name_lower);

CREATE INDEX IF NOT EXISTS characters_retry_ns ON characters (retry_ns);

CREATE TABLE IF NOT EXISTS outfits (
    id INTEGER NOT NULL CHECK (id >= 0),
    tag TEXT NOT NULL,
    tag_lower TEXT NOT NULL,
    name TEXT NOT NULL,
    name_lower TEXT NOT NULL,
    faction INTEGER NOT NULL CHECK (faction >= 0),
    leader INTEGER NOT NULL CHECK (leader >= 0),
    members INTEGER NOT NULL CHECK (members >= 0),
    PRIMARY KEY (id)
) STRICT;

CREATE INDEX IF NOT EXISTS outfits_tag_lower ON outfits (tag_lower);

CREATE INDEX IF NOT EXISTS outfits_name_lower ON outfits (name_lower);

CREATE TABLE IF NOT EXISTS memberships (
    character_id INTEGER NOT NULL CHECK (character_id >= 0),
    outfit_id INTEGER NOT NULL CHECK (outfit_id >= 0),
    member_rank TEXT NOT NULL,
    ordinal INTEGER NOT NULL CHECK (ordinal >= 0),
    since_at INTEGER NOT NULL CHECK (since_at >= 0),
    PRIMARY KEY (character_id)
) STRICT;

CREATE INDEX IF NOT EXISTS memberships_outfit_id ON memberships (outfit_id);

CREATE TABLE IF NOT EXISTS links (
    user_id INTEGER NOT NULL CHECK (user_id >= 0),
    character_id INTEGER NOT NULL CHECK (character_id >= 0),
    linked_ns INTEGER NOT NULL CHECK (linked_ns >= 0),
    PRIMARY KEY (user_id, character_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS links_character_id ON links (character_id);

CREATE TABLE IF NOT EXISTS friends (
    owner_id INTEGER NOT NULL CHECK (owner_id >= 0),
    friend_id INTEGER NOT NULL CHECK (friend_id >= 0),
    last_login_at INTEGER NOT NULL CHECK (last_login_at >= 0),
    online_world INTEGER NOT NULL CHECK (online_world >= 0),
    PRIMARY KEY (owner_id, friend_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS friends_friend_id ON friends (friend_id);

CREATE TABLE IF NOT EXISTS friend_lists (
    owner_id INTEGER NOT NULL CHECK (owner_id >= 0),
    read_ns INTEGER NOT NULL CHECK (read_ns >= 0),
    PRIMARY KEY (owner_id)
) STRICT;

CREATE TABLE IF NOT EXISTS presence (
    character_id INTEGER NOT NULL CHECK (character_id >= 0),
    online INTEGER NOT NULL CHECK (online >= 0),
    world INTEGER NOT NULL CHECK (world >= 0),
    zone INTEGER NOT NULL CHECK (zone >= 0),
    last_seen_at INTEGER NOT NULL CHECK (last_seen_at >= 0),
    logged_out_at INTEGER NOT NULL CHECK (logged_out_at >= 0),
    session_at INTEGER NOT NULL CHECK (session_at >= 0),
    inferred INTEGER NOT NULL CHECK (inferred >= 0),
    end_reason TEXT NOT NULL,
    PRIMARY KEY (character_id)
) STRICT;

CREATE INDEX IF NOT EXISTS presence_online_world ON presence (online, world);

CREATE TABLE IF NOT EXISTS sessions (
    character_id INTEGER NOT NULL CHECK (character_id >= 0),
    started_at INTEGER NOT NULL CHECK (started_at >= 0),
    world INTEGER NOT NULL CHECK (world >= 0),
    inferred INTEGER NOT NULL CHECK (inferred >= 0),
    ended_at INTEGER NOT NULL CHECK (ended_at >= 0),
    end_reason TEXT NOT NULL,
    PRIMARY KEY (character_id, started_at)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS experience_hourly (
    character_id INTEGER NOT NULL CHECK (character_id >= 0),
    hour_at INTEGER NOT NULL CHECK (hour_at >= 0),
    experience_id INTEGER NOT NULL CHECK (experience_id >= 0),
    n INTEGER NOT NULL CHECK (n >= 0),
    amount INTEGER NOT NULL CHECK (amount >= 0),
    PRIMARY KEY (character_id, hour_at, experience_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS dirty_hours (
    hour_at INTEGER NOT NULL CHECK (hour_at >= 0),
    writer INTEGER NOT NULL CHECK (writer >= 0),
    PRIMARY KEY (hour_at, writer)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS lookups (
    category TEXT NOT NULL,
    id INTEGER NOT NULL CHECK (id >= 0),
    name TEXT NOT NULL,
    extra TEXT NOT NULL,
    PRIMARY KEY (category, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS alerts (
    k BLOB NOT NULL,
    user_id INTEGER NOT NULL CHECK (user_id >= 0),
    character_id INTEGER NOT NULL CHECK (character_id >= 0),
    world INTEGER NOT NULL CHECK (world >= 0),
    cause TEXT NOT NULL,
    login_at INTEGER NOT NULL CHECK (login_at >= 0),
    created_ns INTEGER NOT NULL CHECK (created_ns >= 0),
    expires_ns INTEGER NOT NULL CHECK (expires_ns >= 0),
    due_ns INTEGER NOT NULL CHECK (due_ns >= 0),
    attempts INTEGER NOT NULL CHECK (attempts >= 0),
    state INTEGER NOT NULL CHECK (state >= 0),
    message TEXT NOT NULL,
    reason TEXT NOT NULL,
    settled_ns INTEGER NOT NULL CHECK (settled_ns >= 0),
    PRIMARY KEY (k)
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS alerts_state_created_ns ON alerts (state, created_ns);

CREATE TABLE IF NOT EXISTS recipients (
    user_id INTEGER NOT NULL CHECK (user_id >= 0),
    dm_channel TEXT NOT NULL,
    closed TEXT NOT NULL,
    closed_ns INTEGER NOT NULL CHECK (closed_ns >= 0),
    PRIMARY KEY (user_id)
) STRICT;

CREATE TABLE IF NOT EXISTS stream_states (
    world INTEGER NOT NULL CHECK (world >= 0),
    health TEXT NOT NULL,
    since_ns INTEGER NOT NULL CHECK (since_ns >= 0),
    reported_ns INTEGER NOT NULL CHECK (reported_ns >= 0),
    last_event_ns INTEGER NOT NULL CHECK (last_event_ns >= 0),
    reason TEXT NOT NULL,
    PRIMARY KEY (world)
) STRICT;

CREATE TABLE IF NOT EXISTS stream_gaps (
    world INTEGER NOT NULL CHECK (world >= 0),
    from_ns INTEGER NOT NULL CHECK (from_ns >= 0),
    to_ns INTEGER NOT NULL CHECK (to_ns >= 0),
    cause TEXT NOT NULL,
    PRIMARY KEY (world, from_ns)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS watches (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id INTEGER NOT NULL CHECK (user_id >= 0),
    kind TEXT NOT NULL,
    target INTEGER NOT NULL CHECK (target >= 0),
    created_ns INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS watches_target ON watches (target, kind, user_id);
CREATE INDEX IF NOT EXISTS watches_user_id ON watches (user_id);
