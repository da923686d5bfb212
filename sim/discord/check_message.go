package discord

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Where a message body is sent decides what may be in it.
type bodyPlace int

const (
	placeChannel  bodyPlace = iota // POST to a channel
	placeEdit                      // PATCH of any message
	placeResponse                  // interaction callback
	placeWebhook                   // follow-up
)

// Limits of messages in characters and items (notes 5).
const (
	maxContent     = 2000
	maxEmbeds      = 10
	maxEmbedsTotal = 6000
	maxRows        = 5
	maxRowButtons  = 5
	maxOptions     = 25
)

// message checks the body of a message.
func (c *checker) message(path []string, m map[string]any, place bodyPlace) {
	names := []string{"content", "embeds", "allowed_mentions", "components", "flags", "attachments", "poll", "tts"}
	switch place {
	case placeChannel:
		names = append(names, "nonce", "enforce_nonce", "message_reference", "sticker_ids", "shared_client_theme")
	case placeWebhook:
		names = append(names, "username", "avatar_url", "thread_name", "applied_tags")
	case placeEdit:
		names = append(names, "sticker_ids")
	}
	c.known(path, m, names...)
	c.text(path, m, "content", 0, maxContent)
	c.embeds(path, m)
	c.rows(path, m, false)
	c.mentions(path, m)
	c.flags(path, m, place)
	c.nonce(path, m, place)
}

// nonce checks the key of an idempotent send.
func (c *checker) nonce(path []string, m map[string]any, place bodyPlace) {
	if place != placeChannel {
		return
	}
	if s, ok := m["nonce"].(string); ok && utf8.RuneCountInString(s) > 25 {
		c.add(at(path, "nonce"), "NONCE_TYPE_TOO_LONG", "Nonce is too long, max length is 25.")
	}
	if isTrue(m, "enforce_nonce") && m["nonce"] == nil {
		c.add(at(path, "nonce"), "BASE_TYPE_REQUIRED", "A nonce is required when enforce_nonce is set.")
	}
}

// flags checks that a message says nothing about itself that its place does
// not allow: ephemeral is for interactions only (notes 5).
func (c *checker) flags(path []string, m map[string]any, place bodyPlace) {
	flags, ok := c.number(path, m, "flags")
	if !ok {
		return
	}
	const suppressEmbeds, v2 = 1 << 2, 1 << 15
	allowed := suppressEmbeds | FlagSuppressNotifications
	if place == placeResponse || place == placeWebhook {
		allowed |= FlagEphemeral
	}
	if flags&v2 != 0 {
		c.add(at(path, "flags"), "FLAGS_UNSUPPORTED", "Components v2 are not part of this stand-in.")
		return
	}
	if flags&^allowed != 0 {
		c.add(at(path, "flags"), "BITFIELD_INVALID", "Flags %d cannot be set here.", flags&^allowed)
	}
}

// mentions checks who may be pinged: "parse" excludes the list of the same
// kind.
func (c *checker) mentions(path []string, m map[string]any) {
	v, ok := m["allowed_mentions"]
	if !ok || v == nil {
		return
	}
	path = at(path, "allowed_mentions")
	am, ok := c.object(path, v)
	if !ok {
		return
	}
	c.known(path, am, "parse", "users", "roles", "replied_user")
	for i, p := range c.list(path, am, "parse", 3) {
		name, _ := p.(string)
		switch {
		case !slices.Contains([]string{"users", "roles", "everyone"}, name):
			c.add(at(path, "parse", i), "BASE_TYPE_CHOICES", "Value %v is not one of users, roles, everyone.", p)
		case name != "everyone" && c.ids(path, am, name) > 0:
			c.add(at(path, "parse", i), "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE",
				"parse:[%q] and %s: [ids...] are mutually exclusive.", name, name)
		}
	}
	c.ids(path, am, "users")
	c.ids(path, am, "roles")
}

// embeds checks each embed and the total over all of them.
func (c *checker) embeds(path []string, m map[string]any) {
	total := 0
	for i, v := range c.list(path, m, "embeds", maxEmbeds) {
		p := at(path, "embeds", i)
		if e, ok := c.object(p, v); ok {
			total += c.embed(p, e)
		}
	}
	if total > maxEmbedsTotal {
		c.add(at(path, "embeds"), "MAX_EMBED_SIZE_EXCEEDED", "Embed size exceeds maximum size of %d.", maxEmbedsTotal)
	}
}

// embed checks one embed and returns the characters that count.
func (c *checker) embed(path []string, e map[string]any) int {
	c.known(path, e, "type", "url", "title", "color", "timestamp", "description", "author", "image", "thumbnail", "footer", "fields", "provider", "video")
	size := utf8.RuneCountInString(c.text(path, e, "title", 0, 256))
	size += utf8.RuneCountInString(c.text(path, e, "description", 0, 4096))
	if f, ok := e["footer"].(map[string]any); ok {
		c.known(at(path, "footer"), f, "text", "icon_url", "proxy_icon_url")
		size += utf8.RuneCountInString(c.text(at(path, "footer"), f, "text", 1, 2048))
	}
	if a, ok := e["author"].(map[string]any); ok {
		c.known(at(path, "author"), a, "name", "url", "icon_url", "proxy_icon_url")
		size += utf8.RuneCountInString(c.text(at(path, "author"), a, "name", 1, 256))
	}
	for i, v := range c.list(path, e, "fields", 25) {
		p := at(path, "fields", i)
		f, ok := c.object(p, v)
		if !ok {
			continue
		}
		c.known(p, f, "name", "value", "inline")
		size += c.fieldText(p, f, "name", 256) + c.fieldText(p, f, "value", 1024)
	}
	return size
}

// fieldText checks a name or value, which blank characters do not fill.
func (c *checker) fieldText(path []string, f map[string]any, name string, hi int) int {
	s := c.text(path, f, name, 1, hi)
	if s != "" && strings.TrimSpace(s) == "" {
		c.add(at(path, name), "BASE_TYPE_REQUIRED", "This field is required")
	}
	return utf8.RuneCountInString(s)
}

// rows checks the components of a message, or of a modal.
func (c *checker) rows(path []string, m map[string]any, modal bool) {
	seen := map[string]bool{}
	for i, v := range c.list(path, m, "components", maxRows) {
		p := at(path, "components", i)
		row, ok := c.object(p, v)
		if !ok {
			continue
		}
		c.known(p, row, "type", "id", "components")
		if t, _ := c.number(p, row, "type"); t != componentRow {
			c.add(at(p, "type"), "UNION_TYPE_CHOICES", "Value of field \"type\" must be one of (1,).")
			continue
		}
		c.row(p, row, modal, seen)
	}
}

// row checks one action row: up to five buttons, or one select, or in a modal
// one text input.
func (c *checker) row(path []string, row map[string]any, modal bool, seen map[string]bool) {
	items := c.list(path, row, "components", maxRowButtons)
	if len(items) == 0 {
		c.add(at(path, "components"), "BASE_TYPE_BAD_LENGTH", "Must be between 1 and %d in length.", maxRowButtons)
	}
	for i, v := range items {
		p := at(path, "components", i)
		item, ok := c.object(p, v)
		if !ok {
			continue
		}
		kind, _ := c.number(p, item, "type")
		switch {
		case modal != (kind == componentInput), kind < componentButton, kind > componentChannelPick:
			c.add(at(p, "type"), "UNION_TYPE_CHOICES", "A component of type %d cannot be here.", kind)
			continue
		case kind != componentButton && len(items) > 1:
			c.add(at(path, "components"), "COMPONENT_LAYOUT_WIDTH_EXCEEDED", "The specified component exceeds the maximum width")
		}
		c.component(p, item, kind)
		c.unique(p, item, seen)
	}
}

// unique checks that a custom_id is not used twice in a message.
func (c *checker) unique(path []string, item map[string]any, seen map[string]bool) {
	id, ok := item["custom_id"].(string)
	if !ok {
		return
	}
	if seen[id] {
		c.add(at(path, "custom_id"), "COMPONENT_CUSTOM_ID_DUPLICATED", "Component custom id cannot be duplicated")
	}
	seen[id] = true
}

func (c *checker) component(path []string, item map[string]any, kind int) {
	switch kind {
	case componentButton:
		c.button(path, item)
	case componentInput:
		c.known(path, item, "type", "id", "custom_id", "style", "label", "value", "placeholder", "required", "min_length", "max_length")
		c.text(path, item, "custom_id", 1, 100)
		c.text(path, item, "label", 1, 45)
		c.text(path, item, "value", 0, 4000)
		c.text(path, item, "placeholder", 0, 100)
		if s, _ := c.number(path, item, "style"); s != 1 && s != 2 {
			c.add(at(path, "style"), "BASE_TYPE_CHOICES", "Value must be one of {1, 2}.")
		}
	default:
		c.pick(path, item, kind)
	}
}

func (c *checker) button(path []string, item map[string]any) {
	c.known(path, item, "type", "id", "custom_id", "style", "label", "disabled", "url", "sku_id", "emoji")
	c.text(path, item, "label", 0, 80)
	style, _ := c.number(path, item, "style")
	switch url, _ := item["url"].(string); {
	case style < 1 || style > buttonLink:
		c.add(at(path, "style"), "BASE_TYPE_CHOICES", "Value must be one of {1, 2, 3, 4, 5}.")
	case style == buttonLink:
		c.text(path, item, "url", 1, 512)
	case url != "":
		c.add(at(path, "url"), "BUTTON_COMPONENT_INVALID_URL", "A url is for link buttons only")
	default:
		c.text(path, item, "custom_id", 1, 100)
	}
	if l, _ := item["label"].(string); l == "" && item["emoji"] == nil {
		c.add(at(path, "label"), "BUTTON_COMPONENT_INVALID", "A button needs a label or an emoji")
	}
}

// pick checks a select of any kind.
func (c *checker) pick(path []string, item map[string]any, kind int) {
	c.known(path, item, "type", "id", "custom_id", "placeholder", "min_values", "max_values", "disabled", "required", "options", "channel_types", "default_values")
	c.text(path, item, "custom_id", 1, 100)
	c.text(path, item, "placeholder", 0, 150)
	if kind != componentSelect {
		return
	}
	opts := c.list(path, item, "options", maxOptions)
	if len(opts) == 0 {
		c.add(at(path, "options"), "BASE_TYPE_BAD_LENGTH", "Must be between 1 and %d in length.", maxOptions)
	}
	values := map[string]bool{}
	for i, v := range opts {
		p := at(path, "options", i)
		o, ok := c.object(p, v)
		if !ok {
			continue
		}
		c.known(p, o, "label", "value", "description", "emoji", "default")
		c.text(p, o, "label", 1, 100)
		c.text(p, o, "description", 0, 100)
		if value := c.text(p, o, "value", 1, 100); values[value] {
			c.add(at(p, "value"), "SELECT_COMPONENT_OPTION_VALUE_DUPLICATED", "The specified option value is already used")
		} else {
			values[value] = true
		}
	}
}

// modal checks the data of a modal callback.
func (c *checker) modal(path []string, m map[string]any) {
	// discordgo sends null for what it leaves empty (notes 3.14).
	c.known(path, m, "custom_id", "title", "components", "content", "embeds", "allowed_mentions", "flags", "attachments", "tts", "choices")
	c.text(path, m, "custom_id", 1, 100)
	c.text(path, m, "title", 1, 45)
	c.rows(path, m, true)
	if rows, _ := m["components"].([]any); len(rows) == 0 {
		c.add(at(path, "components"), "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 5 in length.")
	}
}
