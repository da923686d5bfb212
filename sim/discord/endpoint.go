package discord

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// An endpoint is where interactions are posted instead of being sent over the gateway.
type endpoint struct {
	url    string
	key    ed25519.PrivateKey
	client *http.Client
}

// SetEndpoint has interactions posted to url from now on, signed with key, as if it had
// been entered on the application's page. As Discord does then, it first sends a ping,
// which must be answered in the response, and one with a wrong signature, which must be
// refused with 401; the error says what was wrong. Answers to interactions are taken from
// the callback route only, after a 202.
func (s *Server) SetEndpoint(ctx context.Context, url string, key ed25519.PrivateKey) error {
	e := &endpoint{url: url, key: key, client: &http.Client{Timeout: s.cfg.InteractionDeadline}}
	ping := map[string]any{"id": "1", "application_id": s.cfg.AppID, "type": 1, "token": "ping", "version": 1}
	status, body, err := e.post(ctx, ping, s.cfg.Now(), true)
	var answer struct {
		Type int `json:"type"`
	}
	switch {
	case err != nil:
		return fmt.Errorf("the endpoint could not be verified: %w", err)
	case status != http.StatusOK || json.Unmarshal(body, &answer) != nil || answer.Type != 1:
		return fmt.Errorf("the endpoint could not be verified: a ping was answered with %d %s", status, body)
	}
	switch status, _, err = e.post(ctx, ping, s.cfg.Now(), false); {
	case err != nil:
		return fmt.Errorf("the endpoint could not be verified: %w", err)
	case status != http.StatusUnauthorized:
		return fmt.Errorf("the endpoint could not be verified: a wrong signature was answered with %d", status)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endpoint = e
	return nil
}

// post sends a body, and signs it, rightly or wrongly.
func (e *endpoint) post(ctx context.Context, event any, now time.Time, rightly bool) (status int, body []byte, err error) {
	raw, err := json.Marshal(event)
	if err != nil {
		return 0, nil, err
	}
	stamp := strconv.FormatInt(now.Unix(), 10)
	signature := ed25519.Sign(e.key, append([]byte(stamp), raw...))
	if !rightly {
		signature[0] ^= 1
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url, bytes.NewReader(raw))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "Discord-Interactions/1.0 (+https://discord.com)")
	req.Header.Set("X-Signature-Ed25519", hex.EncodeToString(signature))
	req.Header.Set("X-Signature-Timestamp", stamp)
	res, err := e.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	body, err = io.ReadAll(io.LimitReader(res.Body, 64<<10))
	return res.StatusCode, body, err
}

// send posts an interaction; what comes of it is seen at the callback route.
func (e *endpoint) send(ctx context.Context, s *Server, event map[string]any) {
	status, body, err := e.post(ctx, event, s.cfg.Now(), true)
	if err != nil || status != http.StatusAccepted {
		s.cfg.Log.Warn("the interactions endpoint did not take an interaction", "status", status, "body", strings.TrimSpace(string(body)), "err", err)
	}
}
