package rabbit_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"muster/bus/bustest"
	"muster/bus/rabbit"
	"muster/internal/testcerts"
	"muster/internal/tlsfiles"
)

// A tlsFront speaks TLS and hands on what it hears to the shared broker.
type tlsFront struct {
	ln    net.Listener
	tasks sync.WaitGroup

	mu    sync.Mutex
	pair  testcerts.Pair // of the next connection
	conns []net.Conn
}

// mustFront returns one with a certificate. clients, if not "", is the authority
// whose certificates it wants from who connects.
func mustFront(t *testing.T, pair testcerts.Pair, clients string) *tlsFront {
	t.Helper()
	f := &tlsFront{pair: pair}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: f.certificate}
	if clients != "" {
		text, err := os.ReadFile(clients)
		if err != nil {
			t.Fatal(err)
		}
		cfg.ClientCAs, cfg.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
		cfg.ClientCAs.AppendCertsFromPEM(text)
	}
	u, err := url.Parse(brokerURL(t))
	if err != nil {
		t.Fatal("the broker's URL cannot be read")
	}
	if f.ln, err = tls.Listen("tcp", "127.0.0.1:0", cfg); err != nil {
		t.Fatal(err)
	}
	f.tasks.Go(func() { f.accept(u.Host) })
	t.Cleanup(func() {
		_ = f.ln.Close() // the end either way
		f.cut()
		f.tasks.Wait()
	})
	return f
}

func (f *tlsFront) certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	pair, err := tls.LoadX509KeyPair(f.pair.Cert, f.pair.Key)
	return &pair, err
}

func (f *tlsFront) use(pair testcerts.Pair) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pair = pair
}

func (f *tlsFront) cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.conns {
		_ = c.Close() // so it shall
	}
	f.conns = nil
}

func (f *tlsFront) accept(target string) {
	for {
		in, err := f.ln.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", target)
		if err != nil {
			_ = in.Close() // the client sees it
			continue
		}
		f.mu.Lock()
		f.conns = append(f.conns, in, out)
		f.mu.Unlock()
		for _, pair := range [][2]net.Conn{{in, out}, {out, in}} {
			f.tasks.Go(func() {
				_, _ = io.Copy(pair[1], pair[0]) // ends with either
				_ = pair[0].Close()
				_ = pair[1].Close()
			})
		}
	}
}

// url is the broker's behind f, with parameters.
func (f *tlsFront) url(t *testing.T, host string, params ...string) string {
	t.Helper()
	u, err := url.Parse(brokerURL(t))
	if err != nil {
		t.Fatal("the broker's URL cannot be read")
	}
	_, port, _ := strings.Cut(f.ln.Addr().String(), ":")
	u.Scheme, u.Host = "amqps", host+":"+port
	q := url.Values{}
	for i := 0; i < len(params); i += 2 {
		q.Set(params[i], params[i+1])
	}
	u.RawQuery = q.Encode()
	return u.String()
}

func TestTrustIsSetUpByTheURLAndItsLackIsSaidAtOnce(t *testing.T) {
	plain := config(t)
	ca, stranger := testcerts.New(t), testcerts.New(t)
	good := mustFront(t, ca.Server(t, "127.0.0.1"), "")
	named := mustFront(t, ca.Server(t, "broker.example"), "")
	old := mustFront(t, ca.Expired(t, "127.0.0.1"), "")
	strict := mustFront(t, ca.Server(t, "127.0.0.1", "localhost"), ca.File)
	us, them := ca.Client(t, "guest"), stranger.Client(t, "guest")
	_, addr, _ := strings.Cut(plain.URL, "@")
	const host = "127.0.0.1"
	tests := []struct {
		name, url string
		want      string // in the error; "" for none
	}{
		{"a private authority", good.url(t, host, "cacertfile", ca.File), ""},
		{"an authority nobody knows", good.url(t, host), "not trusted here; cacertfile"},
		{"another authority", good.url(t, host, "cacertfile", stranger.File), "not trusted here"},
		{"another name", named.url(t, host, "cacertfile", ca.File), "is for broker.example, not for 127.0.0.1"},
		{"that name said", named.url(t, host, "cacertfile", ca.File, "server_name_indication", "broker.example"), ""},
		{"expired", old.url(t, host, "cacertfile", ca.File), "not valid now, but from 20"},
		{"a certificate of ours", strict.url(t, host, "cacertfile", ca.File, "certfile", us.Cert, "keyfile", us.Key), ""},
		{"none of ours", strict.url(t, host, "cacertfile", ca.File), "does not take our certificate, or misses one"},
		{"one of ours from a stranger", strict.url(t, host, "cacertfile", ca.File, "certfile", them.Cert, "keyfile", them.Key), "does not take our certificate"},
		{"no TLS there", "amqps://guest:guest@" + strings.TrimSuffix(addr, "/") + "/?cacertfile=" + ca.File, "does not speak TLS"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			cfg := plain
			cfg.URL = test.url
			if test.want == "" {
				mustPublish(t, mustOpen(t, cfg), message(0))
				return
			}
			_, err := rabbit.Open(context.Background(), cfg)
			if !errors.Is(err, tlsfiles.ErrTrust) || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "guest:guest") {
				t.Errorf("got %v, want ErrTrust about %q", err, test.want)
			}
		})
	}
}

func TestFilesThatCannotBeUsedAreNamedAtOnce(t *testing.T) {
	ca := testcerts.New(t)
	us := ca.Client(t, "guest")
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	const base = "amqps://guest:hunter2@127.0.0.1:1/?"
	for query, want := range map[string]string{
		"cacertfile=" + empty + "x":                                 "empty.pemx",
		"cacertfile=" + empty:                                       "holds no certificate",
		"certfile=" + us.Cert:                                       "belong together",
		"keyfile=" + us.Key:                                         "belong together",
		"certfile=" + us.Key + "&keyfile=" + us.Key:                 "certfile, keyfile",
		"cafile=" + ca.File:                                         "not heard: cafile",
		"cacertfile=" + ca.File + "&verify=verify_none":             "not heard: verify",
		"cacertfile=%zz":                                            "cannot be read",
		"certfile=" + us.Cert + "&keyfile=" + ca.Server(t, "x").Key: "certfile, keyfile",
	} {
		_, err := rabbit.Open(context.Background(), rabbit.Config{URL: base + query, Topology: bustest.Topology()})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "no broker within") {
			t.Errorf("%s: got %v, want one about %q", query, err, want)
		}
	}
	_, err := rabbit.Open(context.Background(), rabbit.Config{URL: "amqp://127.0.0.1:1/?cacertfile=" + ca.File, Topology: bustest.Topology()})
	if err == nil || !strings.Contains(err.Error(), "need amqps://") {
		t.Errorf("without TLS: got %v, want one about amqps://", err)
	}
}

func TestCertificatesMayBeReplacedWhileItRuns(t *testing.T) {
	cfg := config(t)
	old, later := testcerts.New(t), testcerts.New(t)
	front := mustFront(t, old.Server(t, "127.0.0.1"), "")
	trusted := filepath.Join(t.TempDir(), "ca.pem")
	trust := func(ca *testcerts.Authority) {
		text, err := os.ReadFile(ca.File)
		if err == nil {
			err = os.WriteFile(trusted, text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	trust(old)
	cfg.URL = front.url(t, "127.0.0.1", "cacertfile", trusted)
	b := mustOpen(t, cfg)
	mustPublish(t, b, message(0))
	front.use(later.Server(t, "127.0.0.1"))
	trust(later)
	front.cut()
	mustPublish(t, b, message(1))
}
