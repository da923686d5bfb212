package bot

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
)

// rest makes the bot's own requests. discordgo's would pass its rate limiter,
// which leaks an entry per interaction and waits without a context (discord
// notes 3.8, 3.9).
type rest struct {
	client *http.Client
	redact redactor
}

// do sends one request and decodes the answer into out, if not nil. It does not
// retry. The error wraps *apiError for an answer that refuses, *waitError for a
// request not sent, errStopped after the token was refused.
func (c *rest) do(ctx context.Context, method, path string, in, out any) error {
	if in == nil {
		return c.send(ctx, method, path, nil, "", out)
	}
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("encode request: %w", err)
	}
	return c.send(ctx, method, path, body, "application/json", out)
}

// send is do for a body that is encoded already.
func (c *rest) send(ctx context.Context, method, path string, in []byte, kind string, out any) error {
	var body io.Reader
	if in != nil {
		body = bytes.NewReader(in)
	}
	req, err := http.NewRequestWithContext(ctx, method, "https://discord.com/api/v10"+path, body)
	if err != nil {
		return c.redact.err(err)
	}
	req.Header.Set("Authorization", "Bot "+c.redact.token)
	if in != nil {
		req.Header.Set("Content-Type", kind)
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return c.redact.err(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return c.redact.err(err)
	}
	r := routeOf(method, path)
	if resp.StatusCode >= 300 {
		return c.redact.err(answerError(r, resp, b))
	}
	if out == nil || len(b) == 0 {
		return nil
	}
	if err := json.Unmarshal(b, out); err != nil {
		return fmt.Errorf("discord %s: decode answer: %w", r.name, err)
	}
	return nil
}

// gatewayBot is the answer of GET /gateway/bot.
type gatewayBot struct {
	URL    string `json:"url"`
	Shards int    `json:"shards"`
	Limit  struct {
		Total          int   `json:"total"`
		Remaining      int   `json:"remaining"`
		ResetAfter     int64 `json:"reset_after"` // milliseconds
		MaxConcurrency int   `json:"max_concurrency"`
	} `json:"session_start_limit"`
}

func (c *rest) gatewayBot(ctx context.Context) (g gatewayBot, err error) {
	err = c.do(ctx, http.MethodGet, "/gateway/bot", nil, &g)
	return g, err
}

// openDM returns the id of the channel for direct messages to user.
func (c *rest) openDM(ctx context.Context, user string) (string, error) {
	in := struct {
		Recipient string `json:"recipient_id"`
	}{user}
	var out struct {
		ID string `json:"id"`
	}
	if err := c.do(ctx, http.MethodPost, "/users/@me/channels", in, &out); err != nil {
		return "", err
	}
	if out.ID == "" {
		return "", errors.New("discord open_dm: answer without an id")
	}
	return out.ID, nil
}

// createMessage posts m to a channel under nonce and returns the message's id.
// The same nonce within a few minutes gives the same message (discord notes 5).
func (c *rest) createMessage(ctx context.Context, channel string, m message, nonce string) (string, error) {
	in := struct {
		message
		Nonce        string `json:"nonce"`
		EnforceNonce bool   `json:"enforce_nonce"`
	}{m, nonce, true}
	var out struct {
		ID string `json:"id"`
	}
	err := c.do(ctx, http.MethodPost, "/channels/"+url.PathEscape(channel)+"/messages", in, &out)
	return out.ID, err
}

// editMessage replaces a message of the bot.
func (c *rest) editMessage(ctx context.Context, channel, id string, m message) error {
	m.Flags = 0 // how it was delivered cannot be changed
	return c.do(ctx, http.MethodPatch, "/channels/"+url.PathEscape(channel)+"/messages/"+url.PathEscape(id), m, nil)
}

// deleteMessage deletes a message of the bot.
func (c *rest) deleteMessage(ctx context.Context, channel, id string) error {
	return c.do(ctx, http.MethodDelete, "/channels/"+url.PathEscape(channel)+"/messages/"+url.PathEscape(id), nil, nil)
}

// guildOf returns the guild of a channel, "" for one that is of none.
func (c *rest) guildOf(ctx context.Context, channel string) (string, error) {
	var out struct {
		GuildID string `json:"guild_id"`
	}
	err := c.do(ctx, http.MethodGet, "/channels/"+url.PathEscape(channel), nil, &out)
	return out.GuildID, err
}

// renameChannel changes the name of a guild's channel; Discord takes two changes in ten
// minutes (discord notes 7).
func (c *rest) renameChannel(ctx context.Context, channel, name string) error {
	in := struct {
		Name string `json:"name"`
	}{name}
	return c.do(ctx, http.MethodPatch, "/channels/"+url.PathEscape(channel), in, nil)
}

// typing shows for some seconds that the bot writes in a channel: the way to find out
// whether it may.
func (c *rest) typing(ctx context.Context, channel string) error {
	return c.do(ctx, http.MethodPost, "/channels/"+url.PathEscape(channel)+"/typing", nil, nil)
}

// callback sends the first response to an interaction.
func (c *rest) callback(ctx context.Context, i *interaction, kind int, data any) error {
	in := struct {
		Type int `json:"type"`
		Data any `json:"data,omitempty"`
	}{kind, data}
	return c.do(ctx, http.MethodPost, "/interactions/"+url.PathEscape(i.ID)+"/"+url.PathEscape(i.Token)+"/callback", in, nil)
}

// editAnswer replaces the first response of an interaction.
func (c *rest) editAnswer(ctx context.Context, i *interaction, m message) error {
	path := "/webhooks/" + url.PathEscape(i.ApplicationID) + "/" + url.PathEscape(i.Token) + "/messages/@original"
	if m.file == nil {
		return c.do(ctx, http.MethodPatch, path, whole(m), nil)
	}
	body, kind, err := withFile(m)
	if err != nil {
		return fmt.Errorf("encode request: %w", err)
	}
	return c.send(ctx, http.MethodPatch, path, body, kind, nil)
}

// followUp adds a message to the answer of an interaction.
func (c *rest) followUp(ctx context.Context, i *interaction, m message) error {
	path := "/webhooks/" + url.PathEscape(i.ApplicationID) + "/" + url.PathEscape(i.Token)
	return c.do(ctx, http.MethodPost, path, m, nil)
}

// A wholeMessage replaces all that was there: what is left out of an edit stays
// as it was (discord notes 3.14).
type wholeMessage struct {
	message
	Embeds     []embed `json:"embeds"`
	Components []row   `json:"components"`
}

func whole(m message) wholeMessage {
	return wholeMessage{message: m, Embeds: append([]embed{}, m.Embeds...), Components: append([]row{}, m.Components...)}
}

// withFile writes a message and its file as the parts of one form.
func withFile(m message) (body []byte, kind string, err error) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	h := textproto.MIMEHeader{}
	h.Set("Content-Disposition", `form-data; name="payload_json"`)
	h.Set("Content-Type", "application/json")
	part, err := w.CreatePart(h)
	if err != nil {
		return nil, "", err
	}
	if err := json.NewEncoder(part).Encode(whole(m)); err != nil {
		return nil, "", err
	}
	file, err := w.CreateFormFile("files[0]", m.Attachments[0].Filename)
	if err != nil {
		return nil, "", err
	}
	if _, err := file.Write(m.file); err != nil {
		return nil, "", err
	}
	if err := w.Close(); err != nil {
		return nil, "", err
	}
	return b.Bytes(), w.FormDataContentType(), nil
}
