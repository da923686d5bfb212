package bot

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
)

// testProxy is an HTTP proxy that knows CONNECT only, and one password.
func testProxy(t *testing.T) *url.URL {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || r.Header.Get("Proxy-Authorization") != "Basic dXNlcjpwYXNz" {
			w.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
		up, err := net.Dial("tcp", r.Host)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		down, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		_, _ = io.WriteString(down, "HTTP/1.1 200 OK\r\n\r\n")
		go func() { _, _ = io.Copy(up, down); _ = up.Close() }()
		go func() { _, _ = io.Copy(down, up); _ = down.Close() }()
	}))
	t.Cleanup(s.Close)
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestTheGatewayIsReachedThroughAProxy(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "reached")
	}))
	defer server.Close()
	roots := &tls.Config{RootCAs: server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}
	via := testProxy(t)
	addr := server.Listener.Addr().String()
	get := func(via *url.URL) (string, error) {
		tun := tunnel{proxy: http.ProxyURL(via), roots: roots}
		c := &http.Client{Transport: &http.Transport{DialTLSContext: tun.dial, DisableKeepAlives: true}}
		resp, err := c.Get("https://" + addr)
		if err != nil {
			return "", err
		}
		defer func() { _ = resp.Body.Close() }()
		b, err := io.ReadAll(resp.Body)
		return string(b), err
	}
	if got, err := get(nil); got != "reached" || err != nil {
		t.Errorf("without a proxy: %q, %v", got, err)
	}
	if _, err := get(via); err == nil {
		t.Error("the proxy let us through without a password")
	}
	via.User = url.UserPassword("user", "pass")
	if got, err := get(via); got != "reached" || err != nil {
		t.Errorf("through the proxy: %q, %v", got, err)
	}
	if _, err := get(&url.URL{Scheme: "socks5", Host: via.Host}); err == nil {
		t.Error("a proxy of another kind is taken for an HTTP one")
	}
}
