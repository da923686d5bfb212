package alert

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"muster/event"
)

// Snowflake is the Discord id of a guild, a channel, a role or a message. Text in
// JSON; 0 is none.
type Snowflake int64

// ParseSnowflake reads decimal text; the error wraps ErrUserID.
func ParseSnowflake(s string) (Snowflake, error) {
	n, err := ParseUserID(s)
	return Snowflake(n), err
}

// String returns the id in decimal, "" for none.
func (s Snowflake) String() string {
	if s == 0 {
		return ""
	}
	return strconv.FormatInt(int64(s), 10)
}

// A Topic is what a channel of a guild is told of.
type Topic string

// Topics. The first three are of one outfit, the others of a world or of all.
const (
	TopicMembers  Topic = "members"  // members who come on and go off
	TopicJoins    Topic = "joins"    // who joined the outfit, and who left it
	TopicCaptures Topic = "captures" // bases that the outfit took or held, with who took part
	TopicAlerts   Topic = "alerts"   // in-game alerts, edited until they are over
	TopicLocks    Topic = "locks"    // continents that lock and open
	TopicStream   Topic = "stream"   // the game's own feed being ill
)

// Boards are topics of one message that is edited in place for ever, trackers of a
// channel's name. Of each, the first is of one outfit.
const (
	BoardOnline     Topic = "board.online" // who of an outfit is on
	BoardPopulation Topic = "board.worlds" // how many are on
	BoardAlerts     Topic = "board.alerts" // the in-game alerts
	BoardStreams    Topic = "board.stream" // whether the game's events come
	TrackOnline     Topic = "track.online" // how many of an outfit are on
	TrackPopulation Topic = "track.worlds" // how many are on
)

// Boards lists the topics of boards.
func Boards() []Topic { return []Topic{BoardOnline, BoardPopulation, BoardAlerts, BoardStreams} }

// Trackers lists the topics of trackers.
func Trackers() []Topic { return []Topic{TrackOnline, TrackPopulation} }

// Tracks reports whether the topic is a tracker.
func (t Topic) Tracks() bool { return slices.Contains(Trackers(), t) }

// Stands reports whether what the topic shows stands for ever: a board or a tracker.
func (t Topic) Stands() bool { return t.Tracks() || slices.Contains(Boards(), t) }

// Topics lists those of news.
func Topics() []Topic {
	return []Topic{TopicMembers, TopicJoins, TopicCaptures, TopicAlerts, TopicLocks, TopicStream}
}

// OfOutfit reports whether the topic is of one outfit.
func (t Topic) OfOutfit() bool {
	return t == TopicMembers || t == TopicJoins || t == TopicCaptures || t == BoardOnline || t == TrackOnline
}

// Lifetime is how old news of the topic may be and still be told.
func (t Topic) Lifetime() time.Duration {
	switch t {
	case TopicMembers:
		return 10 * time.Minute
	case TopicJoins:
		return 24 * time.Hour
	case TopicStream:
		return time.Hour
	}
	return 30 * time.Minute
}

// Rules of what channels are told.
const (
	MaxSubscriptions = 50 // of one guild
	MaxTookPart      = 100
	MaxDeleteAfter   = 7 * 24 * time.Hour
	// GatherMembers is how long members who come and go are collected for one message.
	GatherMembers = 10 * time.Second
	// GatherCapture is how long a capture waits for the news of who took part, which the
	// game sends one by one.
	GatherCapture = 15 * time.Second
	// IllFor is how long a world's stream is ill before a channel hears of it.
	IllFor = 90 * time.Second
	// RefreshPost is the time between two edits of a message that is still going on.
	RefreshPost = time.Minute
	// RefreshBoard is the time between two edits of a board that has not changed.
	RefreshBoard = 5 * time.Minute
	// RefreshName is the time between two looks at a channel's name, of which Discord
	// takes two changes in ten minutes (discord notes 7).
	RefreshName = 6 * time.Minute
)

// ErrSubscription says that a Subscription is not one that can be.
var ErrSubscription = errors.New("not a subscription")

// A Subscription is a channel's wish to be told, made by somebody who manages it.
type Subscription struct {
	ID      int64
	Guild   Snowflake
	Channel Snowflake
	Topic   Topic
	// Outfit is needed where the topic is of one; World and Zone then filter too. 0 is any.
	Outfit event.OutfitID
	World  event.World
	Zone   event.Zone
	// AtLeast is how many members must have taken part in a capture.
	AtLeast int
	// Mention is a role to be pinged; 0: nobody is.
	Mention Snowflake
	// DeleteAfter is how long a message stays; 0: for ever.
	DeleteAfter time.Duration
	By          UserID // who made it
	CreatedAt   time.Time
	Locale      string // Discord's, of the guild
	// Paused is Discord's code of why messages cannot be sent there; "": they can. Nothing
	// is sent until somebody resumes it, and nothing is forgotten.
	Paused   string
	PausedAt time.Time

	Of event.Outfit // Outfit as far as it is known, for showing
}

// Check returns an error that wraps ErrSubscription and says what is wrong.
func (s Subscription) Check() error {
	bad := func(what string) error { return fmt.Errorf("%w: %s", ErrSubscription, what) }
	switch {
	case !slices.Contains(Topics(), s.Topic) && !s.Topic.Stands():
		return bad(fmt.Sprintf("topic %.40q", s.Topic))
	case s.Guild <= 0 || s.Channel <= 0 || s.By <= 0 || s.Mention < 0:
		return bad("ids")
	case s.Topic.OfOutfit() != (s.Outfit > 0) || s.Outfit < 0:
		return bad("outfit")
	case s.World < 0 || s.AtLeast < 0 || s.AtLeast > MaxTookPart:
		return bad("filter")
	case s.DeleteAfter < 0 || s.DeleteAfter > MaxDeleteAfter:
		return bad("time to delete")
	case len(s.Locale) > 16 || len(s.Paused) > 16:
		return bad("text")
	}
	return nil
}

// Wants reports whether n is for the channel.
func (s Subscription) Wants(n News) bool {
	return s.Topic == n.Topic && s.Paused == "" &&
		(s.Outfit == 0 || s.Outfit == n.Outfit) &&
		(s.World == 0 || s.World == n.World) &&
		(s.Zone == 0 || s.Zone.Definition() == n.Zone.Definition())
}

// What happened, of a News.
const (
	CameOn   = "on"
	WentOff  = "off"
	Joined   = "joined"
	Left     = "left"
	Captured = "captured"
	Defended = "defended"
	Began    = "began" // an in-game alert
	Locked   = "locked"
	Unlocked = "unlocked"
	Ill      = "ill"      // the stream of a world
	Standing = "standing" // a board or a tracker
)

// News is one thing that channels are told of.
type News struct {
	Topic  Topic
	What   string
	World  event.World
	Zone   event.Zone
	Outfit event.OutfitID
	// Subject is the character, the facility, or the instance of the in-game alert.
	Subject int64
	Faction event.Faction // that took, held, locked
	At      time.Time     // the game's second
	// Since is when a sitting began that is over now.
	Since time.Time
	// Same is the time by which it is known to be the same news; At if zero.
	Same time.Time

	// Who is the character, as far as it is known when the post is claimed.
	Who event.Character
}

// Key names the post of n for subscription sub for ever: the same news gives the
// same key.
func (n News) Key(sub int64) Key {
	same := n.Same
	if same.IsZero() {
		same = n.At
	}
	b := append([]byte("channel\x00"+string(n.Topic)), 0)
	b = append(append(b, n.What...), 0)
	for _, v := range []int64{sub, int64(n.World), int64(n.Zone), int64(n.Outfit), n.Subject, same.Unix()} {
		b = binary.BigEndian.AppendUint64(b, uint64(v))
	}
	sum := sha256.Sum256(b)
	return Key(sum[:15])
}

// A ChannelPost is one message to a channel: to be sent, edited or deleted.
type ChannelPost struct {
	Key  Key // of its first News
	News []News
	// Message is Discord's id, 0 until it is known to be sent.
	Message Snowflake
	// Again counts how often it was sent anew because Discord had it no more.
	Again    int
	Attempts int // tried in vain since one worked
	// Delete says that its time is over.
	Delete   bool
	OpenedAt time.Time
}

// Nonce is what Discord knows the message by, so that sending it twice shows it once;
// at most 25 characters.
func (p ChannelPost) Nonce() string {
	return p.Key.Nonce() + strconv.FormatInt(int64(p.Again%36), 36)
}

// A ChannelTurn is what is to be done for one subscription now. Claim names the hold
// on it.
type ChannelTurn struct {
	Subscription
	Claim int64
	Posts []ChannelPost
}

// A PostResult is what came of one post of a turn.
type PostResult struct {
	Key     Key
	Message Snowflake // once it is known to be sent
	// Next is when to look at it again: to edit it, or to try again. Zero: it is as it
	// is to stay.
	Next time.Time
	// Failed says that it was tried in vain and waits for Next; Gone that Discord has
	// the message no more and it is to be sent anew.
	Failed, Gone bool
	// Drop says that it is not to be told after all.
	Drop bool
	// Pause is Discord's code if the channel cannot be written to: the subscription
	// waits for somebody to mend it.
	Pause string
}
