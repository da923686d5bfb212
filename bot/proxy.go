package bot

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"
)

// A tunnel connects to a TLS server, through the proxy that the environment
// names (HTTPS_PROXY, NO_PROXY), if any. The WebSocket library can do that too,
// but then the bytes inside the TLS connection could not be watched.
type tunnel struct {
	// proxy is http.ProxyFromEnvironment outside of tests.
	proxy func(*http.Request) (*url.URL, error)
	roots *tls.Config // nil outside of tests
}

// dial connects to addr and completes the TLS handshake.
func (t tunnel) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	raw, err := t.reach(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.roots != nil {
		cfg = t.roots.Clone()
	}
	cfg.ServerName, cfg.NextProtos = host, []string{"http/1.1"}
	c := tls.Client(raw, cfg)
	if err := c.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("gateway: %w", err), raw.Close())
	}
	return c, nil
}

// reach connects to addr itself, or to it through the proxy.
func (t tunnel) reach(ctx context.Context, network, addr string) (net.Conn, error) {
	via, err := t.proxy(&http.Request{URL: &url.URL{Scheme: "https", Host: addr}})
	if err != nil {
		return nil, fmt.Errorf("gateway: proxy setting: %w", err)
	}
	if via == nil {
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}
	if via.Scheme != "http" {
		return nil, fmt.Errorf("gateway: a proxy of scheme %q is not supported, use http", via.Scheme)
	}
	port := via.Port()
	if port == "" {
		port = "80"
	}
	c, err := (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort(via.Hostname(), port))
	if err != nil {
		return nil, fmt.Errorf("gateway: proxy: %w", err)
	}
	if err := connect(ctx, c, addr, via.User); err != nil {
		return nil, errors.Join(fmt.Errorf("gateway: proxy: %w", err), c.Close())
	}
	return c, nil
}

// connect asks the proxy for a tunnel to addr. Nothing is read beyond the answer:
// a TLS server does not speak first.
func connect(ctx context.Context, c net.Conn, addr string, user *url.Userinfo) error {
	if end, ok := ctx.Deadline(); ok {
		if err := c.SetDeadline(end); err != nil {
			return err
		}
	}
	req := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: addr}, Host: addr, Header: http.Header{}}
	if user != nil {
		password, _ := user.Password()
		pair := base64.StdEncoding.EncodeToString([]byte(user.Username() + ":" + password))
		req.Header.Set("Proxy-Authorization", "Basic "+pair)
	}
	if err := req.Write(c); err != nil {
		return err
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }() // reads nothing
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", resp.StatusCode)
	}
	return c.SetDeadline(time.Time{})
}
