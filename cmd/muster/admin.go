package main

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/pprof"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"muster/sim/guard"
)

// A check says whether something the process depends on works; nil means yes. What is
// aside is shown, and others are not held back by it. A note, unless nil or "", is shown
// with what works.
type check struct {
	name  string
	ask   func(ctx context.Context) error
	note  func() string
	aside bool
}

// admin serves the operator: /healthz answers while the process turns, /readyz
// while every check passes, /metrics and /debug/pprof/ as usual.
type admin struct {
	server *http.Server
	checks atomic.Pointer[[]check]
	failed chan error // what ended the server
}

// serveAdmin serves on listener from now on, until close or the end of run.
func serveAdmin(listener net.Listener, reg *prometheus.Registry) *admin {
	a := &admin{failed: make(chan error, 1)}
	a.waits("start")
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("ok\n"))
	})
	mux.Handle("GET /readyz", ready(func() []check { return *a.checks.Load() }))
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	a.server = &http.Server{
		Handler:           guard.New(mux), // a web page could start profiles without end
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
	}
	go func() { a.failed <- a.server.Serve(listener) }()
	return a
}

// ask sets what readiness asks from now on.
func (a *admin) ask(checks []check) { a.checks.Store(&checks) }

// waits makes the process count as not ready, because it waits for what.
func (a *admin) waits(what string) {
	a.ask([]check{{name: what, ask: func(context.Context) error { return errStarting }}})
}

var errStarting = errors.New("waiting for it, nothing runs yet")

// close ends what run does not.
func (a *admin) close() error { return a.server.Close() }

// ready answers 200 when every check that is not aside passes within 2 s, else 503,
// with one line of JSON that names each check.
func ready(current func() []check) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
		defer cancel()
		checks := current()
		answer := make(map[string]string, len(checks))
		code := http.StatusOK
		for _, c := range checks {
			answer[c.name] = "ok"
			if c.note != nil && c.note() != "" {
				answer[c.name] = "ok: " + c.note()
			}
			if err := c.ask(ctx); err != nil {
				answer[c.name] = err.Error()
				if !c.aside {
					code = http.StatusServiceUnavailable
				}
			}
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(answer)
	})
}

// run serves until ctx ends.
func (a *admin) run(ctx context.Context) error {
	select {
	case err := <-a.failed:
		return err
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := a.server.Shutdown(stop); err != nil {
		_ = a.server.Close()
	}
	if err := <-a.failed; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
