package bot

// Response types of interactions (discord notes 5).
const (
	respondMessage      = 4
	respondDeferred     = 5
	respondAutocomplete = 8
)

const flagEphemeral = 64

// A message is what the bot shows: a post, an answer, an edit.
type message struct {
	Content    string          `json:"content"`
	Embeds     []embed         `json:"embeds,omitempty"`
	Components []row           `json:"components,omitempty"`
	Mentions   allowedMentions `json:"allowed_mentions"`
	Flags      int             `json:"flags,omitempty"`
}

// allowedMentions is always empty: nothing that the bot writes pings anybody
// (discord notes 3.14).
type allowedMentions struct {
	Parse [0]string `json:"parse"`
}

type embed struct {
	Title       string  `json:"title,omitempty"`
	Description string  `json:"description,omitempty"`
	Color       int     `json:"color,omitempty"`
	Fields      []field `json:"fields,omitempty"`
	Footer      *footer `json:"footer,omitempty"`
}

type field struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Inline bool   `json:"inline,omitempty"`
}

type footer struct {
	Text string `json:"text"`
}

type row struct {
	Type       int      `json:"type"` // 1
	Components []button `json:"components"`
}

type button struct {
	Type     int    `json:"type"`  // 2
	Style    int    `json:"style"` // 1 primary, 2 secondary, 3 success, 4 danger
	Label    string `json:"label"`
	CustomID string `json:"custom_id"`
}

// buttons returns one row of grey buttons.
func buttons(b ...button) []row {
	for i := range b {
		b[i].Type, b[i].Style = 2, 2
		b[i].Label = clip(b[i].Label, 80)
	}
	return []row{{Type: 1, Components: b}}
}

type choice struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}
