package discord

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A User is a person, or the bot itself.
type User struct {
	ID            string  `json:"id"`
	Username      string  `json:"username"`
	GlobalName    string  `json:"global_name,omitempty"`
	Discriminator string  `json:"discriminator"`
	Avatar        *string `json:"avatar"`
	Bot           bool    `json:"bot,omitempty"`
	// ClosedDMs makes every DM to the user fail with 50007.
	ClosedDMs bool `json:"-"`
	// NoMutual makes it fail with 50278, as if no server were shared.
	NoMutual bool `json:"-"`
	// Locale is the language that the user uses Discord in; "" is en-US.
	Locale string `json:"-"`
}

// name is what people see.
func (u User) name() string {
	if u.GlobalName != "" {
		return u.GlobalName
	}
	return u.Username
}

// A Guild is a server that every user of the world is a member of.
type Guild struct {
	ID       string
	Name     string
	OwnerID  string
	Channels []Channel
	Roles    []Role // besides @everyone
	// UserInstalledOnly says that the bot is not a member: it sees nothing of
	// the guild, and only user-installed commands work there.
	UserInstalledOnly bool
	// Locale is the guild's language; "" is en-US.
	Locale string
}

// A Role is one that members can have.
type Role struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Mentionable bool   `json:"mentionable"`
}

// Types of channels.
const (
	channelText = 0
	channelDM   = 1
)

// A Channel is a text channel of a guild, or a DM.
type Channel struct {
	ID         string `json:"id"`
	Type       int    `json:"type"`
	GuildID    string `json:"guild_id,omitempty"`
	Name       string `json:"name,omitempty"`
	Recipients []User `json:"recipients,omitempty"`
	LastID     string `json:"last_message_id,omitempty"`
	// Hidden refuses the bot with 50001, ReadOnly refuses sending with 50013.
	Hidden   bool `json:"-"`
	ReadOnly bool `json:"-"`
}

// Flags of messages.
const (
	FlagEphemeral             = 1 << 6
	FlagLoading               = 1 << 7
	FlagSuppressNotifications = 1 << 12
)

// A Message is one in a channel, an ephemeral answer included.
type Message struct {
	ID              string               `json:"id"`
	Type            int                  `json:"type"`
	ChannelID       string               `json:"channel_id"`
	Author          User                 `json:"author"`
	Content         string               `json:"content"`
	Timestamp       string               `json:"timestamp"`
	EditedTimestamp *string              `json:"edited_timestamp"`
	TTS             bool                 `json:"tts"`
	MentionEveryone bool                 `json:"mention_everyone"`
	Mentions        []User               `json:"mentions"`
	MentionRoles    []string             `json:"mention_roles"`
	Attachments     []Attachment         `json:"attachments"`
	Embeds          []Embed              `json:"embeds"`
	Components      []Component          `json:"components"`
	Pinned          bool                 `json:"pinned"`
	Flags           int                  `json:"flags"`
	Nonce           any                  `json:"nonce,omitempty"`
	WebhookID       string               `json:"webhook_id,omitempty"`
	ApplicationID   string               `json:"application_id,omitempty"`
	Interaction     *InteractionMetadata `json:"interaction_metadata,omitempty"`
	Reference       map[string]any       `json:"message_reference,omitempty"`

	// OnlyFor is the user who alone sees an ephemeral message.
	OnlyFor string `json:"-"`
	// ReceivedAt is when the request that made it arrived, EditedAt when the
	// last edit did; zero if it was never edited.
	ReceivedAt time.Time `json:"-"`
	EditedAt   time.Time `json:"-"`
}

// Loading says that the message is a deferred answer still to come.
func (m Message) Loading() bool { return m.Flags&FlagLoading != 0 }

// InteractionMetadata says whose command a message answers.
type InteractionMetadata struct {
	ID   string `json:"id"`
	Type int    `json:"type"`
	User User   `json:"user"`
	Name string `json:"name,omitempty"`
}

// An Attachment is an uploaded file; its contents are kept.
type Attachment struct {
	ID          string `json:"id"`
	Filename    string `json:"filename"`
	Size        int    `json:"size"`
	URL         string `json:"url"`
	ProxyURL    string `json:"proxy_url"`
	ContentType string `json:"content_type,omitempty"`
	Content     []byte `json:"-"`
}

// An Embed is the coloured box of a message.
type Embed struct {
	Type        string       `json:"type,omitempty"`
	Title       string       `json:"title,omitempty"`
	Description string       `json:"description,omitempty"`
	URL         string       `json:"url,omitempty"`
	Timestamp   string       `json:"timestamp,omitempty"`
	Color       int          `json:"color,omitempty"`
	Footer      *EmbedFooter `json:"footer,omitempty"`
	Image       *EmbedImage  `json:"image,omitempty"`
	Thumbnail   *EmbedImage  `json:"thumbnail,omitempty"`
	Author      *EmbedAuthor `json:"author,omitempty"`
	Fields      []EmbedField `json:"fields,omitempty"`
}

// EmbedFooter is the small print of an embed.
type EmbedFooter struct {
	Text    string `json:"text"`
	IconURL string `json:"icon_url,omitempty"`
}

// EmbedImage is an image or a thumbnail.
type EmbedImage struct {
	URL    string `json:"url"`
	Width  int    `json:"width,omitempty"`
	Height int    `json:"height,omitempty"`
}

// EmbedAuthor is the line over the title.
type EmbedAuthor struct {
	Name    string `json:"name"`
	URL     string `json:"url,omitempty"`
	IconURL string `json:"icon_url,omitempty"`
}

// EmbedField is a name and a value.
type EmbedField struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Inline bool   `json:"inline,omitempty"`
}

// Types of components.
const (
	componentRow         = 1
	componentButton      = 2
	componentSelect      = 3
	componentInput       = 4
	componentUserSelect  = 5
	componentChannelPick = 8
	buttonLink           = 5
)

// A Component is a row, a button, a select or a text input.
type Component struct {
	Type        int            `json:"type"`
	ID          int            `json:"id,omitempty"`
	CustomID    string         `json:"custom_id,omitempty"`
	Style       int            `json:"style,omitempty"`
	Label       string         `json:"label,omitempty"`
	Emoji       *Emoji         `json:"emoji,omitempty"`
	URL         string         `json:"url,omitempty"`
	Disabled    bool           `json:"disabled,omitempty"`
	Placeholder string         `json:"placeholder,omitempty"`
	Options     []SelectOption `json:"options,omitempty"`
	MinValues   *int           `json:"min_values,omitempty"`
	MaxValues   *int           `json:"max_values,omitempty"`
	MinLength   int            `json:"min_length,omitempty"`
	MaxLength   int            `json:"max_length,omitempty"`
	Required    *bool          `json:"required,omitempty"`
	Value       string         `json:"value,omitempty"`
	Components  []Component    `json:"components,omitempty"`
}

// An Emoji is one on a button or an option.
type Emoji struct {
	ID       *string `json:"id,omitempty"`
	Name     string  `json:"name,omitempty"`
	Animated bool    `json:"animated,omitempty"`
}

// A SelectOption is one line of a select.
type SelectOption struct {
	Label       string `json:"label"`
	Value       string `json:"value"`
	Description string `json:"description,omitempty"`
	Emoji       *Emoji `json:"emoji,omitempty"`
	Default     bool   `json:"default,omitempty"`
}

// A Command is a registered application command.
type Command struct {
	ID                       string            `json:"id"`
	Type                     int               `json:"type"`
	ApplicationID            string            `json:"application_id"`
	GuildID                  string            `json:"guild_id,omitempty"`
	Name                     string            `json:"name"`
	NameLocalizations        map[string]string `json:"name_localizations,omitempty"`
	Description              string            `json:"description"`
	DescriptionLocalizations map[string]string `json:"description_localizations,omitempty"`
	Options                  []CommandOption   `json:"options,omitempty"`
	DefaultMemberPermissions *Permissions      `json:"default_member_permissions"`
	DMPermission             *bool             `json:"dm_permission,omitempty"`
	Contexts                 []int             `json:"contexts"`
	IntegrationTypes         []int             `json:"integration_types"`
	NSFW                     bool              `json:"nsfw"`
	Version                  string            `json:"version"`

	sent string // the name that is sent, where Name is that of a language
}

// Permissions is a bit set in decimal. It is read from a string, as Discord's
// guide writes it, or from a number, as the OpenAPI document does.
type Permissions string

// UnmarshalJSON reads either form.
func (p *Permissions) UnmarshalJSON(raw []byte) error {
	text := strings.Trim(string(raw), `"`)
	if _, err := strconv.ParseUint(text, 10, 64); err != nil {
		return fmt.Errorf("read permissions %q: %w", text, err)
	}
	*p = Permissions(text)
	return nil
}

// A CommandOption is a subcommand, a group of them, or a parameter.
type CommandOption struct {
	Type                     int               `json:"type"`
	Name                     string            `json:"name"`
	NameLocalizations        map[string]string `json:"name_localizations,omitempty"`
	Description              string            `json:"description"`
	DescriptionLocalizations map[string]string `json:"description_localizations,omitempty"`
	Required                 bool              `json:"required,omitempty"`
	Choices                  []Choice          `json:"choices,omitempty"`
	Options                  []CommandOption   `json:"options,omitempty"`
	ChannelTypes             []int             `json:"channel_types,omitempty"`
	MinValue                 *float64          `json:"min_value,omitempty"`
	MaxValue                 *float64          `json:"max_value,omitempty"`
	MinLength                *int              `json:"min_length,omitempty"`
	MaxLength                *int              `json:"max_length,omitempty"`
	Autocomplete             bool              `json:"autocomplete,omitempty"`

	sent string // the name that is sent, where Name is that of a language
}

// A Choice is a value offered for an option. Value is a string or a number.
type Choice struct {
	Name              string            `json:"name"`
	NameLocalizations map[string]string `json:"name_localizations,omitempty"`
	Value             any               `json:"value"`
}

// discordEpoch is the first millisecond of 2015, where snowflakes begin.
const discordEpoch = 1420070400000

// A snowflakes makes ids that grow and never repeat.
type snowflakes struct{ last uint64 }

// next returns an id for now.
func (f *snowflakes) next(now time.Time) string {
	id := uint64(max(now.UnixMilli()-discordEpoch, 0)) << 22
	if id <= f.last {
		id = f.last + 1
	}
	f.last = id
	return strconv.FormatUint(id, 10)
}

// isSnowflake reports whether s is written like an id.
func isSnowflake(s string) bool {
	if s == "" || len(s) > 20 || s[0] == '0' {
		return false
	}
	_, err := strconv.ParseUint(s, 10, 64)
	return err == nil
}

// after reports whether snowflake a was made after b.
func after(a, b string) bool {
	if len(a) != len(b) {
		return len(a) > len(b)
	}
	return a > b
}
