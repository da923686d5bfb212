// Package problem writes HTTP errors as RFC 9457 problem details.
package problem

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// ContentType is what problem details are sent as.
const ContentType = "application/problem+json"

// Details is one error as a client sees it. It never carries a secret, nor text
// of an internal error.
type Details struct {
	Type      string   `json:"type"`  // "about:blank": the status says it all
	Title     string   `json:"title"` // the status in words
	Status    int      `json:"status"`
	Detail    string   `json:"detail,omitempty"`  // what was wrong with this request
	Allowed   []string `json:"allowed,omitempty"` // values that would have been taken
	RequestID string   `json:"request_id,omitempty"`
}

// New returns the details of an HTTP status.
func New(status int, detail string, allowed ...string) Details {
	return Details{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail, Allowed: allowed}
}

// Write sends d. It takes the request's id from the X-Request-Id header already
// set on w, and forbids caches to keep the answer.
func Write(w http.ResponseWriter, d Details) {
	d.RequestID = w.Header().Get("X-Request-Id")
	body, err := json.Marshal(d)
	if err != nil {
		body = []byte("{}") // cannot be: Details holds text and numbers
	}
	h := w.Header()
	h.Set("Content-Type", ContentType)
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(d.Status)
	_, _ = w.Write(body) // the client has gone: nobody is left to tell
}

// RetryAfter sets the Retry-After header, rounded up to whole seconds.
func RetryAfter(h http.Header, d time.Duration) {
	h.Set("Retry-After", strconv.Itoa(int((d+time.Second-1)/time.Second)))
}
