package rabbit

import (
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"

	"muster/internal/tlsfiles"
)

// paramAuth is the one parameter of a URL that is left to the driver.
const paramAuth = "auth_mechanism"

// readURL returns the broker's address without anything secret, and the files that
// the URL names. What the URL says and nobody would hear is an error: who mistypes
// the name of a file must not be left with another trust than he thinks.
func readURL(raw string) (address string, files tlsfiles.Files, err error) {
	u, err := url.Parse(raw)
	if err != nil { // it holds the URL
		return "", files, errors.New("the broker's URL cannot be read")
	}
	if u.Scheme != "amqp" && u.Scheme != "amqps" {
		return "", files, errors.New("the broker's URL must begin with amqp:// or amqps://")
	}
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return "", files, errors.New("what stands behind ? in the broker's URL cannot be read")
	}
	files = tlsfiles.FromQuery(q)
	q.Del(paramAuth)
	if len(q) > 0 {
		return "", files, fmt.Errorf("the broker's URL has parameters that are not heard: %s; "+
			"there are cacertfile, certfile, keyfile, server_name_indication and auth_mechanism",
			strings.Join(slices.Sorted(maps.Keys(q)), ", "))
	}
	if files.Given() && u.Scheme != "amqps" {
		return "", files, errors.New("certificates in the broker's URL need amqps://")
	}
	if _, err := amqp.ParseURI(raw); err != nil {
		return "", files, errors.New("the broker's URL cannot be read")
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String(), files, nil
}

// tlsConfig is nil where the URL asks for no TLS.
func (b *Bus) tlsConfig() (*tls.Config, error) {
	if !strings.HasPrefix(strings.ToLower(b.cfg.URL), "amqps:") {
		return nil, nil
	}
	return b.files.Config()
}
