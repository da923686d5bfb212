package alert

import (
	"time"

	"muster/event"
)

// A PrivacyExport is everything that is stored about one person, as they get it on
// request. It is written as JSON: never rename a field.
type PrivacyExport struct {
	User       UserID            `json:"user"`
	MadeAt     time.Time         `json:"made_at"`
	Links      []LinkExport      `json:"linked_characters"`
	Watches    []Watch           `json:"watches"`
	Groups     []Group           `json:"groups"`
	Mutes      []Mute            `json:"muted"`
	Settings   *Settings         `json:"settings,omitempty"` // none: never saved
	Recipient  *RecipientExport  `json:"direct_messages,omitempty"`
	Hidden     []event.Character `json:"hidden_characters"`
	Alerts     []Recent          `json:"alerts"`      // of the last days, newest first
	MoreAlerts int               `json:"more_alerts"` // beyond those
	// Subscriptions are those of channels that the person made.
	Subscriptions []SubscriptionExport `json:"channel_subscriptions"`
}

// A SubscriptionExport is a channel's Subscription.
type SubscriptionExport struct {
	Guild     string    `json:"guild"`
	Channel   string    `json:"channel"`
	Topic     Topic     `json:"topic"`
	CreatedAt time.Time `json:"created_at"`
}

// A LinkExport is a linked character with the friends list read for it.
type LinkExport struct {
	Character   event.Character     `json:"character"`
	LinkedAt    time.Time           `json:"linked_at"`
	Friends     []event.CharacterID `json:"friends"`
	FriendsRead time.Time           `json:"friends_read_at,omitzero"`
}

// A RecipientExport is how a person is written to.
type RecipientExport struct {
	DMChannel string    `json:"channel,omitempty"`
	Closed    string    `json:"refused,omitempty"` // Discord's code
	ClosedAt  time.Time `json:"refused_at,omitzero"`
	Locale    string    `json:"locale,omitempty"` // of the person's Discord
}

// Forgotten says how many rows of each kind went with a person's data.
type Forgotten struct {
	Links, Watches, Groups, Mutes, Settings, Recipients, Alerts, Messages int64
}

// Total is the sum.
func (f Forgotten) Total() int64 {
	return f.Links + f.Watches + f.Groups + f.Mutes + f.Settings + f.Recipients + f.Alerts + f.Messages
}
