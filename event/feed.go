package event

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// A FeedMessage is what travels on TopicFeed; exactly one field is set.
type FeedMessage struct {
	Items  []FeedItem   `json:"items,omitempty"`  // in the order of the dispatcher's batch, at most FeedItems of them
	Stream *StreamState `json:"stream,omitempty"` // a world's stream changed
	Names  []Character  `json:"names,omitempty"`  // placeholders sent before can be filled in
}

// FeedItems is how many events one FeedMessage has at most. A broker works per
// message, so that one for each event would cost more than storing it.
const FeedItems = 64

// A FeedItem is one event as readers of the feed see it. Its JSON is part of
// the outside description: never rename a field.
type FeedItem struct {
	ID         string `json:"id"` // ordered as text by time of receipt; opaque to readers
	Kind       string `json:"kind"`
	World      World  `json:"world"`
	Zone       Zone   `json:"zone,omitempty"`
	At         int64  `json:"at"`          // the game's second, Unix
	ReceivedAt int64  `json:"received_at"` // the listener's clock, Unix nanoseconds
	// Character acted; Other is whom it befell. Null for nobody.
	Character *Who            `json:"character"`
	Other     *Who            `json:"other"`
	Detail    json.RawMessage `json:"detail"` // by kind, see docs/feed.md
}

// HiddenName is what stands in place of the name of a character whose owner does
// not want to be named. Its id is 0 then, and it has no outfit.
const HiddenName = "Hidden player"

// Who is a character on the feed. Name is empty while it is not known: show
// Placeholder and wait for a FeedMessage with Names.
type Who struct {
	ID      CharacterID `json:"id"`
	Name    string      `json:"name"`
	Faction Faction     `json:"faction"`
	Outfit  *WhoOutfit  `json:"outfit,omitempty"`
}

// WhoOutfit is an outfit on the feed.
type WhoOutfit struct {
	ID   OutfitID `json:"id"`
	Tag  string   `json:"tag"`
	Name string   `json:"name"`
}

// NewWho returns c as the feed shows it, nil for nobody.
func NewWho(c Character) *Who {
	switch {
	case c.ID == 0:
		return nil
	case c.Hidden:
		return &Who{Name: HiddenName, Faction: c.Faction}
	}
	w := &Who{ID: c.ID, Name: c.Name, Faction: c.Faction}
	if !c.Outfit.IsZero() {
		w.Outfit = &WhoOutfit{ID: c.Outfit.ID, Tag: c.Outfit.Tag, Name: c.Outfit.Name}
	}
	return w
}

// Placeholder is what people see for a character whose name is not known.
func Placeholder(id CharacterID) string {
	s := id.String()
	if len(s) > 4 {
		s = s[len(s)-4:]
	}
	return "Player …" + s
}

// FeedID derives the feed's id from the event itself, so that every dispatcher
// gives it the same one and a reader can resume on another notifier: 16 hex
// digits of the time of receipt in nanoseconds, a dash, 8 of the key. Text order
// is order of receipt.
func FeedID(receivedAt time.Time, k Key) string {
	return string(AppendFeedID(make([]byte, 0, FeedIDLen), receivedAt, k))
}

// FeedIDLen is the length of a feed id in bytes.
const FeedIDLen = 25

// AppendFeedID appends what FeedID returns.
func AppendFeedID(b []byte, receivedAt time.Time, k Key) []byte {
	b = hex.AppendEncode(b, binary.BigEndian.AppendUint64(nil, uint64(receivedAt.UnixNano())))
	return hex.AppendEncode(append(b, '-'), k[:4])
}

// FeedIDTime returns the time of receipt in a feed's id, false if id is not of the
// shape that FeedID makes.
func FeedIDTime(id string) (time.Time, bool) {
	if len(id) != FeedIDLen || id[16] != '-' || strings.Trim(id[:16]+id[17:], "0123456789abcdef") != "" {
		return time.Time{}, false
	}
	nanos, err := strconv.ParseInt(id[:16], 16, 64)
	if err != nil {
		return time.Time{}, false
	}
	return time.Unix(0, nanos).UTC(), true
}
