// Package testcerts makes certificates for tests: an authority of their own, and
// what it signs, as files in the test's temporary directory.
package testcerts

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// An Authority signs certificates.
type Authority struct {
	// File holds the authority's own certificate.
	File string

	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// A Pair are the files of a certificate and of its key.
type Pair struct{ Cert, Key string }

// New returns an authority that nobody else trusts.
func New(t testing.TB) *Authority {
	t.Helper()
	a := &Authority{dir: t.TempDir(), key: newKey(t)}
	template := template(time.Now().Add(time.Hour))
	template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	template.Subject = pkix.Name{CommonName: "authority of a test"}
	a.cert = a.sign(t, template, template, a.key)
	a.File = a.write(t, "ca.pem", 0o644, "CERTIFICATE", a.cert.Raw)
	return a
}

// Server returns a certificate for a server with the names, which may be addresses.
func (a *Authority) Server(t testing.TB, names ...string) Pair {
	t.Helper()
	return a.issue(t, "server", time.Now().Add(time.Hour), names...)
}

// Expired is Server, but the certificate's time is over.
func (a *Authority) Expired(t testing.TB, names ...string) Pair {
	t.Helper()
	return a.issue(t, "expired", time.Now().Add(-time.Minute), names...)
}

// Client returns a certificate for a client whose user has the name.
func (a *Authority) Client(t testing.TB, name string) Pair {
	t.Helper()
	return a.issue(t, name, time.Now().Add(time.Hour))
}

func (a *Authority) issue(t testing.TB, subject string, until time.Time, names ...string) Pair {
	t.Helper()
	template := template(until)
	template.Subject = pkix.Name{CommonName: subject}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	key := newKey(t)
	cert := a.sign(t, template, a.cert, key)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	id := subject + "-" + template.SerialNumber.Text(36)
	return Pair{
		Cert: a.write(t, id+".pem", 0o644, "CERTIFICATE", cert.Raw),
		Key:  a.write(t, id+"-key.pem", 0o600, "PRIVATE KEY", der),
	}
}

// template is a certificate that began two hours ago.
func template(until time.Time) *x509.Certificate {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 60))
	if err != nil {
		panic(err) // the system's source of randomness is gone
	}
	return &x509.Certificate{SerialNumber: serial, NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: until}
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (a *Authority) sign(t testing.TB, template, parent *x509.Certificate, key *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func (a *Authority) write(t testing.TB, name string, mode os.FileMode, kind string, der []byte) string {
	t.Helper()
	path := filepath.Join(a.dir, name)
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), mode); err != nil {
		t.Fatal(err)
	}
	return path
}
