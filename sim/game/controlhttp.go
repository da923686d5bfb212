package game

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
)

// maxBody bounds a control request, in bytes; a replay's is larger.
const (
	maxBody       = 1 << 20
	maxReplayBody = 64 << 20
)

// serveControl answers /sim/.
func (s *Server) serveControl(w http.ResponseWriter, r *http.Request) {
	limit := int64(maxBody)
	if r.URL.Path == "/sim/replay" {
		limit = maxReplayBody
	}
	r.Body = http.MaxBytesReader(w, r.Body, limit)
	handler := s.controls()[r.Method+" "+r.URL.Path]
	if handler == nil {
		writeJSON(w, http.StatusNotFound, row{"error": "no such control; see /"})
		return
	}
	answer, err := handler(r)
	if err != nil {
		writeJSON(w, http.StatusBadRequest, row{"error": err.Error()})
		return
	}
	writeJSON(w, http.StatusOK, answer)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

var okay = row{"ok": true}

func (s *Server) controls() map[string]func(*http.Request) (any, error) {
	return map[string]func(*http.Request) (any, error){
		"GET /sim/state":      func(*http.Request) (any, error) { return s.State(), nil },
		"GET /sim/characters": func(r *http.Request) (any, error) { return s.Characters(r.URL.Query().Get("name")), nil },
		"GET /sim/faults":     func(*http.Request) (any, error) { return row{"available": Catalogue(), "active": s.Faults()}, nil },
		"GET /sim/journal":    s.controlJournal,
		"POST /sim/login":     s.controlPresence(s.Login),
		"POST /sim/logout":    s.controlPresence(s.Logout),
		"POST /sim/kill":      s.controlKill,
		"POST /sim/outfit":    s.controlMove,
		"POST /sim/emit":      s.controlEmit,
		"POST /sim/rate":      s.controlRate,
		"POST /sim/pause":     func(*http.Request) (any, error) { s.Pause(); return okay, nil },
		"POST /sim/resume":    func(*http.Request) (any, error) { s.Resume(); return okay, nil },
		"POST /sim/step":      s.controlStep,
		"POST /sim/fault":     s.controlFault,
		"DELETE /sim/fault":   s.controlClear,
		"POST /sim/replay":    s.controlReplay,
	}
}

func decode(r *http.Request, into any) error {
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return fmt.Errorf("body: %w", err)
	}
	return nil
}

func (s *Server) controlJournal(r *http.Request) (any, error) {
	after, err := strconv.ParseInt("0"+r.URL.Query().Get("after"), 10, 64)
	if err != nil {
		return nil, errors.New("after: not a number")
	}
	limit, err := strconv.Atoi("0" + r.URL.Query().Get("limit"))
	if err != nil {
		return nil, errors.New("limit: not a number")
	}
	if limit == 0 || limit > 10_000 {
		limit = 10_000
	}
	entries := s.Journal(after, limit)
	if entries == nil {
		entries = []Entry{}
	}
	return entries, nil
}

func (s *Server) controlPresence(do func(string) error) func(*http.Request) (any, error) {
	return func(r *http.Request) (any, error) {
		var body struct {
			Character string `json:"character"`
		}
		if err := decode(r, &body); err != nil {
			return nil, err
		}
		return okay, do(body.Character)
	}
}

func (s *Server) controlKill(r *http.Request) (any, error) {
	var k Kill
	if err := decode(r, &k); err != nil {
		return nil, err
	}
	return okay, s.Kill(k)
}

func (s *Server) controlMove(r *http.Request) (any, error) {
	var body struct {
		Character string `json:"character"`
		Tag       string `json:"tag"`
	}
	if err := decode(r, &body); err != nil {
		return nil, err
	}
	return okay, s.Move(body.Character, body.Tag)
}

func (s *Server) controlEmit(r *http.Request) (any, error) {
	payload, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, fmt.Errorf("body: %w", err)
	}
	return okay, s.Emit(payload)
}

func (s *Server) controlRate(r *http.Request) (any, error) {
	var body struct {
		EventsPerSecond float64 `json:"events_per_second"`
	}
	if err := decode(r, &body); err != nil {
		return nil, err
	}
	return okay, s.SetRate(body.EventsPerSecond)
}

// maxSteps bounds one step request: an hour of game time.
const maxSteps = 36_000

func (s *Server) controlStep(r *http.Request) (any, error) {
	var body struct {
		Steps int `json:"steps"`
	}
	if err := decode(r, &body); err != nil {
		return nil, err
	}
	if !s.cfg.Manual || body.Steps < 0 || body.Steps > maxSteps {
		return nil, errors.New("steps need a manual clock, and at most 36000 at once")
	}
	s.Step(body.Steps)
	return okay, nil
}

func (s *Server) controlFault(r *http.Request) (any, error) {
	var f Fault
	if err := decode(r, &f); err != nil {
		return nil, err
	}
	return s.SetFault(f)
}

func (s *Server) controlClear(r *http.Request) (any, error) {
	id, err := strconv.ParseInt("0"+r.URL.Query().Get("id"), 10, 64)
	if err != nil {
		return nil, errors.New("id: not a number")
	}
	return row{"cleared": s.ClearFault(id)}, nil
}

// controlReplay plays lines of the request, or of a file under StaticDir, and
// answers when it is done.
func (s *Server) controlReplay(r *http.Request) (any, error) {
	var body struct {
		Path  string            `json:"path"`
		Lines []json.RawMessage `json:"lines"`
		Speed float64           `json:"speed"`
		Shift bool              `json:"shift"`
	}
	if err := decode(r, &body); err != nil {
		return nil, err
	}
	var lines [][]byte
	for _, l := range body.Lines {
		var text string
		if json.Unmarshal(l, &text) == nil {
			l = []byte(text)
		}
		lines = append(lines, l)
	}
	if body.Path != "" {
		var err error
		if lines, err = s.readRecording(body.Path); err != nil {
			return nil, err
		}
	}
	n, err := s.Replay(r.Context(), lines, ReplayOptions{Speed: body.Speed, Shift: body.Shift})
	return row{"sent": n}, err
}

// readRecording reads a file that must lie in the static directory; os.Root
// lets no path out of it.
func (s *Server) readRecording(path string) ([][]byte, error) {
	if s.cfg.StaticDir == "" {
		return nil, errors.New("path: no static directory is set")
	}
	root, err := os.OpenRoot(s.cfg.StaticDir)
	if err != nil {
		return nil, errors.New("path: the static directory cannot be read")
	}
	defer func() { _ = root.Close() }()
	f, err := root.Open(filepath.FromSlash(path))
	if err != nil {
		return nil, fmt.Errorf("path: %q is not in the static directory", path)
	}
	defer func() { _ = f.Close() }()
	return ReadLines(io.LimitReader(f, maxReplayBody))
}
