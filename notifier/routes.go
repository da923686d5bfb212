package notifier

import (
	"bufio"
	"crypto/rand"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"muster/internal/problem"
)

func (n *Notifier) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/api/v1/feed", n.feed)
	mux.HandleFunc("/api/v1/feed/ws", n.feedWS)
	mux.HandleFunc("/api/v1/status", n.status)
	mux.HandleFunc("/api/v1/snapshot", n.snapshot)
	mux.HandleFunc("/api/v1/characters/{who}", n.character)
	mux.HandleFunc("/api/v1/outfits/{tag}", n.outfit)
	mux.HandleFunc("/api/v1/outfits/{tag}/roster", n.outfitRoster)
	mux.HandleFunc("/static/{file}", n.static)
	mux.HandleFunc("/{$}", n.livePage)
	mux.HandleFunc("/status", n.statusPage)
	mux.HandleFunc("/characters/{who}", n.characterPage)
	mux.HandleFunc("/outfits/{tag}", n.outfitPage)
	mux.HandleFunc("/", n.notFound)
	return n.wrap(mux)
}

// wrap does what every answer has in common.
func (n *Notifier) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sw := &statusWriter{ResponseWriter: w}
		defer n.finish(sw, r)
		n.setHeaders(sw.Header(), requestID(r))
		rc := http.NewResponseController(w)
		_ = rc.SetWriteDeadline(time.Now().Add(answerTimeout)) // the feed sets its own
		if r.ContentLength != 0 {
			sw.Header().Set("Connection", "close") // nothing here reads a body
			_ = rc.SetReadDeadline(time.Now().Add(headerTimeout))
		}
		switch {
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			sw.Header().Set("Allow", "GET, HEAD")
			problem.Write(sw, problem.New(http.StatusMethodNotAllowed, "this is read only", "GET", "HEAD"))
		case len(r.RequestURI) > maxURL:
			problem.Write(sw, problem.New(http.StatusRequestURITooLong, "at most 8 KiB"))
		default:
			next.ServeHTTP(sw, r)
		}
	})
}

// setHeaders sets what browsers must be told on every answer (page notes 3).
func (n *Notifier) setHeaders(h http.Header, id string) {
	h.Set("X-Request-Id", id)
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "+
		"connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "+
		"require-trusted-types-for 'script'; trusted-types 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
}

// finish counts the answer, and turns a panic into one.
func (n *Notifier) finish(w *statusWriter, r *http.Request) {
	if p := recover(); p != nil {
		if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			panic(p)
		}
		n.log.ErrorContext(r.Context(), "panic while answering", "path", r.URL.Path, "panic", p,
			"request_id", w.Header().Get("X-Request-Id"), "stack", string(debug.Stack()))
		if w.code != 0 {
			panic(http.ErrAbortHandler) // too late for another answer: cut it off
		}
		problem.Write(w, problem.New(http.StatusInternalServerError, "this is a fault of the server"))
	}
	route := r.Pattern
	if route == "" {
		route = "none"
	}
	n.metrics.requests.WithLabelValues(route, strconv.Itoa(w.code)).Inc()
}

// requestID takes the caller's id if it is harmless, or makes one.
func requestID(r *http.Request) string {
	id := r.Header.Get("X-Request-Id")
	harmless := func(c rune) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.'
	}
	if id != "" && len(id) <= 64 && strings.IndexFunc(id, func(c rune) bool { return !harmless(c) }) < 0 {
		return id
	}
	return rand.Text()
}

// clientAddr is whom a connection counts for: an IPv4 address or an IPv6 /64.
// Behind a trusted proxy it is the last address that none of them vouches for.
func (n *Notifier) clientAddr(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	addr := peer.Addr().Unmap()
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for len(hops) > 0 && n.trusted(addr) {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[len(hops)-1]))
		if err != nil {
			break
		}
		addr, hops = hop.Unmap(), hops[:len(hops)-1]
	}
	return network(addr)
}

// network returns what one customer has: an IPv4 address or an IPv6 /64.
func network(addr netip.Addr) netip.Addr {
	if addr.Is6() {
		p, _ := addr.Prefix(64) // cannot fail: 64 bits are there
		return p.Addr()
	}
	return addr
}

func (n *Notifier) trusted(a netip.Addr) bool {
	return slices.ContainsFunc(n.cfg.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(a) })
}

// statusWriter remembers the status of the answer.
type statusWriter struct {
	http.ResponseWriter
	code int
}

// WriteHeader is http.ResponseWriter's.
func (w *statusWriter) WriteHeader(code int) {
	if w.code == 0 {
		w.code = code
	}
	w.ResponseWriter.WriteHeader(code)
}

// Write is http.ResponseWriter's.
func (w *statusWriter) Write(b []byte) (int, error) {
	if w.code == 0 {
		w.code = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController through.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Hijack hands the connection to the WebSocket.
func (w *statusWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err == nil {
		w.code = http.StatusSwitchingProtocols
	}
	return c, rw, err
}
