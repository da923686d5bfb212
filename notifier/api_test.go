package notifier_test

import (
	"encoding/json"
	"net/http"
	"testing"
)

func checkProblem(t *testing.T, res *http.Response, body []byte, status int) {
	t.Helper()
	var p struct {
		Title     string
		Status    int
		RequestID string `json:"request_id"`
	}
	err := json.Unmarshal(body, &p)
	if err != nil || res.StatusCode != status || p.Status != status || p.Title == "" ||
		res.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("got %s, %s: %s; want problem details with %d", res.Status, res.Header.Get("Content-Type"), body, status)
	}
	if p.RequestID == "" || p.RequestID != res.Header.Get("X-Request-Id") {
		t.Errorf("request id %q, header %q", p.RequestID, res.Header.Get("X-Request-Id"))
	}
}
