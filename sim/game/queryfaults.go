package game

import (
	"net/http"
	"time"
)

// queryFault plays the fault that strikes a request, if one does, and
// reports whether it has answered (census 6).
func (s *Server) queryFault(w http.ResponseWriter, r *http.Request, q *query) bool {
	f := s.struck(q.collection)
	if f == nil {
		return false
	}
	switch f.Name {
	case "rest_redirect":
		http.Redirect(w, r, homePage, http.StatusFound)
	case "rest_html":
		w.Header().Set("Content-Type", "text/html;charset=UTF-8")
		_, _ = w.Write([]byte("<!DOCTYPE html><html><head><title>Maintenance</title></head><body><h1>We will be back soon</h1></body></html>"))
	case "rest_service_unavailable":
		writeQuery(w, mustJSON(row{"error": textUnavailable}))
	case "rest_no_data":
		writeQuery(w, mustJSON(row{"error": textNoData}))
	case "rest_server_error":
		writeQuery(w, mustJSON(row{"errorCode": "SERVER_ERROR"}))
	case "rest_status":
		code := f.Code
		if code < 100 || code > 999 {
			code = http.StatusServiceUnavailable
		}
		http.Error(w, http.StatusText(code), code)
	case "rest_empty":
		writeQuery(w, mustJSON(row{q.collection + "_list": []row{}, "returned": 0}))
	case "rest_slow":
		delay := ms(f.DelayMS)
		if delay == 0 {
			delay = slowAnswer
		}
		_ = sleep(r.Context(), s.ctx, delay)
		return r.Context().Err() != nil
	case "rest_hang":
		s.hang(r, f)
		panic(http.ErrAbortHandler)
	case "rest_cut":
		s.cut(w, q)
	}
	return true
}

// struck returns the first fault that strikes a collection.
func (s *Server) struck(collection string) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for f := range s.faults.named("rest_") {
		if f.Name != "rest_join_unavailable" && (f.Collection == "" || f.Collection == collection) && f.rolls() {
			return f
		}
	}
	return nil
}

// hangCheck is how often a hanging request looks whether its fault is over.
const hangCheck = 20 * time.Millisecond

// hang blocks until the client goes, the fault ends, or the server closes.
func (s *Server) hang(r *http.Request, f *Fault) {
	for s.hasFault(f.ID) {
		if sleep(r.Context(), s.ctx, hangCheck) != nil {
			return
		}
	}
}

func (s *Server) hasFault(id int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.faults.active {
		if f.ID == id {
			return true
		}
	}
	return false
}

// cut promises the whole body and sends half of it.
func (s *Server) cut(w http.ResponseWriter, q *query) {
	s.mu.Lock()
	body, err := q.run()
	s.mu.Unlock()
	if err != nil {
		body = err.body
	}
	text := encode(body)
	w.Header().Set("Content-Type", queryContentType)
	w.Header().Set("Content-Length", itoa(int64(len(text))))
	_, _ = w.Write(text[:len(text)/2])
	if f, ok := w.(http.Flusher); ok {
		f.Flush()
	}
	panic(http.ErrAbortHandler)
}

// breakParts decides which sub-collections are down in this answer.
func (q *query) breakParts() {
	for f := range q.s.faults.named("rest_join_unavailable") {
		if !f.rolls() {
			continue
		}
		for name := range collections {
			if (f.Collection == "" || f.Collection == name) && name != q.collection {
				q.broken[name] = true
			}
		}
	}
}

// refused plays the handshake faults and reports whether one has answered.
func (s *Server) refused(w http.ResponseWriter, r *http.Request) bool {
	s.mu.Lock()
	var struck *Fault
	for _, f := range s.faults.active {
		if (f.Name == "refuse_handshake" || f.Name == "hang_handshake") && f.rolls() {
			struck = f
			break
		}
	}
	s.mu.Unlock()
	switch {
	case struck == nil:
		return false
	case struck.Name == "hang_handshake":
		s.hang(r, struck)
		panic(http.ErrAbortHandler)
	case struck.Code < 100 || struck.Code > 999:
		http.Error(w, "Forbidden", http.StatusForbidden)
	default:
		http.Error(w, http.StatusText(struck.Code), struck.Code)
	}
	return true
}
