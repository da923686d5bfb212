package bot

// Response types of interactions (discord notes 5).
const (
	respondMessage        = 4
	respondDeferred       = 5
	respondDeferredUpdate = 6 // of the message that a component belongs to
	respondAutocomplete   = 8
	respondForm           = 9
)

const flagEphemeral = 64

// A message is what the bot shows: a post, an answer, an edit.
type message struct {
	Content    string          `json:"content"`
	Embeds     []embed         `json:"embeds,omitempty"`
	Components []row           `json:"components,omitempty"`
	Mentions   allowedMentions `json:"allowed_mentions"`
	Flags      int             `json:"flags,omitempty"`
	// Attachments describe file, for those who cannot see it.
	Attachments []attachment `json:"attachments,omitempty"`

	file []byte // sent along, as Attachments[0]
}

// An attachment is a file of a message: ID is its place among those sent, from "0".
type attachment struct {
	ID          string `json:"id"`
	Filename    string `json:"filename"`
	Description string `json:"description,omitempty"`
}

// allowedMentions is empty but for the role that a leader chose for a channel: nothing
// else that the bot writes pings anybody (discord notes 3.14).
type allowedMentions struct {
	Parse [0]string `json:"parse"`
	Roles []string  `json:"roles,omitempty"`
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

// A row holds up to five buttons, or one menu, or in a form one input.
type row struct {
	Type       int         `json:"type"` // 1
	Components []component `json:"components"`
}

// A component is a button, a menu or an input.
type component interface{ component() }

// Kinds of components.
const (
	kindRow    = 1
	kindButton = 2
	kindMenu   = 3
	kindInput  = 4
)

// Styles of buttons.
const (
	styleMain   = 1
	stylePlain  = 2
	styleGood   = 3
	styleDanger = 4
)

type button struct {
	Type     int    `json:"type"`
	Style    int    `json:"style"`
	Label    string `json:"label"`
	CustomID string `json:"custom_id"`
	Disabled bool   `json:"disabled,omitempty"`
}

func (button) component() {}

// A menu lets a person choose from at most 25 options.
type menu struct {
	Type        int      `json:"type"`
	CustomID    string   `json:"custom_id"`
	Placeholder string   `json:"placeholder,omitempty"`
	MinValues   int      `json:"min_values"`
	MaxValues   int      `json:"max_values"`
	Options     []option `json:"options"`
}

func (menu) component() {}

type option struct {
	Label       string `json:"label"`
	Value       string `json:"value"`
	Description string `json:"description,omitempty"`
	Default     bool   `json:"default,omitempty"`
}

// An input is a line of a form.
type input struct {
	Type        int    `json:"type"`
	Style       int    `json:"style"` // 1: one line
	CustomID    string `json:"custom_id"`
	Label       string `json:"label"`
	Placeholder string `json:"placeholder,omitempty"`
	Value       string `json:"value,omitempty"`
	MinLength   int    `json:"min_length,omitempty"`
	MaxLength   int    `json:"max_length"`
}

func (input) component() {}

// A form is what opens in front of the conversation (Discord: modal).
type form struct {
	CustomID   string `json:"custom_id"`
	Title      string `json:"title"`
	Components []row  `json:"components"`
}

// buttons returns one row of at most five buttons, grey unless they have a style.
func buttons(b ...button) []row {
	r := row{Type: kindRow}
	for _, one := range b[:min(len(b), 5)] {
		one.Type, one.Label = kindButton, clip(one.Label, 80)
		if one.Style == 0 {
			one.Style = stylePlain
		}
		r.Components = append(r.Components, one)
	}
	return []row{r}
}

// choose returns a row with a menu of which one option is taken; nil without
// options, which Discord refuses.
func choose(id, placeholder string, options ...option) []row {
	return chooseMany(id, placeholder, 1, 1, options...)
}

// chooseMany is choose for several options at once.
func chooseMany(id, placeholder string, least, most int, options ...option) []row {
	options = options[:min(len(options), maxChoices)]
	if len(options) == 0 {
		return nil
	}
	for i := range options {
		o := &options[i]
		o.Label, o.Description = cut(bare(o.Label), 100), cut(bare(o.Description), 100)
	}
	return []row{{Type: kindRow, Components: []component{menu{Type: kindMenu, CustomID: id, Placeholder: cut(placeholder, 150),
		MinValues: least, MaxValues: min(most, len(options)), Options: options}}}}
}

// ask returns a form of one-line inputs.
func ask(id, title string, inputs ...input) form {
	f := form{CustomID: id, Title: cut(title, 45)}
	for _, in := range inputs {
		in.Type, in.Style = kindInput, 1
		f.Components = append(f.Components, row{Type: kindRow, Components: []component{in}})
	}
	return f
}

type choice struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	// NameLocalizations are for choices that stand in a definition.
	NameLocalizations map[string]string `json:"name_localizations,omitempty"`

	key string // of Name, in a definition that is not yet localized
}
