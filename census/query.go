package census

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sony/gobreaker/v2"
	"golang.org/x/time/rate"

	"muster/event"
	"muster/internal/backoff"
)

// QueryURL is the public query service.
const QueryURL = "https://census.daybreakgames.com"

// Bounds of one question (census 4).
const (
	maxBatch  = 50       // ids
	maxURL    = 8 << 10  // bytes
	maxAnswer = 16 << 20 // bytes; a larger answer counts as unavailable
	pageSize  = 5000     // rows
	maxPages  = 40       // of one table or roster
)

// A QueryConfig says whom to ask and how hard. Zero fields get the value named
// beside them.
type QueryConfig struct {
	URL       string // QueryURL
	ServiceID string // without "s:"; required
	Log       *slog.Logger
	// Registerer gets muster_census_queries_total and
	// muster_census_query_seconds; none.
	Registerer prometheus.Registerer

	Rate     float64       // 4 requests/s
	Burst    int           // 4
	Parallel int           // 4 requests at once
	Timeout  time.Duration // 15 s for each request
	Retries  int           // 3 after the first try, for what is temporary; negative: none
	Backoff  time.Duration // 500 ms before the first retry, doubling to 8 s, with jitter
	// A collection that failed BreakerFailures (5) times in a row is left alone
	// for BreakerPause (30 s).
	BreakerFailures uint32
	BreakerPause    time.Duration
	Transport       http.RoundTripper // http.DefaultTransport
}

func (c QueryConfig) withDefaults() QueryConfig {
	if c.URL == "" {
		c.URL = QueryURL
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Rate <= 0 {
		c.Rate = 4
	}
	if c.Burst <= 0 {
		c.Burst = 4
	}
	if c.Parallel <= 0 {
		c.Parallel = 4
	}
	if c.Timeout <= 0 {
		c.Timeout = 15 * time.Second
	}
	if c.Retries == 0 {
		c.Retries = 3
	}
	if c.Backoff <= 0 {
		c.Backoff = 500 * time.Millisecond
	}
	if c.BreakerFailures == 0 {
		c.BreakerFailures = 5
	}
	if c.BreakerPause <= 0 {
		c.BreakerPause = 30 * time.Second
	}
	return c
}

// A Query asks the query service. Its methods are safe for concurrent use; they
// block while the service is asked too much already, and never longer than
// their context. Their errors wrap ErrNotFound, ErrUnavailable, ErrBadQuery,
// ErrServiceID or the context's own, and never hold the service id.
type Query struct {
	cfg     QueryConfig
	base    string // with the service id
	client  *http.Client
	limit   *rate.Limiter
	places  chan struct{}
	metrics *queryMetrics

	mu       sync.Mutex
	breakers map[string]*gobreaker.CircuitBreaker[struct{}] // by environment and collection
}

// NewQuery returns a client that has asked nothing yet.
func NewQuery(cfg QueryConfig) (*Query, error) {
	cfg = cfg.withDefaults()
	u, err := url.Parse(cfg.URL)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, errors.New("query url must look like https://host")
	}
	if cfg.ServiceID == "" || strings.HasPrefix(cfg.ServiceID, "s:") {
		return nil, errors.New("service id must be given without its s: prefix")
	}
	m, err := newQueryMetrics(cfg.Registerer)
	if err != nil {
		return nil, err
	}
	return &Query{
		cfg:  cfg,
		base: strings.TrimRight(cfg.URL, "/") + "/s:" + url.PathEscape(cfg.ServiceID),
		client: &http.Client{
			Transport: cfg.Transport,
			Timeout:   cfg.Timeout,
			// A redirect is an outage, not a new place (census 4).
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		limit:    rate.NewLimiter(rate.Limit(cfg.Rate), cfg.Burst),
		places:   make(chan struct{}, cfg.Parallel),
		metrics:  m,
		breakers: map[string]*gobreaker.CircuitBreaker[struct{}]{},
	}, nil
}

// A question is one request without its host and service id.
type question struct {
	verb       string // get if empty
	env        event.Environment
	collection string
	terms      []term
}

// A term is one name=value of a question. The value is escaped when it is sent.
type term struct{ name, value string }

// path returns the part of the URL behind the service id.
func (qu question) path() string {
	var b strings.Builder
	verb := qu.verb
	if verb == "" {
		verb = "get"
	}
	b.WriteString("/" + verb + "/" + qu.env.Namespace() + "/" + qu.collection)
	for i, t := range qu.terms {
		b.WriteByte("?&"[min(i, 1)])
		b.WriteString(t.name)
		b.WriteByte('=')
		b.WriteString(escape(t.value))
	}
	return b.String()
}

// escape writes a value so that nothing in it can end the term. The comma,
// which separates values, is legal in a query and stays readable.
func escape(s string) string {
	return strings.NewReplacer("+", "%20", "%2C", ",").Replace(url.QueryEscape(s))
}

// ask sends a question, again if it is worth it, until read finds no fault with
// the answer. It is never called with an answer that says it failed.
func (q *Query) ask(ctx context.Context, qu question, read func(body []byte) error) error {
	if !qu.env.Valid() {
		return fmt.Errorf("%w: environment %q", ErrBadQuery, qu.env)
	}
	wait := retryDelay{base: q.cfg.Backoff, limit: 16 * q.cfg.Backoff}
	for try := 0; ; try++ {
		err := q.guarded(ctx, qu, read)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("query %s: %w", qu.collection, ctx.Err())
		case errors.Is(err, gobreaker.ErrOpenState), errors.Is(err, gobreaker.ErrTooManyRequests):
			return fmt.Errorf("query %s: %w: it failed too often, waiting", qu.collection, ErrUnavailable)
		case try >= q.cfg.Retries, !errors.Is(err, ErrUnavailable):
			return fmt.Errorf("query %s: %w", qu.collection, err)
		}
		q.cfg.Log.DebugContext(ctx, "query failed, trying again", "collection", qu.collection, "err", err)
		if err := backoff.Sleep(ctx, wait.base/2+wait.next()); err != nil {
			return fmt.Errorf("query %s: %w", qu.collection, err)
		}
	}
}

// guarded sends a question once, unless its collection's breaker is open.
func (q *Query) guarded(ctx context.Context, qu question, read func(body []byte) error) error {
	_, err := q.breaker(qu).Execute(func() (struct{}, error) {
		select {
		case q.places <- struct{}{}:
			defer func() { <-q.places }()
		case <-ctx.Done():
			return struct{}{}, ctx.Err()
		}
		if err := q.limit.Wait(ctx); err != nil {
			return struct{}{}, context.DeadlineExceeded // Wait also says so ahead of the deadline
		}
		start := time.Now()
		body, err := q.send(ctx, qu)
		if err == nil {
			err = read(body)
		}
		q.metrics.observe(qu.collection, err, time.Since(start))
		return struct{}{}, err
	})
	return err
}

// breaker returns the breaker of a collection. Only what is temporary counts
// against it: a bad query says nothing of the collection.
func (q *Query) breaker(qu question) *gobreaker.CircuitBreaker[struct{}] {
	name := string(qu.env) + "/" + qu.collection
	q.mu.Lock()
	defer q.mu.Unlock()
	if b := q.breakers[name]; b != nil {
		return b
	}
	b := gobreaker.NewCircuitBreaker[struct{}](gobreaker.Settings{
		Name:         name,
		Timeout:      q.cfg.BreakerPause,
		ReadyToTrip:  func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= q.cfg.BreakerFailures },
		IsSuccessful: func(err error) bool { return !errors.Is(err, ErrUnavailable) },
		IsExcluded: func(err error) bool {
			return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
		},
		OnStateChange: func(name string, from, to gobreaker.State) {
			q.cfg.Log.Warn("query breaker", "collection", name, "from", from.String(), "to", to.String())
		},
	})
	q.breakers[name] = b
	return b
}

// send makes one request.
func (q *Query) send(ctx context.Context, qu question) ([]byte, error) {
	address := q.base + qu.path()
	if len(address) > maxURL {
		return nil, fmt.Errorf("%w: address of %d bytes", ErrBadQuery, len(address))
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: address cannot be parsed", ErrBadQuery)
	}
	resp, err := q.client.Do(req)
	if err != nil {
		return nil, q.sendError(ctx, err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil && resp.StatusCode == http.StatusOK:
		return nil, fmt.Errorf("%w: the answer broke off", ErrUnavailable)
	case len(body) > maxAnswer:
		return nil, fmt.Errorf("%w: answer over %d bytes", ErrUnavailable, maxAnswer)
	}
	return body, q.fault(resp.StatusCode, resp.Header.Get("Location"), body)
}

// fault is answerError without the service id, which an answer that repeats our
// address holds. It is taken out before the text is shortened, or a part of it
// would stay, and behind, where JSON has hidden it.
func (q *Query) fault(status int, location string, body []byte) error {
	err := answerError(status, location, body)
	if err == nil {
		return nil
	}
	if shown := answerError(status, location, []byte(q.hide(string(body)))); shown != nil {
		err = shown
	}
	if clean := q.hide(err.Error()); clean != err.Error() {
		return &hiddenError{text: clean, cause: err}
	}
	return err
}

// hide takes the service id out of a text.
func (q *Query) hide(text string) string {
	for _, id := range []string{q.cfg.ServiceID, url.PathEscape(q.cfg.ServiceID)} {
		text = strings.ReplaceAll(text, id, "…")
	}
	return text
}

// A hiddenError is cause with a text that holds no secret.
type hiddenError struct {
	text  string
	cause error
}

func (e *hiddenError) Error() string { return e.text }
func (e *hiddenError) Unwrap() error { return e.cause }

// sendError drops the URL, which holds the service id, from a client's error.
func (q *Query) sendError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var with *url.Error
	if errors.As(err, &with) {
		err = with.Err
	}
	return fmt.Errorf("%w: %s", ErrUnavailable, q.hide(err.Error()))
}

// rows asks for the list of a collection. A row that cannot be read is a fault
// of the answer, but one row does not spoil the others: it is left out.
func rows[T any](ctx context.Context, q *Query, qu question) (list []T, raw int, err error) {
	err = q.ask(ctx, qu, func(body []byte) (err error) {
		list, raw, err = decodeRows[T](body, qu.collection)
		return err
	})
	return list, raw, err
}

// decodeRows reads the list of an answer; raw is how many rows it had.
func decodeRows[T any](body []byte, collection string) (list []T, raw int, err error) {
	var answer map[string]json.RawMessage
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, 0, fmt.Errorf("%w: %s", ErrUnavailable, unreadable(body))
	}
	var all []json.RawMessage
	name := collection + "_list"
	if err := json.Unmarshal(answer[name], &all); err != nil {
		return nil, 0, fmt.Errorf("%w: answer without %s", ErrUnavailable, name)
	}
	for _, r := range all {
		var row T
		if json.Unmarshal(r, &row) == nil {
			list = append(list, row)
		}
	}
	return list, len(all), nil
}
