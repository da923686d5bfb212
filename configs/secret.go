package configs

import (
	"encoding/json"
	"log/slog"
	"net/url"
	"slices"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// hidden is what a secret looks like to everyone but the code that needs it.
const hidden = "(set)"

// A Secret is a text that no log, error or dump shows. string(s) reveals it.
type Secret string

func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return hidden
}

// GoString hides the secret from %#v.
func (s Secret) GoString() string { return s.String() }

// LogValue hides the secret from slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText hides the secret from JSON and YAML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// A URL may hold a password, which no log, error or dump shows. string(u)
// reveals it.
type URL string

// Scheme returns what stands before the first colon, in lower case; "" without one.
func (u URL) Scheme() string {
	scheme, _, ok := strings.Cut(string(u), ":")
	if !ok {
		return ""
	}
	return strings.ToLower(scheme)
}

// Rest returns what stands behind the first colon.
func (u URL) Rest() string {
	_, rest, _ := strings.Cut(string(u), ":")
	return rest
}

// String returns the URL with the password, if there is one, as "***".
func (u URL) String() string { return redactURL(string(u)) }

// GoString hides the password from %#v.
func (u URL) GoString() string { return u.String() }

// LogValue hides the password from slog.
func (u URL) LogValue() slog.Value { return slog.StringValue(u.String()) }

// MarshalText hides the password from JSON and YAML.
func (u URL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// redactURL hides what may be a password: everything between the name and the
// last "@", and where the text cannot be read at all, everything behind the
// scheme. It rather hides too much.
func redactURL(s string) string {
	scheme, rest, ok := strings.Cut(s, ":")
	at := strings.LastIndex(rest, "@")
	if !ok || at < 0 {
		if unreadable(s) {
			return scheme + ":***"
		}
		return s
	}
	if !slices.Contains(knownSchemes(), strings.ToLower(scheme)) && !strings.HasPrefix(rest, "//") {
		return scheme + ":***" + rest[at:] // a name and password without a scheme
	}
	slashes := ""
	if strings.HasPrefix(rest, "//") {
		slashes, rest, at = "//", rest[2:], at-2
	}
	user, _, has := strings.Cut(rest[:max(at, 0)], ":")
	if !has {
		return s
	}
	return scheme + ":" + slashes + user + ":***" + rest[at:]
}

// unreadable reports whether s, in which there is no "@", is the beginning of
// an address with a name and password rather than one without.
func unreadable(s string) bool {
	if dsn, ok := strings.CutPrefix(s, "mysql:"); ok {
		_, err := mysql.ParseDSN(dsn)
		return err != nil
	}
	_, err := url.Parse(s)
	return strings.Contains(s, "://") && err != nil
}

func knownSchemes() []string {
	return []string{"mysql", "sqlite", "spool", "memory", "amqp", "amqps", "redis", "rediss", "ws", "wss", "http", "https"}
}

// MarshalJSON writes every setting by name, secrets hidden.
func (c Config) MarshalJSON() ([]byte, error) {
	all := make(map[string]string)
	for _, s := range table() {
		all[s.Name] = s.Show(c)
	}
	return json.Marshal(all)
}
