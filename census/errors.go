package census

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// Errors of the query service, for callers to branch on.
var (
	// ErrNotFound says that the service answered and has no such thing. New and
	// renamed characters can be absent for hours (census 5.1).
	ErrNotFound = errors.New("not found")
	// ErrUnavailable says that the service, or this collection of it, does not
	// work now. Try again later.
	ErrUnavailable = errors.New("the game's query service is unavailable")
	// ErrBadQuery says that the service does not understand us, or that an
	// argument cannot be asked for. No retry helps.
	ErrBadQuery = errors.New("bad query")
	// ErrServiceID says that the service id is missing, unknown or over its limit.
	ErrServiceID = errors.New("the game refuses the service id: check MUSTER_GAME_SERVICE_ID")
)

// answerError finds the failure in an answer (census 6): most come with status
// 200. It returns nil for a body that holds a result.
func answerError(status int, location string, body []byte) error {
	switch {
	case status >= 300 && status < 400:
		if strings.Contains(strings.ToLower(location), "badrequest") {
			return fmt.Errorf("%w: redirected to the page for bad requests", ErrBadQuery)
		}
		return fmt.Errorf("%w: redirected, as in maintenance", ErrUnavailable)
	case status == http.StatusBadRequest:
		return fmt.Errorf("%w: status 400", ErrBadQuery)
	case status != http.StatusOK:
		return fmt.Errorf("%w: status %d", ErrUnavailable, status)
	}
	var fault struct {
		Error   *string `json:"error"`
		Code    *string `json:"errorCode"`
		Message string  `json:"errorMessage"`
	}
	if err := json.Unmarshal(body, &fault); err != nil {
		return fmt.Errorf("%w: %s", ErrUnavailable, unreadable(body))
	}
	if fault.Error != nil {
		return textError(*fault.Error)
	}
	if fault.Code != nil {
		return codeError(*fault.Code, fault.Message)
	}
	return nil
}

func textError(text string) error {
	switch {
	case strings.Contains(text, "Service ID"):
		return fmt.Errorf("%w: %s", ErrServiceID, clip(text))
	case strings.HasPrefix(text, "Bad request"):
		return fmt.Errorf("%w: %s", ErrBadQuery, clip(text))
	}
	// "service_unavailable", "No data found." and what we have not met: outages
	// say all of them.
	return fmt.Errorf("%w: %s", ErrUnavailable, clip(text))
}

func codeError(code, message string) error {
	kind := ErrUnavailable
	if strings.HasPrefix(message, "INVALID_SEARCH_TERM") {
		kind = ErrBadQuery
	}
	return fmt.Errorf("%w: %s", kind, clip(strings.TrimSpace(code+" "+message)))
}

// unreadable says what a body is that is not a JSON object.
func unreadable(body []byte) string {
	trimmed := strings.TrimSpace(string(body[:min(len(body), 100)]))
	switch {
	case trimmed == "":
		return "an empty answer"
	case strings.HasPrefix(trimmed, "<"):
		return "a web page for an answer"
	}
	return "an answer that is cut off or no JSON"
}

// clip shortens text from outside for an error.
func clip(s string) string {
	if len(s) > 160 {
		s = s[:160] + "…"
	}
	return strings.ToValidUTF8(s, "?")
}
