package bot

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
	"strings"
)

const redacted = "[redacted]"

// urlTokens matches the tokens that Discord puts into paths: those of
// interactions and of webhooks (discord notes 3.16).
var urlTokens = regexp.MustCompile(`((?:webhooks|interactions)/\d+/)[^/\s"'?]+`)

// A redactor removes secrets from text.
type redactor struct{ token string }

func (r redactor) text(s string) string {
	if r.token != "" {
		s = strings.ReplaceAll(s, r.token, redacted)
	}
	return urlTokens.ReplaceAllString(s, "${1}"+redacted)
}

// err returns an error that says the same without secrets. The chain stays:
// errors.Is and errors.As see the cause, whose own text is not shown.
func (r redactor) err(err error) error {
	if err == nil {
		return nil
	}
	// The http client's *url.Error repeats the whole URL: drop it.
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	if clean := r.text(err.Error()); clean != err.Error() {
		return &cleanError{text: clean, cause: err}
	}
	return err
}

type cleanError struct {
	text  string
	cause error
}

func (e *cleanError) Error() string { return e.text }
func (e *cleanError) Unwrap() error { return e.cause }

// redactHandler is a slog.Handler that cleans every text that passes through,
// the last line of defence.
type redactHandler struct {
	next slog.Handler
	r    redactor
}

// Enabled implements slog.Handler.
func (h redactHandler) Enabled(ctx context.Context, l slog.Level) bool {
	return h.next.Enabled(ctx, l)
}

// Handle implements slog.Handler.
func (h redactHandler) Handle(ctx context.Context, rec slog.Record) error {
	clean := slog.NewRecord(rec.Time, rec.Level, h.r.text(rec.Message), rec.PC)
	rec.Attrs(func(a slog.Attr) bool {
		clean.AddAttrs(h.attr(a))
		return true
	})
	return h.next.Handle(ctx, clean)
}

// WithAttrs implements slog.Handler.
func (h redactHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	clean := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		clean[i] = h.attr(a)
	}
	return redactHandler{next: h.next.WithAttrs(clean), r: h.r}
}

// WithGroup implements slog.Handler.
func (h redactHandler) WithGroup(name string) slog.Handler {
	return redactHandler{next: h.next.WithGroup(name), r: h.r}
}

func (h redactHandler) attr(a slog.Attr) slog.Attr {
	v := a.Value.Resolve()
	switch v.Kind() {
	case slog.KindString:
		return slog.String(a.Key, h.r.text(v.String()))
	case slog.KindGroup:
		group := make([]slog.Attr, 0, len(v.Group()))
		for _, inner := range v.Group() {
			group = append(group, h.attr(inner))
		}
		return slog.Attr{Key: a.Key, Value: slog.GroupValue(group...)}
	case slog.KindAny:
		return slog.String(a.Key, h.r.text(fmt.Sprint(v.Any())))
	}
	return a
}
