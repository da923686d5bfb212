// Package guard keeps web pages of elsewhere away from addresses that belong to
// one person or one operator: the simulators' and the process's own. Listening
// on loopback is no protection from the browser on the same machine: any page in
// it can send simple requests there, open WebSockets, and, with a name that it
// lets point to 127.0.0.1, read the answers.
package guard

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// New returns a handler that answers 403 to what a page of another origin has
// sent, WebSockets included, and 421 to a request on a loopback address for any
// name but localhost and those in names, which are of servers that next stands in
// for: a client may keep them when it is led here. Everything else is next's.
// Programs that are no browsers are not affected; following a link to the page at
// "/" works too.
func New(next http.Handler, names ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !named(r, names):
			http.Error(w, "use localhost or 127.0.0.1 in the address", http.StatusMisdirectedRequest)
		case foreign(r) && !visit(r):
			http.Error(w, "pages of another origin may not use this address", http.StatusForbidden)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// named reports whether the Host fits where the connection has arrived: on
// loopback, a name that is not this machine's own was made to point here.
func named(r *http.Request, names []string) bool {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return true
	}
	if at, err := netip.ParseAddrPort(local.String()); err != nil || !at.Addr().Unmap().IsLoopback() {
		return true
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") || slices.Contains(names, host) {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

// foreign reports whether a browser says that another origin asks. Browsers
// leave Sec-Fetch-Site out where the connection could be tampered with; Origin
// comes with every WebSocket and every request that may change something.
func foreign(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none": // none: typed, or a bookmark
	case "":
	default:
		return true
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return false
	}
	u, err := url.Parse(origin)
	return err != nil || u.Host != r.Host
}

// visit reports whether somebody follows a link to the page itself.
func visit(r *http.Request) bool {
	return r.URL.Path == "/" && (r.Method == http.MethodGet || r.Method == http.MethodHead) &&
		r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
}
