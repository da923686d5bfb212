package outage_test

import (
	"bytes"
	"errors"
	"log/slog"
	"testing"
	"time"

	"muster/internal/outage"
)

func TestAnOutageIsSaidOnceAndItsEndOnce(t *testing.T) {
	var log bytes.Buffer
	now := time.Unix(1_730_000_000, 0)
	plain := slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}
	o := outage.New(slog.New(slog.NewTextHandler(&log, &plain)), func() time.Time { return now }, "away", "back")
	for range 2 {
		o.Answered(t.Context()) // no news
		for range 5 {
			o.Failed(t.Context(), errors.New("refused"))
			now = now.Add(time.Second)
		}
		o.Answered(t.Context())
	}
	want := "level=WARN msg=away err=refused\nlevel=INFO msg=back after=5s\n"
	if got := log.String(); got != want+want {
		t.Errorf("said\n%swant this twice\n%s", got, want)
	}
}
