-- +goose Up
-- What channels of guilds are told. channel_subs are the wishes: paused is Discord's
-- code while messages cannot be sent there, held_ns until when a bot has its turn,
-- user_id who made it, 0 once they had their data deleted.
-- channel_posts are the news, of state 0 waiting, 1 put into a message that is not
-- known to be shown, 2 shown and going on, 3 as it is to stay. post_k is the message it
-- is told in. due_ns is when to look at it again, NULL: never. ends_ns is when the message is to be deleted.

CREATE TABLE channel_subs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    guild_id INTEGER NOT NULL CHECK (guild_id > 0),
    channel_id INTEGER NOT NULL CHECK (channel_id > 0),
    topic TEXT NOT NULL,
    outfit_id INTEGER NOT NULL CHECK (outfit_id >= 0),
    world INTEGER NOT NULL CHECK (world >= 0),
    zone INTEGER NOT NULL CHECK (zone >= 0),
    at_least INTEGER NOT NULL CHECK (at_least >= 0),
    mention INTEGER NOT NULL CHECK (mention >= 0),
    delete_after_ns INTEGER NOT NULL CHECK (delete_after_ns >= 0),
    user_id INTEGER NOT NULL CHECK (user_id >= 0),
    created_ns INTEGER NOT NULL CHECK (created_ns >= 0),
    locale TEXT NOT NULL,
    paused TEXT NOT NULL,
    paused_ns INTEGER NOT NULL CHECK (paused_ns >= 0),
    held_ns INTEGER NOT NULL CHECK (held_ns >= 0),
    claim INTEGER NOT NULL,
    UNIQUE (guild_id, channel_id, topic, outfit_id, world, zone)
) STRICT;
CREATE INDEX channel_subs_outfit_id ON channel_subs (outfit_id);

CREATE TABLE channel_posts (
    k BLOB NOT NULL,
    post_k BLOB NOT NULL,
    sub_id INTEGER NOT NULL CHECK (sub_id > 0),
    topic TEXT NOT NULL,
    what TEXT NOT NULL,
    world INTEGER NOT NULL CHECK (world >= 0),
    zone INTEGER NOT NULL CHECK (zone >= 0),
    outfit_id INTEGER NOT NULL CHECK (outfit_id >= 0),
    subject_id INTEGER NOT NULL,
    faction INTEGER NOT NULL,
    at INTEGER NOT NULL CHECK (at >= 0),
    since_at INTEGER NOT NULL CHECK (since_at >= 0),
    state INTEGER NOT NULL CHECK (state >= 0),
    message INTEGER NOT NULL CHECK (message >= 0),
    again INTEGER NOT NULL CHECK (again >= 0),
    attempts INTEGER NOT NULL CHECK (attempts >= 0),
    opened_ns INTEGER NOT NULL CHECK (opened_ns >= 0),
    due_ns INTEGER CHECK (due_ns >= 0),
    ends_ns INTEGER NOT NULL CHECK (ends_ns >= 0),
    PRIMARY KEY (k)
) STRICT, WITHOUT ROWID;
CREATE INDEX channel_posts_due_ns ON channel_posts (due_ns);
CREATE INDEX channel_posts_sub_id ON channel_posts (sub_id, due_ns);
CREATE INDEX channel_posts_post_k ON channel_posts (post_k);
CREATE INDEX channel_posts_subject_id ON channel_posts (topic, world, subject_id);
CREATE INDEX channel_posts_opened_ns ON channel_posts (opened_ns);

-- Which outfit a guild is of.
CREATE TABLE guild_outfits (
    guild_id INTEGER NOT NULL CHECK (guild_id > 0),
    outfit_id INTEGER NOT NULL CHECK (outfit_id > 0),
    user_id INTEGER NOT NULL CHECK (user_id >= 0),
    linked_ns INTEGER NOT NULL CHECK (linked_ns >= 0),
    PRIMARY KEY (guild_id)
) STRICT;
