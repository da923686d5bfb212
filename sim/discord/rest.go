package discord

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// maxBody is the bytes of a request, files included.
const maxBody = 25 << 20

// A route is an operation of the REST API; pattern is written as in
// Discord's OpenAPI document.
type route struct {
	method, pattern string
	// interaction routes need no bot token and are outside the global limit
	// (notes 5).
	interaction bool
	check       func(*Server, *call, *checker)
	handle      func(*Server, *call) (reply, *apiError)
}

func (rt *route) key() string { return rt.method + " " + rt.pattern }

// match returns the variables of path, if it fits the pattern.
func (rt *route) match(path []string) (map[string]string, bool) {
	want := strings.Split(rt.pattern[1:], "/")
	if len(want) != len(path) {
		return nil, false
	}
	vars := map[string]string{}
	for i, w := range want {
		switch {
		case strings.HasPrefix(w, "{"):
			vars[w[1:len(w)-1]] = path[i]
		case w != path[i]:
			return nil, false
		}
	}
	return vars, true
}

// A call is one request on its way through.
type call struct {
	r     *http.Request
	route *route
	vars  map[string]string
	at    time.Time
	body  []byte
	doc   any // the decoded body; nil without one
	files []Attachment
}

// object returns the body as an object; an absent one is empty.
func (c *call) object() map[string]any {
	m, _ := c.doc.(map[string]any)
	return m
}

// resource is what a route's limit is counted for.
func (c *call) resource() string {
	for _, name := range []string{"channel_id", "guild_id", "webhook_token", "interaction_token", "application_id"} {
		if v := c.vars[name]; v != "" {
			return v
		}
	}
	return ""
}

// A reply is what a call is answered with; no body is an empty answer.
type reply struct {
	status int
	body   any
	html   string
	header http.Header
}

func (e *apiError) reply() reply { return reply{status: e.status, body: e.body()} }

// serveREST answers one request under /api/.
func (s *Server) serveREST(w http.ResponseWriter, r *http.Request) {
	c := &call{r: r, at: s.cfg.Now()}
	rep := s.process(c)
	if rep.status == 0 { // the fault is that there is no answer
		panic(http.ErrAbortHandler)
	}
	s.count(rep)
	for k, v := range rep.header {
		w.Header()[k] = v
	}
	switch {
	case rep.html != "":
		w.Header().Set("Content-Type", "text/html; charset=UTF-8")
		w.WriteHeader(rep.status)
		_, _ = io.WriteString(w, rep.html)
	case rep.body == nil:
		w.WriteHeader(rep.status)
	default:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(rep.status)
		_ = json.NewEncoder(w).Encode(rep.body)
	}
}

// count keeps the tally of refused requests (notes 6, "Ban arithmetic").
func (s *Server) count(rep reply) {
	limited := rep.status == http.StatusTooManyRequests
	bad := rep.status == 401 || rep.status == 403 || limited && rep.header.Get("X-RateLimit-Scope") != "shared"
	s.mu.Lock()
	if limited {
		s.stats.RateLimited++
	}
	if bad {
		s.stats.Invalid++
	}
	s.mu.Unlock()
	if bad {
		s.limits.countInvalid()
	}
}

// process takes a request through Discord's gates in their order.
func (s *Server) process(c *call) reply {
	if e := s.route(c); e != nil {
		return e.reply()
	}
	if left := s.limits.ban(); left > 0 {
		return banPage(left)
	}
	f, struck := s.faults.strike(func(f *Fault) bool { return s.strikes(f, c) })
	if struck && f.Kind != FaultLost {
		rep, over := s.misbehave(f, c)
		if over {
			return rep
		}
	}
	rep := s.answer(c)
	if struck && f.Kind == FaultLost {
		return (&apiError{status: f.Status, message: strconv.Itoa(f.Status) + ": " + http.StatusText(f.Status)}).reply()
	}
	return rep
}

// answer is process without faults.
func (s *Server) answer(c *call) reply {
	if !c.route.interaction && !s.authorized(c.r.Header.Get("Authorization")) {
		return plain(http.StatusUnauthorized, "Unauthorized").reply()
	}
	header, refused := s.limits.allow(c.route, c.resource())
	if refused != nil {
		return refused.answer(header)
	}
	rep := s.run(c)
	rep.header = header
	return rep
}

// run validates a call and does it.
func (s *Server) run(c *call) reply {
	if e := s.decode(c); e != nil {
		return e.reply()
	}
	if ps := s.inspect(c); len(ps) > 0 {
		s.violate(c, ps)
		return invalid(ps...).reply()
	}
	rep, e := c.route.handle(s, c)
	if e != nil {
		if e.code == 50035 {
			s.violate(c, e.errors)
		}
		return e.reply()
	}
	rep.status = orElse(rep.status, http.StatusOK)
	return rep
}

func (s *Server) authorized(header string) bool {
	token, ok := strings.CutPrefix(header, "Bot ")
	return ok && token != "" && (s.cfg.Token == "" || token == s.cfg.Token)
}

// route finds what c is for.
func (s *Server) route(c *call) *apiError {
	path := strings.Split(strings.Trim(c.r.URL.Path, "/"), "/")
	if len(path) < 3 || path[1] != "v9" && path[1] != "v10" {
		return plain(http.StatusNotFound, "Not Found")
	}
	found := false
	for _, rt := range s.routes {
		vars, ok := rt.match(path[2:])
		found = found || ok
		if ok && rt.method == c.r.Method {
			c.route, c.vars = rt, vars
			s.mu.Lock()
			s.stats.Requests++
			s.stats.Routes[rt.key()]++
			s.mu.Unlock()
			return nil
		}
	}
	if found {
		return plain(http.StatusMethodNotAllowed, "Method Not Allowed")
	}
	return plain(http.StatusNotFound, "Not Found")
}

// decode reads the body, and the files of a multipart one.
func (s *Server) decode(c *call) *apiError {
	for name, v := range c.vars {
		if strings.HasSuffix(name, "_id") && !isSnowflake(v) {
			return invalid(problem{path: []string{name}, code: "NUMBER_TYPE_COERCE", message: "Value " + strconv.Quote(v) + " is not snowflake."})
		}
	}
	raw, err := io.ReadAll(io.LimitReader(c.r.Body, maxBody+1))
	if err != nil {
		return fail(50109)
	}
	if len(raw) > maxBody {
		return &apiError{status: 413, code: 40005, message: "Request entity too large"}
	}
	kind, params, _ := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if kind == "multipart/form-data" {
		if raw, err = c.parts(raw, params["boundary"]); err != nil {
			return fail(50109)
		}
	}
	if c.body = raw; len(raw) == 0 {
		return nil
	}
	if c.doc, err = jsonschema.UnmarshalJSON(bytes.NewReader(raw)); err != nil {
		return fail(50109)
	}
	return nil
}

// parts splits a multipart body into payload_json, which it returns, and
// files.
func (c *call) parts(raw []byte, boundary string) ([]byte, error) {
	var payload []byte
	mr := multipart.NewReader(bytes.NewReader(raw), boundary)
	for {
		p, err := mr.NextPart()
		if errors.Is(err, io.EOF) {
			return payload, nil
		}
		if err != nil {
			return nil, err
		}
		content, err := io.ReadAll(p)
		if err != nil {
			return nil, err
		}
		if p.FormName() == "payload_json" {
			payload = content
			continue
		}
		c.files = append(c.files, Attachment{
			Filename: p.FileName(), Size: len(content), ContentType: p.Header.Get("Content-Type"), Content: content,
		})
	}
}

// inspect returns what is wrong with the body of c.
func (s *Server) inspect(c *call) []problem {
	if c.route.check == nil {
		return nil
	}
	if c.doc == nil && len(c.files) == 0 {
		return []problem{{code: "BASE_TYPE_REQUIRED", message: "A body is required"}}
	}
	ch := &checker{}
	c.route.check(s, c, ch)
	if c.doc == nil {
		return ch.problems
	}
	ps, err := s.oracle.check(c.route.method, c.route.pattern, c.doc)
	if err != nil {
		s.cfg.Log.Error("openapi check", "route", c.route.key(), "err", err)
	}
	return append(ch.problems, ps...)
}
