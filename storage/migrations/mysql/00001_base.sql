-- +goose NO TRANSACTION
-- +goose Up
-- Columns ending in _at hold a game second (Unix seconds), those ending in _ns a
-- wall clock (Unix nanoseconds); both are UTC, and 0 means "none". "at" is the
-- event's own second, k the first 16 bytes of its key, batch the transaction
-- that stored it. The keys of events, sessions and sums hold the time that a
-- partition by day needs.
-- DDL does not roll back here: each statement stands alone and can run again.

CREATE TABLE IF NOT EXISTS event_login (
    at BIGINT NOT NULL CHECK (at >= 0),
    k BINARY(16) NOT NULL,
    batch BIGINT NOT NULL,
    received_ns BIGINT NOT NULL,
    world INT NOT NULL,
    zone BIGINT NOT NULL,
    character_id BIGINT NOT NULL CHECK (character_id >= 0),
    PRIMARY KEY (at, k)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS event_logout (
    at BIGINT NOT NULL CHECK (at >= 0),
    k BINARY(16) NOT NULL,
    batch BIGINT NOT NULL,
    received_ns BIGINT NOT NULL,
    world INT NOT NULL,
    zone BIGINT NOT NULL,
    character_id BIGINT NOT NULL CHECK (character_id >= 0),
    PRIMARY KEY (at, k)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS event_kill (
    at BIGINT NOT NULL CHECK (at >= 0),
    k BINARY(16) NOT NULL,
    batch BIGINT NOT NULL,
    received_ns BIGINT NOT NULL,
    world INT NOT NULL,
    zone BIGINT NOT NULL,
    attacker_id BIGINT NOT NULL CHECK (attacker_id >= 0),
    victim_id BIGINT NOT NULL CHECK (victim_id >= 0),
    attacker_loadout INT NOT NULL,
    victim_loadout INT NOT NULL,
    attacker_team TINYINT UNSIGNED NOT NULL,
    victim_team TINYINT UNSIGNED NOT NULL,
    weapon_id BIGINT NOT NULL,
    fire_mode BIGINT NOT NULL,
    attacker_vehicle INT NOT NULL,
    headshot TINYINT UNSIGNED NOT NULL,
    critical TINYINT UNSIGNED NOT NULL,
    PRIMARY KEY (at, k)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS event_vehicle_kill (
    at BIGINT NOT NULL CHECK (at >= 0),
    k BINARY(16) NOT NULL,
    batch BIGINT NOT NULL,
    received_ns BIGINT NOT NULL,
    world INT NOT NULL,
    zone BIGINT NOT NULL,
    attacker_id BIGINT NOT NULL CHECK (attacker_id >= 0),
    owner_id BIGINT NOT NULL CHECK (owner_id >= 0),
    attacker_loadout INT NOT NULL,
    attacker_team TINYINT UNSIGNED NOT NULL,
    owner_team TINYINT UNSIGNED NOT NULL,
    vehicle_faction TINYINT UNSIGNED NOT NULL,
    vehicle_id INT NOT NULL,
    attacker_vehicle INT NOT NULL,
    weapon_id BIGINT NOT NULL,
    facility_id BIGINT NOT NULL,
    copy_no TINYINT UNSIGNED NOT NULL,
    PRIMARY KEY (at, k)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS event_experience (
    at BIGINT NOT NULL CHECK (at >= 0),
    k BINARY(16) NOT NULL,
    batch BIGINT NOT NULL,
    received_ns BIGINT NOT NULL,
    world INT NOT NULL,
    zone BIGINT NOT NULL,
    character_id BIGINT NOT NULL CHECK (character_id >= 0),
    other_id BIGINT NOT NULL,
    experience_id INT NOT NULL,
    amount BIGINT NOT NULL,
    loadout INT NOT NULL,
    team TINYINT UNSIGNED NOT NULL,
    PRIMARY KEY (at, k)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS event_facility_control (
    at BIGINT NOT NULL CHECK (at >= 0),
    k BINARY(16) NOT NULL,
    batch BIGINT NOT NULL,
    received_ns BIGINT NOT NULL,
    world INT NOT NULL,
    zone BIGINT NOT NULL,
    facility_id BIGINT NOT NULL,
    old_faction TINYINT UNSIGNED NOT NULL,
    new_faction TINYINT UNSIGNED NOT NULL,
    held_seconds BIGINT NOT NULL,
    outfit_id BIGINT NOT NULL,
    PRIMARY KEY (at, k)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS event_facility_capture (
    at BIGINT NOT NULL CHECK (at >= 0),
    k BINARY(16) NOT NULL,
    batch BIGINT NOT NULL,
    received_ns BIGINT NOT NULL,
    world INT NOT NULL,
    zone BIGINT NOT NULL,
    character_id BIGINT NOT NULL CHECK (character_id >= 0),
    facility_id BIGINT NOT NULL,
    outfit_id BIGINT NOT NULL,
    PRIMARY KEY (at, k)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS event_facility_defend (
    at BIGINT NOT NULL CHECK (at >= 0),
    k BINARY(16) NOT NULL,
    batch BIGINT NOT NULL,
    received_ns BIGINT NOT NULL,
    world INT NOT NULL,
    zone BIGINT NOT NULL,
    character_id BIGINT NOT NULL CHECK (character_id >= 0),
    facility_id BIGINT NOT NULL,
    outfit_id BIGINT NOT NULL,
    PRIMARY KEY (at, k)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS event_metagame (
    at BIGINT NOT NULL CHECK (at >= 0),
    k BINARY(16) NOT NULL,
    batch BIGINT NOT NULL,
    received_ns BIGINT NOT NULL,
    world INT NOT NULL,
    zone BIGINT NOT NULL,
    metagame_id BIGINT NOT NULL,
    instance BIGINT NOT NULL,
    state INT NOT NULL,
    vs DOUBLE NOT NULL,
    nc DOUBLE NOT NULL,
    tr DOUBLE NOT NULL,
    bonus DOUBLE NOT NULL,
    PRIMARY KEY (at, k)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS event_continent_lock (
    at BIGINT NOT NULL CHECK (at >= 0),
    k BINARY(16) NOT NULL,
    batch BIGINT NOT NULL,
    received_ns BIGINT NOT NULL,
    world INT NOT NULL,
    zone BIGINT NOT NULL,
    by_faction TINYINT UNSIGNED NOT NULL,
    previous_faction TINYINT UNSIGNED NOT NULL,
    vs INT NOT NULL,
    nc INT NOT NULL,
    tr INT NOT NULL,
    metagame_id BIGINT NOT NULL,
    PRIMARY KEY (at, k)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS event_continent_unlock (
    at BIGINT NOT NULL CHECK (at >= 0),
    k BINARY(16) NOT NULL,
    batch BIGINT NOT NULL,
    received_ns BIGINT NOT NULL,
    world INT NOT NULL,
    zone BIGINT NOT NULL,
    by_faction TINYINT UNSIGNED NOT NULL,
    previous_faction TINYINT UNSIGNED NOT NULL,
    vs INT NOT NULL,
    nc INT NOT NULL,
    tr INT NOT NULL,
    metagame_id BIGINT NOT NULL,
    PRIMARY KEY (at, k)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS event_achievement (
    at BIGINT NOT NULL CHECK (at >= 0),
    k BINARY(16) NOT NULL,
    batch BIGINT NOT NULL,
    received_ns BIGINT NOT NULL,
    world INT NOT NULL,
    zone BIGINT NOT NULL,
    character_id BIGINT NOT NULL CHECK (character_id >= 0),
    achievement_id BIGINT NOT NULL,
    PRIMARY KEY (at, k)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS event_battle_rank (
    at BIGINT NOT NULL CHECK (at >= 0),
    k BINARY(16) NOT NULL,
    batch BIGINT NOT NULL,
    received_ns BIGINT NOT NULL,
    world INT NOT NULL,
    zone BIGINT NOT NULL,
    character_id BIGINT NOT NULL CHECK (character_id >= 0),
    battle_rank INT NOT NULL,
    PRIMARY KEY (at, k)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS event_item_added (
    at BIGINT NOT NULL CHECK (at >= 0),
    k BINARY(16) NOT NULL,
    batch BIGINT NOT NULL,
    received_ns BIGINT NOT NULL,
    world INT NOT NULL,
    zone BIGINT NOT NULL,
    character_id BIGINT NOT NULL CHECK (character_id >= 0),
    item_id BIGINT NOT NULL,
    count BIGINT NOT NULL,
    context VARCHAR(100) NOT NULL,
    PRIMARY KEY (at, k)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS event_skill_added (
    at BIGINT NOT NULL CHECK (at >= 0),
    k BINARY(16) NOT NULL,
    batch BIGINT NOT NULL,
    received_ns BIGINT NOT NULL,
    world INT NOT NULL,
    zone BIGINT NOT NULL,
    character_id BIGINT NOT NULL CHECK (character_id >= 0),
    skill_id BIGINT NOT NULL,
    PRIMARY KEY (at, k)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS event_fish_scan (
    at BIGINT NOT NULL CHECK (at >= 0),
    k BINARY(16) NOT NULL,
    batch BIGINT NOT NULL,
    received_ns BIGINT NOT NULL,
    world INT NOT NULL,
    zone BIGINT NOT NULL,
    character_id BIGINT NOT NULL CHECK (character_id >= 0),
    fish_id BIGINT NOT NULL,
    loadout INT NOT NULL,
    team TINYINT UNSIGNED NOT NULL,
    PRIMARY KEY (at, k)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS event_unknown (
    at BIGINT NOT NULL CHECK (at >= 0),
    k BINARY(16) NOT NULL,
    batch BIGINT NOT NULL,
    received_ns BIGINT NOT NULL,
    world INT NOT NULL,
    zone BIGINT NOT NULL,
    name VARCHAR(64) NOT NULL,
    reason VARCHAR(255) NOT NULL,
    payload MEDIUMBLOB NOT NULL,
    PRIMARY KEY (at, k)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS characters (
    id BIGINT NOT NULL CHECK (id >= 0),
    name VARCHAR(64) NOT NULL,
    name_lower VARCHAR(64) NOT NULL,
    faction BIGINT NOT NULL CHECK (faction >= 0),
    world INT NOT NULL,
    battle_rank INT NOT NULL,
    resolved_ns BIGINT NOT NULL CHECK (resolved_ns >= 0),
    missing BIGINT NOT NULL CHECK (missing >= 0),
    tries BIGINT NOT NULL CHECK (tries >= 0),
    retry_ns BIGINT NULL CHECK (retry_ns >= 0),
    PRIMARY KEY (id),
    INDEX characters_name_lower (name_lower),
    INDEX characters_retry_ns (retry_ns)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS outfits (
    id BIGINT NOT NULL CHECK (id >= 0),
    tag VARCHAR(16) NOT NULL,
    tag_lower VARCHAR(16) NOT NULL,
    name VARCHAR(64) NOT NULL,
    name_lower VARCHAR(64) NOT NULL,
    faction BIGINT NOT NULL CHECK (faction >= 0),
    leader BIGINT NOT NULL CHECK (leader >= 0),
    members BIGINT NOT NULL CHECK (members >= 0),
    PRIMARY KEY (id),
    INDEX outfits_tag_lower (tag_lower),
    INDEX outfits_name_lower (name_lower)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS memberships (
    character_id BIGINT NOT NULL CHECK (character_id >= 0),
    outfit_id BIGINT NOT NULL CHECK (outfit_id >= 0),
    member_rank VARCHAR(64) NOT NULL,
    ordinal BIGINT NOT NULL CHECK (ordinal >= 0),
    since_at BIGINT NOT NULL CHECK (since_at >= 0),
    PRIMARY KEY (character_id),
    INDEX memberships_outfit_id (outfit_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS links (
    user_id BIGINT NOT NULL CHECK (user_id >= 0),
    character_id BIGINT NOT NULL CHECK (character_id >= 0),
    linked_ns BIGINT NOT NULL CHECK (linked_ns >= 0),
    PRIMARY KEY (user_id, character_id),
    INDEX links_character_id (character_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS friends (
    owner_id BIGINT NOT NULL CHECK (owner_id >= 0),
    friend_id BIGINT NOT NULL CHECK (friend_id >= 0),
    last_login_at BIGINT NOT NULL CHECK (last_login_at >= 0),
    online_world BIGINT NOT NULL CHECK (online_world >= 0),
    PRIMARY KEY (owner_id, friend_id),
    INDEX friends_friend_id (friend_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS friend_lists (
    owner_id BIGINT NOT NULL CHECK (owner_id >= 0),
    read_ns BIGINT NOT NULL CHECK (read_ns >= 0),
    PRIMARY KEY (owner_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS presence (
    character_id BIGINT NOT NULL CHECK (character_id >= 0),
    online BIGINT NOT NULL CHECK (online >= 0),
    world INT NOT NULL,
    zone BIGINT NOT NULL CHECK (zone >= 0),
    last_seen_at BIGINT NOT NULL CHECK (last_seen_at >= 0),
    logged_out_at BIGINT NOT NULL CHECK (logged_out_at >= 0),
    session_at BIGINT NOT NULL CHECK (session_at >= 0),
    inferred BIGINT NOT NULL CHECK (inferred >= 0),
    end_reason VARCHAR(16) NOT NULL,
    PRIMARY KEY (character_id),
    INDEX presence_online_world (online, world)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS sessions (
    character_id BIGINT NOT NULL CHECK (character_id >= 0),
    started_at BIGINT NOT NULL CHECK (started_at >= 0),
    world INT NOT NULL,
    inferred BIGINT NOT NULL CHECK (inferred >= 0),
    ended_at BIGINT NOT NULL CHECK (ended_at >= 0),
    end_reason VARCHAR(16) NOT NULL,
    PRIMARY KEY (character_id, started_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS experience_hourly (
    character_id BIGINT NOT NULL CHECK (character_id >= 0),
    hour_at BIGINT NOT NULL CHECK (hour_at >= 0),
    experience_id INT NOT NULL,
    n BIGINT NOT NULL CHECK (n >= 0),
    amount BIGINT NOT NULL CHECK (amount >= 0),
    PRIMARY KEY (character_id, hour_at, experience_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS dirty_hours (
    hour_at BIGINT NOT NULL CHECK (hour_at >= 0),
    writer BIGINT NOT NULL CHECK (writer >= 0),
    PRIMARY KEY (hour_at, writer)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS lookups (
    category VARCHAR(64) NOT NULL,
    id BIGINT NOT NULL CHECK (id >= 0),
    name VARCHAR(255) NOT NULL,
    extra VARCHAR(255) NOT NULL,
    PRIMARY KEY (category, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS alerts (
    k BINARY(15) NOT NULL,
    user_id BIGINT NOT NULL CHECK (user_id >= 0),
    character_id BIGINT NOT NULL CHECK (character_id >= 0),
    world INT NOT NULL,
    cause VARCHAR(16) NOT NULL,
    login_at BIGINT NOT NULL CHECK (login_at >= 0),
    created_ns BIGINT NOT NULL CHECK (created_ns >= 0),
    expires_ns BIGINT NOT NULL CHECK (expires_ns >= 0),
    due_ns BIGINT NOT NULL CHECK (due_ns >= 0),
    attempts BIGINT NOT NULL CHECK (attempts >= 0),
    state BIGINT NOT NULL CHECK (state >= 0),
    message VARCHAR(32) NOT NULL,
    reason VARCHAR(255) NOT NULL,
    settled_ns BIGINT NOT NULL CHECK (settled_ns >= 0),
    PRIMARY KEY (k),
    INDEX alerts_state_created_ns (state, created_ns)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS recipients (
    user_id BIGINT NOT NULL CHECK (user_id >= 0),
    dm_channel VARCHAR(32) NOT NULL,
    closed VARCHAR(255) NOT NULL,
    closed_ns BIGINT NOT NULL CHECK (closed_ns >= 0),
    PRIMARY KEY (user_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS stream_states (
    world INT NOT NULL,
    health VARCHAR(16) NOT NULL,
    since_ns BIGINT NOT NULL CHECK (since_ns >= 0),
    reported_ns BIGINT NOT NULL CHECK (reported_ns >= 0),
    last_event_ns BIGINT NOT NULL CHECK (last_event_ns >= 0),
    reason VARCHAR(255) NOT NULL,
    PRIMARY KEY (world)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS stream_gaps (
    world INT NOT NULL,
    from_ns BIGINT NOT NULL CHECK (from_ns >= 0),
    to_ns BIGINT NOT NULL CHECK (to_ns >= 0),
    cause VARCHAR(255) NOT NULL,
    PRIMARY KEY (world, from_ns)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS watches (
    id BIGINT NOT NULL AUTO_INCREMENT,
    user_id BIGINT NOT NULL CHECK (user_id >= 0),
    kind VARCHAR(16) NOT NULL,
    target BIGINT NOT NULL CHECK (target >= 0),
    created_ns BIGINT NOT NULL,
    PRIMARY KEY (id),
    UNIQUE INDEX watches_target (target, kind, user_id),
    INDEX watches_user_id (user_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
