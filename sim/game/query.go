package game

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// A row is one row of a collection. Values are strings, rows, or lists of rows.
type row = map[string]any

// A query is one request being answered. The server's lock is held while it
// reads the model.
type query struct {
	s          *Server
	env        string
	now, asOf  time.Time
	collection string
	count      bool
	ids        string
	params     url.Values
	index      map[string]map[string][]row
	broken     map[string]bool // sub-collections that are unavailable in this answer
}

// A queryError is what the service says instead of a list (census 6).
type queryError struct{ body row }

func (e *queryError) Error() string { return string(mustJSON(e.body)) }

func plainError(text string) *queryError { return &queryError{row{"error": text}} }

func searchTermError(text string) *queryError {
	return &queryError{row{"errorCode": "SERVER_ERROR", "errorMessage": "INVALID_SEARCH_TERM: " + text}}
}

// Texts of the service, as recorded.
const (
	textMissingID    = "Missing Service ID.  A valid Service ID is required for continued api use.  The Service ID s:example is for casual use only.  (http://census.daybreakgames.com/#devSignup)"
	textUnknownID    = "Provided Service ID is not registered.  A valid Service ID is required for continued api use. (http://census.daybreakgames.com/#devSignup)"
	textBadSyntax    = "Bad request syntax."
	textNoData       = "No data found."
	textUnavailable  = "service_unavailable"
	maxQueryURL      = 16 << 10 // bytes
	maxQueryRows     = 100_000
	slowAnswer       = 5 * time.Second
	homePage         = "https://www.daybreakgames.com/home"
	queryContentType = "text/plain;charset=UTF-8"
)

// serveQuery answers the query service of census 4. Status 200 carries most
// failures, as it does outside.
func (s *Server) serveQuery(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		http.Error(w, "Method Not Allowed", http.StatusMethodNotAllowed)
		return
	}
	if len(r.URL.RawQuery)+len(r.URL.Path) > maxQueryURL {
		http.Error(w, "URI Too Long", http.StatusRequestURITooLong)
		return
	}
	q, err := s.parseQuery(r)
	if err != nil {
		writeQuery(w, mustJSON(err.body))
		return
	}
	if s.queryFault(w, r, q) {
		return
	}
	s.mu.Lock()
	body, err := q.run()
	s.mu.Unlock()
	if err != nil {
		body = err.body
		if q.count {
			body = row{"count": -1}
		}
	}
	writeQuery(w, encode(body))
}

func encode(body row) []byte {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(body); err != nil {
		return mustJSON(row{"errorCode": "SERVER_ERROR"})
	}
	return bytes.TrimSpace(buf.Bytes())
}

func writeQuery(w http.ResponseWriter, body []byte) {
	w.Header().Set("Content-Type", queryContentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body)
}

// parseQuery takes the path apart: /s:ID[/FORMAT]/VERB/NAMESPACE/COLLECTION[/IDS].
func (s *Server) parseQuery(r *http.Request) (*query, *queryError) {
	parts := strings.FieldsFunc(r.URL.Path, func(c rune) bool { return c == '/' })
	id := ""
	if len(parts) > 0 && strings.HasPrefix(parts[0], "s:") {
		id, parts = parts[0], parts[1:]
	}
	if len(parts) > 0 && parts[0] == "json" {
		parts = parts[1:]
	}
	if len(parts) == 0 || parts[0] != "get" && parts[0] != "count" || len(parts) > 4 || strings.Contains(r.URL.Path, "&") {
		return nil, plainError(textBadSyntax)
	}
	if len(parts) == 1 {
		return nil, &queryError{row{"errorCode": "SERVER_ERROR"}}
	}
	if id == "" {
		return nil, plainError(textMissingID)
	}
	if !s.cfg.knows(id) {
		return nil, plainError(textUnknownID)
	}
	name, version, _ := strings.Cut(parts[1], ":")
	if !s.cfg.serves(name) && name != "global" || version != "" && version != "v1" && version != "v2" || len(parts) == 2 {
		return nil, plainError(textNoData)
	}
	params, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, plainError(textBadSyntax)
	}
	q := &query{
		s: s, env: name, collection: parts[2], count: parts[0] == "count", params: params,
		index: map[string]map[string][]row{}, broken: map[string]bool{},
	}
	if len(parts) == 4 {
		q.ids = parts[3]
	}
	return q, nil
}

// run answers with the body of a list or a count.
func (q *query) run() (row, *queryError) {
	q.now = q.s.now()
	q.asOf = q.now.Add(-q.s.cfg.Lag)
	q.breakParts()
	if special := q.special(); special != nil {
		if q.count {
			return row{"count": -1}, nil
		}
		rows, err := special()
		if err != nil {
			return nil, err
		}
		return q.shape(rows)
	}
	def, known := collections[q.collection]
	if !known {
		return nil, plainError(textNoData)
	}
	terms, err := q.terms(def)
	if err != nil {
		return nil, err
	}
	rows := q.candidates(def, terms)
	if err := q.checkTerms(def, rows, terms); err != nil {
		return nil, err
	}
	rows = filter(rows, terms, q.foldsCase())
	rows = having(rows, q.params.Get("c:has"))
	if q.count {
		return row{"count": len(rows)}, nil
	}
	return q.page(def, rows, terms)
}

func (q *query) foldsCase() bool { return q.params.Get("c:case") == "false" }

// page sorts, cuts, joins, resolves and projects.
func (q *query) page(def *collectionDef, rows []row, terms []term) (row, *queryError) {
	sortRows(rows, q.params.Get("c:sort"))
	if q.params.Get("c:exactMatchFirst") == "true" {
		rows = exactFirst(rows, terms)
	}
	if !def.bare && !def.whole {
		start, err := q.number("c:start", 0)
		if err != nil {
			return nil, err
		}
		limit, err := q.number("c:limit", 1)
		if err != nil {
			return nil, err
		}
		if _, given := q.params["c:limitPerDB"]; given {
			limit = maxQueryRows
		}
		rows = rows[min(start, len(rows)):]
		rows = rows[:min(limit, len(rows), maxQueryRows)]
	}
	return q.shape(rows)
}

// shape resolves, joins and projects rows, and wraps them in a list.
func (q *query) shape(rows []row) (row, *queryError) {
	out := make([]row, len(rows))
	for i, r := range rows {
		out[i] = cloneRow(r)
		if q.collection == "map" { // its terms are not among its fields
			delete(out[i], "world_id")
			delete(out[i], "zone_ids")
		}
	}
	def := collections[q.collection]
	added := map[string]bool{}
	if def == nil || !def.bare {
		q.resolve(out, added)
	}
	for _, text := range q.params["c:join"] {
		joins, err := parseJoins(text)
		if err != nil {
			return nil, err
		}
		out = q.join(q.collection, out, joins, added)
	}
	if def == nil || !def.bare {
		if err := q.project(out, added); err != nil {
			return nil, err
		}
	}
	if out == nil {
		out = []row{}
	}
	body := row{q.collection + "_list": out, "returned": len(out)}
	if tree := q.params.Get("c:tree"); tree != "" {
		body[q.collection+"_list"] = treeOf(out, tree)
	}
	if q.params.Get("c:timing") == "true" {
		body["timing"] = row{"total-ms": 1}
	}
	return body, nil
}

// project applies c:show or c:hide; show wins. What was joined stays.
func (q *query) project(rows []row, added map[string]bool) *queryError {
	show, hide := splitList(q.params.Get("c:show"), ","), splitList(q.params.Get("c:hide"), ",")
	if len(rows) > 0 && len(show) > 0 {
		shown := false
		for _, r := range rows {
			for _, f := range show {
				shown = shown || has(r, f)
			}
		}
		if !shown {
			return searchTermError("c:show or c:hide resulted in no valid terms.")
		}
	}
	for i, r := range rows {
		rows[i] = projected(r, show, hide, added)
	}
	return nil
}

func (q *query) number(name string, fallback int) (int, *queryError) {
	text := q.params.Get(name)
	if text == "" {
		return fallback, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, searchTermError("Invalid search term: " + name + ". Value must be a whole number.")
	}
	return n, nil
}

func splitList(text, sep string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, sep)
}
