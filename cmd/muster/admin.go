package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"muster/sim/guard"
)

// A check says whether something the process depends on works; nil means yes.
type check struct {
	name string
	ask  func(ctx context.Context) error
}

// admin serves the operator: /healthz answers while the process turns, /readyz
// while every check passes, /metrics and /debug/pprof/ as usual.
type admin struct {
	server   *http.Server
	listener net.Listener
	log      *slog.Logger
}

// newAdmin binds nothing: listener is bound by the caller, before any role runs.
func newAdmin(listener net.Listener, reg *prometheus.Registry, checks []check, log *slog.Logger) *admin {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("ok\n"))
	})
	mux.Handle("GET /readyz", ready(checks))
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return &admin{
		listener: listener,
		log:      log,
		server: &http.Server{
			Handler:           guard.New(mux), // a web page could start profiles without end
			ReadHeaderTimeout: 5 * time.Second,
			IdleTimeout:       time.Minute,
			MaxHeaderBytes:    16 << 10,
		},
	}
}

// ready answers 200 when every check passes within 2 s, else 503, with one
// line of JSON that names each check.
func ready(checks []check) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
		defer cancel()
		answer := make(map[string]string, len(checks))
		code := http.StatusOK
		for _, c := range checks {
			answer[c.name] = "ok"
			if err := c.ask(ctx); err != nil {
				answer[c.name], code = err.Error(), http.StatusServiceUnavailable
			}
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(answer)
	})
}

// run serves until ctx ends.
func (a *admin) run(ctx context.Context) error {
	failed := make(chan error, 1)
	go func() { failed <- a.server.Serve(a.listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := a.server.Shutdown(stop); err != nil {
		_ = a.server.Close()
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
