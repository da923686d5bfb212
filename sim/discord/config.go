package discord

import (
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// Config says what the stand-in looks like and how strict it is. Zero values
// mean the value of DefaultConfig, except where a comment says otherwise.
type Config struct {
	// Token is the bot token that is accepted, without the "Bot " prefix.
	// Empty accepts any.
	Token string
	// AppID is the application's snowflake; the bot user has the same one.
	AppID string
	// BotName is the bot's user name.
	BotName string
	// OpenAPIPath names Discord's OpenAPI document. Empty switches that
	// check off; the hand-written checks stay.
	OpenAPIPath string
	// PublicURL is the address that GET /gateway answers with, such as
	// "http://sim:8081". Empty uses the address the request came in on.
	PublicURL string
	// Limits are the rate limits; the zero value is no limit at all.
	Limits Limits
	// Now is the clock of limits, tokens and timestamps.
	Now func() time.Time
	// Log receives what an operator cares about. Nil discards.
	Log *slog.Logger

	// HeartbeatInterval is announced in HELLO. A client that stays silent
	// for twice as long is closed with 4009.
	HeartbeatInterval time.Duration
	// InteractionDeadline is how long the first response may take.
	InteractionDeadline time.Duration
	// TokenLife is how long an interaction's token works.
	TokenLife time.Duration
	// IdentifyEvery is the time between two IDENTIFYs of one concurrency
	// bucket; a quicker one is answered with op 9. Negative is no limit.
	IdentifyEvery time.Duration
	// MaxConcurrency is the number of such buckets.
	MaxConcurrency int
	// IdentifiesADay is the session start limit; one more resets the token,
	// which is to say that it is closed with 4004.
	IdentifiesADay int
	// SendsAMinute is how many gateway messages a client may send before
	// it is closed with 4008.
	SendsAMinute int
	// Shards is what GET /gateway/bot recommends.
	Shards int
	// NonceLife is how long an enforced nonce is remembered.
	NonceLife time.Duration
	// PrivilegedIntents are the privileged intents granted to the app;
	// asking for others closes with 4014. Zero grants none.
	PrivilegedIntents int
	// UserInstall says that the portal allows installing the app to a user;
	// without it, commands with integration type 1 are refused (notes 5).
	UserInstall bool
	// CommandCreatesADay is the limit behind error 30034, per guild.
	CommandCreatesADay int

	// Users and Guilds are the world. Empty means three users and a guild.
	Users  []User
	Guilds []Guild
}

// Limits are rate limits (notes 7).
type Limits struct {
	// Enabled switches all of them on.
	Enabled bool
	// Global is requests per second over all routes but interactions'.
	Global int
	// Routes are limits per route, such as
	// "POST /channels/{channel_id}/messages", each counted per channel,
	// guild or webhook. Default is for all others.
	Routes  map[string]Bucket
	Default Bucket
	// Invalid is how many answers of 401, 403 and 429 in ten minutes lead to
	// a ban of ten minutes. Zero is never.
	Invalid int
	// DMOpens limits opening DM channels; past it comes error 40003. The
	// zero value is no limit.
	DMOpens Bucket
}

// A Bucket allows Limit requests in each Window.
type Bucket struct {
	Limit  int           `json:"limit"`
	Window time.Duration `json:"window"`
}

// DefaultLimits are sizes like Discord's (notes 5 and 7).
func DefaultLimits() Limits {
	return Limits{
		Enabled: true,
		Global:  50,
		Default: Bucket{Limit: 10, Window: time.Second},
		Invalid: 10_000,
		Routes: map[string]Bucket{
			"POST /channels/{channel_id}/messages":                                {5, 5 * time.Second},
			"PATCH /channels/{channel_id}/messages/{message_id}":                  {5, 5 * time.Second},
			"DELETE /channels/{channel_id}/messages/{message_id}":                 {5, time.Second},
			"PATCH /channels/{channel_id}":                                        {2, 10 * time.Minute},
			"POST /users/@me/channels":                                            {10, 10 * time.Second},
			"PUT /applications/{application_id}/commands":                         {5, 20 * time.Second},
			"PUT /applications/{application_id}/guilds/{guild_id}/commands":       {5, 20 * time.Second},
			"POST /webhooks/{webhook_id}/{webhook_token}":                         {5, 2 * time.Second},
			"PATCH /webhooks/{webhook_id}/{webhook_token}/messages/@original":     {5, 2 * time.Second},
			"PATCH /webhooks/{webhook_id}/{webhook_token}/messages/{message_id}":  {5, 2 * time.Second},
			"POST /interactions/{interaction_id}/{interaction_token}/callback":    {5, 2 * time.Second},
			"DELETE /webhooks/{webhook_id}/{webhook_token}/messages/{message_id}": {5, 2 * time.Second},
			"GET /webhooks/{webhook_id}/{webhook_token}/messages/@original":       {5, 2 * time.Second},
			"DELETE /webhooks/{webhook_id}/{webhook_token}/messages/@original":    {5, 2 * time.Second},
		},
	}
}

// DefaultConfig is Discord as it is, with a world of three users and one
// guild.
func DefaultConfig() Config {
	return Config{
		AppID:               "1100000000000000001",
		BotName:             "Muster",
		Limits:              DefaultLimits(),
		Now:                 time.Now,
		Log:                 slog.New(slog.DiscardHandler),
		HeartbeatInterval:   41250 * time.Millisecond,
		InteractionDeadline: 3 * time.Second,
		TokenLife:           15 * time.Minute,
		IdentifyEvery:       5 * time.Second,
		MaxConcurrency:      1,
		IdentifiesADay:      1000,
		SendsAMinute:        120,
		Shards:              1,
		NonceLife:           5 * time.Minute,
		UserInstall:         true,
		CommandCreatesADay:  200,
		Users: []User{
			{ID: "1200000000000000001", Username: "ana", GlobalName: "Ana"},
			{ID: "1200000000000000002", Username: "ben", GlobalName: "Ben"},
			{ID: "1200000000000000003", Username: "chris", GlobalName: "Chris"},
		},
		Guilds: []Guild{{
			ID: "1300000000000000001", Name: "Vanguard Outfit", OwnerID: "1200000000000000001",
			Channels: []Channel{
				{ID: "1300000000000000011", Name: "general"},
				{ID: "1300000000000000012", Name: "operations"},
			},
			Roles: []Role{{ID: "1300000000000000021", Name: "Officers"}, {ID: "1300000000000000022", Name: "Alert squad", Mentionable: true}},
		}},
	}
}

// filled returns c with its zero values replaced by the defaults.
func (c Config) filled() Config {
	d := DefaultConfig()
	c.AppID = orElse(c.AppID, d.AppID)
	c.BotName = orElse(c.BotName, d.BotName)
	c.HeartbeatInterval = orElse(c.HeartbeatInterval, d.HeartbeatInterval)
	c.InteractionDeadline = orElse(c.InteractionDeadline, d.InteractionDeadline)
	c.TokenLife = orElse(c.TokenLife, d.TokenLife)
	c.IdentifyEvery = orElse(c.IdentifyEvery, d.IdentifyEvery)
	c.MaxConcurrency = orElse(c.MaxConcurrency, d.MaxConcurrency)
	c.IdentifiesADay = orElse(c.IdentifiesADay, d.IdentifiesADay)
	c.SendsAMinute = orElse(c.SendsAMinute, d.SendsAMinute)
	c.Shards = orElse(c.Shards, d.Shards)
	c.NonceLife = orElse(c.NonceLife, d.NonceLife)
	c.CommandCreatesADay = orElse(c.CommandCreatesADay, d.CommandCreatesADay)
	if c.Now == nil {
		c.Now = d.Now
	}
	if c.Log == nil {
		c.Log = d.Log
	}
	if len(c.Users) == 0 {
		c.Users = d.Users
	}
	if len(c.Guilds) == 0 {
		c.Guilds = d.Guilds
	}
	return c
}

func orElse[T comparable](v, fallback T) T {
	var zero T
	if v == zero {
		return fallback
	}
	return v
}

// Validate reports the first setting that cannot work.
func (c Config) Validate() error {
	c = c.filled()
	if !isSnowflake(c.AppID) {
		return fmt.Errorf("application id %q is no snowflake", c.AppID)
	}
	seen := map[string]bool{c.AppID: true}
	for _, u := range c.Users {
		if err := claimID(seen, "user", u.ID); err != nil {
			return err
		}
		if !slices.Contains(Locales(), u.locale()) {
			return fmt.Errorf("user %s: discord has no such language: %q", u.ID, u.Locale)
		}
	}
	for _, g := range c.Guilds {
		if err := claimID(seen, "guild", g.ID); err != nil {
			return err
		}
		if !slices.Contains(Locales(), g.locale()) {
			return fmt.Errorf("guild %s: discord has no such language: %q", g.ID, g.Locale)
		}
		for _, ch := range g.Channels {
			if err := claimID(seen, "channel", ch.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

func claimID(seen map[string]bool, what, id string) error {
	if !isSnowflake(id) {
		return fmt.Errorf("%s id %q is no snowflake", what, id)
	}
	if seen[id] {
		return fmt.Errorf("%s id %s is used twice", what, id)
	}
	seen[id] = true
	return nil
}
