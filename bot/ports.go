package bot

import (
	"context"
	"time"

	"muster/alert"
	"muster/bus"
	"muster/event"
)

// A Store is what the bot needs from storage. Its methods are safe for
// concurrent use.
type Store interface {
	AlertStore
	SubscriptionStore
	PreferenceStore
	PrivacyStore
	GameStore
	ChannelStore
	ShardStore
}

// A ChannelStore holds what channels of guilds want to be told, and what is due.
type ChannelStore interface {
	// Subscribe stores a wish; the same one again takes over its filter.
	Subscribe(ctx context.Context, s alert.Subscription) (saved alert.Subscription, added bool, err error)
	// Unsubscribe also returns the message of a board, which is to be deleted.
	Unsubscribe(ctx context.Context, guild alert.Snowflake, id int64) (removed bool, shown alert.Snowflake, err error)
	Subscriptions(ctx context.Context, guild alert.Snowflake) ([]alert.Subscription, error)
	// ResumeChannel lets paused subscriptions of a channel go on and says how many.
	ResumeChannel(ctx context.Context, guild, channel alert.Snowflake) (int, error)
	LinkGuild(ctx context.Context, guild alert.Snowflake, outfit event.OutfitID, by alert.UserID, now time.Time) error
	GuildOutfit(ctx context.Context, guild alert.Snowflake) (event.Outfit, bool, error)

	// ClaimChannels returns subscriptions for which something is due; nobody else gets
	// them until now+hold.
	ClaimChannels(ctx context.Context, now time.Time, limit int, hold time.Duration) ([]alert.ChannelTurn, error)
	// SettlePost records what came of a post; paused: this call has paused the channel.
	SettlePost(ctx context.Context, t alert.ChannelTurn, r alert.PostResult, now time.Time) (paused bool, err error)
	ReleaseChannel(ctx context.Context, t alert.ChannelTurn) error

	// Contributors returns who took part in a capture: those of the outfit, and how many
	// others.
	Contributors(ctx context.Context, n alert.News) (own []event.Character, others int, err error)
	AlertSummary(ctx context.Context, r event.AlertRun) (byFaction map[event.Faction]int, outfits []event.OutfitCount, err error)
	Lookup(ctx context.Context, category string, id int64) (event.Lookup, bool, error)
}

// An AlertStore holds the outbox and how to reach people.
type AlertStore interface {
	// ClaimUsers returns people whose turn it is, with what is planned for them;
	// nobody else gets them until now+hold.
	ClaimUsers(ctx context.Context, now time.Time, limit int, hold time.Duration) ([]alert.Turn, error)
	// SettleTurn records what came of a turn.
	SettleTurn(ctx context.Context, s alert.Settlement, now time.Time) error
	// Recipient returns what is known of user; one never seen has only User set.
	Recipient(ctx context.Context, user alert.UserID) (alert.Recipient, error)
	// SaveRecipient leaves the language of somebody who is known as it is.
	SaveRecipient(ctx context.Context, r alert.Recipient) error
	// SaveLocale sets that, for somebody who is known.
	SaveLocale(ctx context.Context, user alert.UserID, locale string) error
}

// A SubscriptionStore holds who wants to be told of whom.
type SubscriptionStore interface {
	// Link also adds the watch on friends, if it is the user's first link.
	Link(ctx context.Context, l alert.Link) (added bool, err error)
	// Unlink also removes that watch with the last link.
	Unlink(ctx context.Context, user alert.UserID, character event.CharacterID) (bool, error)
	Links(ctx context.Context, user alert.UserID) ([]event.Character, error)
	AddWatch(ctx context.Context, w alert.Watch) (saved alert.Watch, added bool, err error)
	RemoveWatch(ctx context.Context, user alert.UserID, id int64) (bool, error)
	Watches(ctx context.Context, user alert.UserID) ([]alert.Watch, error)
	// AwaitWatched returns once everybody who records logins knows of what was
	// followed before.
	AwaitWatched(ctx context.Context) error
	// UpdateWatch writes what can be changed of a watch; false: there is none.
	UpdateWatch(ctx context.Context, w alert.Watch) (bool, error)
	Groups(ctx context.Context, user alert.UserID) ([]alert.Group, error)
	SaveGroup(ctx context.Context, g alert.Group) (alert.Group, error)
	// RemoveGroup also removes the watch on it.
	RemoveGroup(ctx context.Context, user alert.UserID, id int64) (bool, error)
}

// A PreferenceStore holds when a person wants to hear of what they watch.
type PreferenceStore interface {
	// Settings returns the defaults for a person who never chose any.
	Settings(ctx context.Context, user alert.UserID) (alert.Settings, error)
	SaveSettings(ctx context.Context, s alert.Settings) error
	// Mutes returns those that last still.
	Mutes(ctx context.Context, user alert.UserID) ([]alert.Mute, error)
	SaveMute(ctx context.Context, m alert.Mute, now time.Time) error
	RemoveMute(ctx context.Context, user alert.UserID, c event.CharacterID) (bool, error)
	RecentAlerts(ctx context.Context, user alert.UserID, limit int) ([]alert.Recent, error)
}

// A PrivacyStore gives people their data, deletes it, and hides characters.
type PrivacyStore interface {
	Export(ctx context.Context, user alert.UserID, now time.Time) (alert.PrivacyExport, error)
	Forget(ctx context.Context, user alert.UserID) (alert.Forgotten, error)
	Hide(ctx context.Context, c event.CharacterID, by alert.UserID, now time.Time) error
	Unhide(ctx context.Context, c event.CharacterID, by alert.UserID) (bool, error)
	HiddenBy(ctx context.Context, by alert.UserID) ([]event.Character, error)
	// OwnDeaths returns when a character killed itself, from from to to.
	OwnDeaths(ctx context.Context, c event.CharacterID, from, to time.Time) ([]time.Time, error)
}

// A GameStore knows the game: names, who is on, and how the streams are.
type GameStore interface {
	FindCharacters(ctx context.Context, prefix string, limit int) ([]event.Character, error)
	FindOutfits(ctx context.Context, prefix string, limit int) ([]event.Outfit, error)
	Friends(ctx context.Context, owner event.CharacterID) (friends []event.Player, readAt time.Time, err error)
	OnlineInOutfit(ctx context.Context, outfit event.OutfitID) ([]event.Player, error)
	OnlineCount(ctx context.Context) (map[event.World]int, error)
	// Population is OnlineCount by faction; NoFaction are those not known yet.
	Population(ctx context.Context) (map[event.World]map[event.Faction]int, error)
	// AlertRuns returns the in-game alerts that run at now, and those over lately.
	AlertRuns(ctx context.Context, now time.Time) ([]event.AlertRun, error)
	// RecentSessions returns at most limit sittings, newest first.
	RecentSessions(ctx context.Context, id event.CharacterID, limit int) ([]event.Session, error)
	Player(ctx context.Context, id event.CharacterID) (event.Player, bool, error)
	Outfit(ctx context.Context, id event.OutfitID) (event.Outfit, bool, error)
	StreamStates(ctx context.Context) ([]event.StreamState, error)
	Gaps(ctx context.Context, from, to time.Time) ([]event.Gap, error)
}

// A Directory finds what the store may not know yet: the store first, then the
// game's query service. Its errors wrap census.ErrNotFound when the game knows
// no such thing, and any other error means that it could not be asked.
type Directory interface {
	FindCharacter(ctx context.Context, name string) (event.Character, error)
	FindOutfits(ctx context.Context, tag string) ([]event.Outfit, error)
	// ReadFriends reads and saves the friends list, and says how long it is.
	ReadFriends(ctx context.Context, owner event.CharacterID) (int, error)
	// Territory returns who holds the continents of a world, and as of when.
	Territory(ctx context.Context, world event.World) ([]event.Territory, time.Time, error)
}

// A Listener is the part of the bus that wakes the bot when an alert was
// written.
type Listener interface {
	Listen(ctx context.Context, topic string, ready func(), h func(m bus.Message, lost int)) error
}
