package notifier

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"time"

	"muster/internal/problem"
)

// writePiece is how much is written under one deadline: a slow reader that takes
// this much within WriteTimeout makes progress.
const writePiece = 32 << 10

// feed serves GET /api/v1/feed: Server-Sent Events.
func (n *Notifier) feed(w http.ResponseWriter, r *http.Request) {
	f, ok := n.queryFilter(w, r)
	if !ok {
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would collect events
	if r.Method == http.MethodHead {
		w.WriteHeader(http.StatusOK)
		return
	}
	c := newClient(n.clientAddr(r), "sse", f)
	hi, err := n.hub.join(c, resumeFrom(r), time.Now())
	if err != nil {
		n.refuse(w, err)
		return
	}
	defer n.hub.part(c)
	s := sseWriter{n: n, w: w, rc: http.NewResponseController(w)}
	w.WriteHeader(http.StatusOK)
	id := hi.resumeID(resumeFrom(r))
	open := fmt.Appendf(nil, "retry: %d\n", n.retry().Milliseconds())
	if err := s.write(append(open, newControl(id, "hello", hi).sse...)); err != nil {
		return
	}
	s.run(r, c)
}

// resumeFrom returns the id that r wants to go on after. EventSource sends the
// header when it comes back, and cannot on its first connection.
func resumeFrom(r *http.Request) string {
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		return id
	}
	return r.URL.Query().Get("last_event_id")
}

// retry is when a reader should come back: at its own time, so that all do not
// come at once.
func (n *Notifier) retry() time.Duration {
	return n.cfg.Limits.Retry + rand.N(n.cfg.Limits.Retry)
}

// queryFilter reads the filter of r's query, or answers what is wrong with it.
func (n *Notifier) queryFilter(w http.ResponseWriter, r *http.Request) (filter, bool) {
	f, err := specFromQuery(r.URL.Query()).parse(n.cfg.Limits.Filters)
	if err != nil {
		problem.Write(w, filterProblem(err))
		return filter{}, false
	}
	return f, true
}

func filterProblem(err error) problem.Details {
	var bad *badFilter
	if errors.As(err, &bad) {
		return problem.New(http.StatusBadRequest, bad.text, bad.allowed...)
	}
	return problem.New(http.StatusBadRequest, err.Error())
}

// refuse answers a reader above a cap.
func (n *Notifier) refuse(w http.ResponseWriter, err error) {
	limit := "all"
	switch {
	case errors.Is(err, errFullHere):
		limit = "address"
	case errors.Is(err, errDraining):
		limit = "draining"
	}
	n.metrics.refused.WithLabelValues(limit).Inc()
	problem.RetryAfter(w.Header(), 5*n.retry())
	problem.Write(w, problem.New(http.StatusServiceUnavailable, err.Error()))
}

// sseWriter writes to one reader under a deadline.
type sseWriter struct {
	n   *Notifier
	w   http.ResponseWriter
	rc  *http.ResponseController
	buf []byte
}

// run writes what c gets until the reader goes, is cut, or everybody must.
func (s *sseWriter) run(r *http.Request, c *client) {
	for {
		frames, more, bye := s.n.hub.next(c)
		if err := s.frames(frames); err != nil {
			return
		}
		switch {
		case bye:
			s.goodbye()
			return
		case more:
			continue
		}
		select {
		case <-c.wake:
		case <-r.Context().Done():
			return
		}
	}
}

// frames writes all of them, in pieces.
func (s *sseWriter) frames(frames []*frame) error {
	for i := 0; i < len(frames); {
		s.buf = s.buf[:0]
		first := i
		for i < len(frames) && (i == first || len(s.buf)+len(frames[i].sse) <= writePiece) {
			s.buf = append(s.buf, frames[i].sse...)
			i++
		}
		if err := s.write(s.buf); err != nil {
			return err
		}
		s.n.sent(frames[first:i], time.Now())
	}
	if cap(s.buf) > 2*writePiece {
		s.buf = nil
	}
	return nil
}

// write sends b at once. An error means that the reader is gone, or has taken
// nothing for WriteTimeout and is cut: it can resume.
func (s *sseWriter) write(b []byte) error {
	if err := s.rc.SetWriteDeadline(time.Now().Add(s.n.cfg.Limits.WriteTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	_, err := s.w.Write(b)
	if err == nil {
		err = s.rc.Flush()
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		s.n.metrics.cut.Inc()
	}
	return err
}

// drained tells a reader to come back, to this instance or another.
type drained struct {
	RetryMS int64 `json:"retry_ms"`
}

func (s *sseWriter) goodbye() {
	ms := s.n.retry().Milliseconds()
	bye := fmt.Appendf(nil, "retry: %d\n", ms)
	_ = s.write(append(bye, newControl("", "drain", drained{RetryMS: ms}).sse...)) // it leaves either way
}

// sent counts what was written. Only fresh events say something about latency;
// what was replayed is as old as the reader's absence.
func (n *Notifier) sent(frames []*frame, now time.Time) {
	n.metrics.sent.Add(float64(len(frames)))
	latency := n.metrics.latency.WithLabelValues("sent")
	for _, f := range frames {
		if age := now.Sub(time.Unix(0, f.receivedAt)); f.receivedAt != 0 && age < replayAge {
			latency.Observe(max(0, age.Seconds()))
		}
	}
}

// replayAge is from when on an event's age no longer is latency.
const replayAge = time.Minute
