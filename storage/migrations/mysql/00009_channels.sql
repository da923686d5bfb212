-- +goose NO TRANSACTION
-- +goose Up
-- What channels of guilds are told. channel_subs are the wishes: paused is Discord's
-- code while messages cannot be sent there, held_ns until when a bot has its turn,
-- user_id who made it, 0 once they had their data deleted.
-- channel_posts are the news, of state 0 waiting, 1 put into a message that is not
-- known to be shown, 2 shown and going on, 3 as it is to stay. post_k is the message it
-- is told in. due_ns is when to look at it again, NULL: never. ends_ns is when the message is to be deleted.

CREATE TABLE IF NOT EXISTS channel_subs (
    id BIGINT NOT NULL AUTO_INCREMENT,
    guild_id BIGINT NOT NULL CHECK (guild_id > 0),
    channel_id BIGINT NOT NULL CHECK (channel_id > 0),
    topic VARCHAR(16) NOT NULL,
    outfit_id BIGINT NOT NULL CHECK (outfit_id >= 0),
    world INT NOT NULL CHECK (world >= 0),
    zone BIGINT NOT NULL CHECK (zone >= 0),
    at_least INT NOT NULL CHECK (at_least >= 0),
    mention BIGINT NOT NULL CHECK (mention >= 0),
    delete_after_ns BIGINT NOT NULL CHECK (delete_after_ns >= 0),
    user_id BIGINT NOT NULL CHECK (user_id >= 0),
    created_ns BIGINT NOT NULL CHECK (created_ns >= 0),
    locale VARCHAR(16) NOT NULL,
    paused VARCHAR(16) NOT NULL,
    paused_ns BIGINT NOT NULL CHECK (paused_ns >= 0),
    held_ns BIGINT NOT NULL CHECK (held_ns >= 0),
    claim BIGINT NOT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY channel_subs_place (guild_id, channel_id, topic, outfit_id, world, zone),
    INDEX channel_subs_outfit_id (outfit_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS channel_posts (
    k VARBINARY(15) NOT NULL,
    post_k VARBINARY(15) NOT NULL,
    sub_id BIGINT NOT NULL CHECK (sub_id > 0),
    topic VARCHAR(16) NOT NULL,
    what VARCHAR(16) NOT NULL,
    world INT NOT NULL CHECK (world >= 0),
    zone BIGINT NOT NULL CHECK (zone >= 0),
    outfit_id BIGINT NOT NULL CHECK (outfit_id >= 0),
    subject_id BIGINT NOT NULL,
    faction INT NOT NULL,
    at BIGINT NOT NULL CHECK (at >= 0),
    since_at BIGINT NOT NULL CHECK (since_at >= 0),
    state INT NOT NULL CHECK (state >= 0),
    message BIGINT NOT NULL CHECK (message >= 0),
    again INT NOT NULL CHECK (again >= 0),
    attempts INT NOT NULL CHECK (attempts >= 0),
    opened_ns BIGINT NOT NULL CHECK (opened_ns >= 0),
    due_ns BIGINT NULL CHECK (due_ns >= 0),
    ends_ns BIGINT NOT NULL CHECK (ends_ns >= 0),
    PRIMARY KEY (k),
    INDEX channel_posts_due_ns (due_ns),
    INDEX channel_posts_sub_id (sub_id, due_ns),
    INDEX channel_posts_post_k (post_k),
    INDEX channel_posts_subject_id (topic, world, subject_id),
    INDEX channel_posts_opened_ns (opened_ns)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Which outfit a guild is of.
CREATE TABLE IF NOT EXISTS guild_outfits (
    guild_id BIGINT NOT NULL CHECK (guild_id > 0),
    outfit_id BIGINT NOT NULL CHECK (outfit_id > 0),
    user_id BIGINT NOT NULL CHECK (user_id >= 0),
    linked_ns BIGINT NOT NULL CHECK (linked_ns >= 0),
    PRIMARY KEY (guild_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
