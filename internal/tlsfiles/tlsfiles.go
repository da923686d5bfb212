// Package tlsfiles reads the files by which a client trusts a server and is
// trusted by it, and says in words what is wrong when one does not trust the
// other. The files are named in the server's URL, by the parameters that
// RabbitMQ's URI specification has for them.
package tlsfiles

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"
)

// Parameters of a URL that name files.
const (
	paramCA     = "cacertfile"
	paramCert   = "certfile"
	paramKey    = "keyfile"
	paramServer = "server_name_indication"
)

// ErrFile says that a file named in a URL cannot be used. No retry helps.
var ErrFile = errors.New("cannot use a file for TLS")

// Files says whom to trust and who one is. The zero value trusts the system's
// authorities and shows no certificate.
type Files struct {
	CA   string // certificates of the authorities to trust, instead of the system's; PEM
	Cert string // our own certificate, with those between it and its authority; PEM
	Key  string // the key of Cert; PEM
	// ServerName is what the server's certificate must be for, where that is not the
	// host of the URL.
	ServerName string
}

// Cut takes the parameters out of a URL's query, one by one through del, which
// removes a parameter and returns its value, "" if it was not there.
func Cut(del func(name string) string) Files {
	return Files{CA: del(paramCA), Cert: del(paramCert), Key: del(paramKey), ServerName: del(paramServer)}
}

// FromQuery is Cut for a query.
func FromQuery(q url.Values) Files {
	return Cut(func(name string) string {
		defer q.Del(name)
		return q.Get(name)
	})
}

// Given reports whether anything is set.
func (f Files) Given() bool { return f != Files{} }

// Config reads the files, which may be others the next time. The error wraps
// ErrFile and names the parameter.
func (f Files) Config() (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: f.ServerName}
	if f.CA != "" {
		text, err := os.ReadFile(f.CA)
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrFile, paramCA, err)
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("%w: %s: %s holds no certificate in PEM", ErrFile, paramCA, f.CA)
		}
	}
	if (f.Cert == "") != (f.Key == "") {
		return nil, fmt.Errorf("%w: %s and %s belong together", ErrFile, paramCert, paramKey)
	}
	if f.Cert != "" {
		pair, err := tls.LoadX509KeyPair(f.Cert, f.Key)
		if err != nil {
			return nil, fmt.Errorf("%w: %s, %s: %w", ErrFile, paramCert, paramKey, err)
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return cfg, nil
}

// ErrTrust says that a server and we do not trust each other, or do not both speak
// TLS. Waiting does not help; another file, name or certificate does.
var ErrTrust = errors.New("no trust")

// Explain returns what a failed connection means as an error that wraps ErrTrust
// and err where it is about TLS, and err itself where it is not.
func Explain(err error) error {
	if words := explain(err); words != "" {
		return fmt.Errorf("%w: %s: %w", ErrTrust, words, err)
	}
	return err
}

func explain(err error) string {
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	var alert tls.AlertError
	var header tls.RecordHeaderError
	switch {
	case errors.As(err, &authority):
		return "the server's certificate is from an authority that is not trusted here; " + paramCA + " names one that is"
	case errors.As(err, &host):
		return fmt.Sprintf("the server's certificate is for %s, not for %s; %s names what it must be for",
			names(host.Certificate), host.Host, paramServer)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Sprintf("the server's certificate is not valid now, but from %s to %s",
			day(invalid.Cert.NotBefore), day(invalid.Cert.NotAfter))
	case errors.As(err, &invalid):
		return "the server's certificate cannot be used"
	case errors.As(err, &alert), strings.Contains(err.Error(), "remote error: tls: "): // some drivers keep only the text
		return "the server does not take our certificate, or misses one; " + paramCert + " and " + paramKey + " name it"
	case errors.As(err, &header):
		return "the server does not speak TLS at this port"
	}
	return ""
}

func names(c *x509.Certificate) string {
	if c == nil {
		return "nobody"
	}
	all := append([]string(nil), c.DNSNames...)
	for _, ip := range c.IPAddresses {
		all = append(all, ip.String())
	}
	const most = 5
	switch {
	case len(all) == 0:
		return "no name"
	case len(all) > most:
		all = append(all[:most], "others")
	}
	return strings.Join(all, ", ")
}

func day(t time.Time) string { return t.UTC().Format("2006-01-02 15:04Z") }
