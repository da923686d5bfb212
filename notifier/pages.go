package notifier

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

//go:embed web/dist
var distFiles embed.FS

//go:embed templates
var templateFiles embed.FS

// assets are the embedded files of the page.
type assets struct {
	files    map[string][]byte // by hashed name
	manifest map[string]string // from plain names to hashed ones
	pages    map[string]*template.Template
}

// loadAssets reads what esbuild made; see notifier/web/build.mjs.
func loadAssets() (*assets, error) {
	a := &assets{files: map[string][]byte{}, pages: map[string]*template.Template{}}
	manifest, err := distFiles.ReadFile("web/dist/manifest.json")
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(manifest, &a.manifest); err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	for _, name := range a.manifest {
		if a.files[name], err = fs.ReadFile(distFiles, path.Join("web/dist", name)); err != nil {
			return nil, err
		}
	}
	return a, a.parsePages()
}

func (a *assets) parsePages() error {
	funcs := template.FuncMap{
		"asset": func(name string) (string, error) {
			if hashed, ok := a.manifest[name]; ok {
				return "/static/" + hashed, nil
			}
			return "", fmt.Errorf("no asset %s", name)
		},
		"json": func(v any) (string, error) {
			b, err := json.Marshal(v)
			return string(b), err
		},
		"clock": clock, "date": date,
		"iso":    func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"lasted": lasted,
	}
	for _, name := range []string{"live", "status", "character", "outfit", "error"} {
		t, err := template.New("layout.html").Funcs(funcs).
			ParseFS(templateFiles, "templates/layout.html", "templates/"+name+".html")
		if err != nil {
			return err
		}
		a.pages[name] = t
	}
	return nil
}

func clock(t time.Time) string { return t.UTC().Format("15:04:05") }

// date leaves out the day where it is today's.
func date(t time.Time) string {
	if now := time.Now().UTC(); t.UTC().Truncate(24 * time.Hour).Equal(now.Truncate(24 * time.Hour)) {
		return t.UTC().Format("15:04")
	}
	return t.UTC().Format("2 Jan 15:04")
}

// lasted writes the time between from and to, or now if to is zero.
func lasted(from, to time.Time) string {
	if to.IsZero() {
		to = time.Now()
	}
	d := max(0, to.Sub(from))
	switch {
	case d < time.Minute:
		return strconv.Itoa(int(d/time.Second)) + " s"
	case d < time.Hour:
		return strconv.Itoa(int(d/time.Minute)) + " min"
	}
	return fmt.Sprintf("%d h %02d min", int(d/time.Hour), int(d/time.Minute)%60)
}

// static serves a file whose name holds the hash of its content.
func (n *Notifier) static(w http.ResponseWriter, r *http.Request) {
	body, ok := n.assets.files[r.PathValue("file")]
	if !ok {
		n.notFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", contentType(path.Ext(r.PathValue("file"))))
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the client has gone: nobody is left to tell
	}
}

// contentType does not ask the machine's own tables, which differ.
func contentType(ext string) string {
	switch ext {
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	}
	return "text/plain; charset=utf-8"
}

// page is what the layout shows around a page's own data.
type page struct {
	Title  string
	Nav    string // which entry of the navigation is this page
	Script string // the bundle to run, "" for none
	Data   any
}

func (n *Notifier) render(w http.ResponseWriter, status int, name string, p page) {
	var body bytes.Buffer
	if err := n.assets.pages[name].Execute(&body, p); err != nil {
		panic(fmt.Errorf("page %s: %w", name, err)) // a fault in a template; finish answers
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-cache")
	h.Set("Content-Length", strconv.Itoa(body.Len()))
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes()) // the client has gone: nobody is left to tell
}

// livePage needs nothing of the store: it stands when that does not.
func (n *Notifier) livePage(w http.ResponseWriter, _ *http.Request) {
	n.render(w, http.StatusOK, "live", page{Title: "Live", Nav: "live", Script: "live.js",
		Data: n.worldViews(n.hub.onlineCounts(), time.Now())})
}

func (n *Notifier) statusPage(w http.ResponseWriter, r *http.Request) {
	show(n, w, r, "status", func(ctx context.Context) (page, error) {
		s, err := n.readStatus(ctx)
		s.Gaps = slices.DeleteFunc(s.Gaps, tooShort)
		return page{Title: "Status", Nav: "status", Script: "pages.js", Data: s}, err
	})
}

// tooShort says that a hole is none to people: it ended within a second.
func tooShort(g gapView) bool { return !g.To.IsZero() && g.To.Sub(g.From) < time.Second }

func (n *Notifier) characterPage(w http.ResponseWriter, r *http.Request) {
	show(n, w, r, "character", func(ctx context.Context) (page, error) {
		c, err := n.findCharacter(ctx, r.PathValue("who"))
		if err != nil {
			return page{}, err
		}
		return page{Title: c.DisplayName(), Script: "pages.js", Data: c}, nil
	})
}

func (n *Notifier) outfitPage(w http.ResponseWriter, r *http.Request) {
	show(n, w, r, "outfit", func(ctx context.Context) (page, error) {
		o, err := n.findRoster(ctx, r.PathValue("tag"))
		return page{Title: o.Outfit.Name, Script: "pages.js", Data: o}, err
	})
}

// show renders what read returns, or a page that says why not.
func show(n *Notifier, w http.ResponseWriter, r *http.Request, name string, read func(context.Context) (page, error)) {
	ctx, cancel := context.WithTimeout(r.Context(), storeTimeout)
	defer cancel()
	p, err := read(ctx)
	switch none := missing(""); {
	case err == nil:
		n.render(w, http.StatusOK, name, p)
	case errors.As(err, &none):
		n.errorPage(w, http.StatusNotFound, capital(none.Error())+".")
	default:
		n.storeFailed(r, err)
		n.errorPage(w, http.StatusServiceUnavailable, "The store does not answer just now. Try again in a moment.")
	}
}

func (n *Notifier) errorPage(w http.ResponseWriter, status int, text string) {
	n.render(w, status, "error", page{Title: http.StatusText(status), Data: struct {
		Status    int
		Text      string
		RequestID string
	}{status, text, w.Header().Get("X-Request-Id")}})
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// wantsHTML reports whether a person looks at the answer.
func wantsHTML(r *http.Request) bool {
	return !strings.HasPrefix(r.URL.Path, "/api/") && strings.Contains(r.Header.Get("Accept"), "text/html")
}
