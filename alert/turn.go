package alert

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"time"

	"muster/event"
)

// Rules of telling. What a person hears of friends is at most two messages and one
// digest within any minute, or nine and one without Settings.Digest.
const (
	Window     = time.Minute      // alerts told within it belong together
	DigestFrom = 3                // so many of a window become one digest
	PlainMost  = 10               // and so many where digests are not wanted
	DigestLife = 10 * time.Minute // how long one digest goes on
	MaxLines   = 25               // that a digest or a summary shows; then "and n more"
	EditEvery  = 5 * time.Second  // between two edits for one person
	NameWait   = 3 * time.Second  // how long an alert waits for a name that is not known yet
)

// How soon what is held is looked at again.
const (
	nameAgain  = 500 * time.Millisecond
	relogAgain = 10 * time.Second
)

// A PostKind says what a message is about.
type PostKind string

// Kinds of messages.
const (
	Single  PostKind = "single"  // one login
	Digest  PostKind = "digest"  // several
	Summary PostKind = "summary" // who is on, at the person's own login
)

// A Post is one message to a person: planned, sent, or to be changed.
type Post struct {
	Key    Key // names it for ever; its Nonce goes with it
	Kind   PostKind
	Silent bool // without a sound
	// Message and Channel are Discord's ids; "" until it is known to be sent.
	Message, Channel string
	// Alerts are what it tells of, in that order; of a Summary, the one of the
	// person's own login.
	Alerts   []Alert
	OpenedAt time.Time // when it was planned, and from then on when it was sent
	NewsAt   time.Time // the same of its newest alert
	RetryAt  time.Time // not before this; zero: at once
	Attempts int       // sends or edits tried in vain since one worked
	// Changed says that what it tells of has changed since it was shown; it is a
	// count, by which storage knows what the change was that an edit has shown.
	Changed int
	// Gone says that Discord has it no more, or takes no edit: it stays as it is.
	Gone bool
}

// Unshown reports whether some of what the post tells of is not known to be shown.
func (p Post) Unshown() bool {
	return slices.ContainsFunc(p.Alerts, func(a Alert) bool { return a.Telling })
}

// ExpiresAt is when the newest of what is not known to be shown is too old.
func (p Post) ExpiresAt() (t time.Time) {
	for _, a := range p.Alerts {
		if a.Telling && a.ExpiresAt.After(t) {
			t = a.ExpiresAt
		}
	}
	return t
}

// NewPostKey returns the key of a digest for user that was opened then with first.
func NewPostKey(user UserID, first Key, opened time.Time) Key {
	b := append([]byte("post"), first[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(user))
	b = binary.BigEndian.AppendUint64(b, uint64(opened.UnixNano()))
	sum := sha256.Sum256(b)
	return Key(sum[:15])
}

// A Turn is everything that decides what one person is told now.
type Turn struct {
	User      UserID
	Claim     int64 // by which the Store knows whose turn it is
	Settings  Settings
	Recipient Recipient
	// Pending are alerts not told yet, oldest first. More says that others wait
	// beyond them.
	Pending []Alert
	More    bool
	// On are the characters that the person follows, on a world that counts and
	// not muted, who are on now: the last to come first. Names are filled in when
	// Steps need them.
	On []event.Player
	// Presence is what is known of the characters of Pending.
	Presence map[event.CharacterID]event.Online
	Muted    map[event.CharacterID]bool // of those of Pending
	Linked   map[event.CharacterID]bool // the person's own
	InGame   bool                       // one of Linked is on
	// Told says when each character was last told of, as far as Settings.Cooldown
	// looks back.
	Told map[event.CharacterID]time.Time
	// Posts are the person's messages of the last DigestLife, those that are not
	// known to be sent, and those that have Changed, oldest first.
	Posts    []Post
	EditedAt time.Time // of the last edit, any message's

	// Steps are what Plan made of it. ClaimUsers fills them in.
	Steps Steps
}

// Steps are what to do in a turn: what to send, in that order, then what to edit,
// at most one. Every pending alert is in exactly one of Send, Edit, Drop and Held.
type Steps struct {
	Send []Post
	Edit []Post
	Drop []Dropping
	Held []Key
	// LookAt is when what is held is to be looked at again, EditAt when a change
	// may be shown that came too soon after another; zero: nothing waits.
	LookAt, EditAt time.Time
}

// Idle reports whether there is nothing for Discord in s.
func (s Steps) Idle() bool { return len(s.Send)+len(s.Edit) == 0 }

// A Dropping is an alert that will not be told.
type Dropping struct {
	Key    Key
	Reason Reason
	Detail string
}

// A Result is what became of one message of a turn. Exactly one of Message,
// RetryAt, GaveUp and Gone is set.
type Result struct {
	Post Key
	// Message and Channel are Discord's ids of the message, which was sent or
	// edited. Changed is that of the Post as it was shown; News says that it told
	// something new.
	Message, Channel string
	Changed          int
	News             bool
	RetryAt          time.Time // try again then
	GaveUp           Reason    // it will never be
	Detail           string    // with GaveUp: what Discord said
	// Gone says that an edit found no message, or may not be made any more: what
	// it should have told is news again, as long as it is not too old.
	Gone bool
}

// A Settlement is the end of a turn.
type Settlement struct {
	User    UserID
	Claim   int64
	Results []Result
	// Recipient is how to reach the person, if that has changed.
	Recipient *Recipient
}
