package game

import (
	"html/template"
	"net/http"
)

// pageTemplate is the whole page: what this is, and where to steer it.
const pageTemplate = `<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Game simulator</title>
<style>:root{color-scheme:light dark}body{font:15px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem}code{font-size:.95em}td{padding:.1rem .8rem .1rem 0;vertical-align:top}</style>
</head><body>
<h1>Game simulator</h1>
<p>{{.State.Characters}} characters, {{.State.Emitted}} events so far, {{len .State.Clients}} stream clients, {{len .State.Faults}} faults active{{if .State.Paused}}, paused{{end}}.</p>
<h2>Services</h2>
<ul><li>Stream: <code>/streaming?environment=ps2&amp;service-id=s:example</code> (WebSocket)</li>
<li>Queries: <a href="/s:example/get/ps2:v2/character?name.first_lower=kestrel&amp;c:resolve=online_status,outfit"><code>/s:example/get/ps2:v2/character?name.first_lower=kestrel</code></a></li></ul>
<h2>Control</h2>
<ul><li><a href="/sim/state">GET /sim/state</a></li><li><a href="/sim/characters?name=kestrel">GET /sim/characters?name=</a></li>
<li><a href="/sim/journal?after=0&amp;limit=100">GET /sim/journal?after=&amp;limit=</a></li><li><a href="/sim/faults">GET /sim/faults</a></li>
<li><code>POST /sim/login</code>, <code>/sim/logout</code> <code>{"character":"Ravenholt"}</code></li>
<li><code>POST /sim/kill</code> <code>{"attacker":"Kestrel","victim":"…","weapon":"80","headshot":true}</code></li>
<li><code>POST /sim/outfit</code> <code>{"character":"…","tag":"HNW"}</code></li>
<li><code>POST /sim/emit</code> a payload object</li><li><code>POST /sim/rate</code> <code>{"events_per_second":200}</code></li>
<li><code>POST /sim/pause</code>, <code>/sim/resume</code>, <code>/sim/step</code> <code>{"steps":10}</code> (manual clock)</li>
<li><code>POST /sim/fault</code> <code>{"fault":"silent_world","world":"10","duration_ms":60000}</code>, <code>DELETE /sim/fault?id=</code></li>
<li><code>POST /sim/replay</code> <code>{"path":"…","speed":1,"shift":true}</code> or <code>"lines"</code></li></ul>
<h2>Faults</h2>
<table>{{range .Faults}}<tr><td><code>{{.Name}}</code></td><td>{{.Description}}</td></tr>{{end}}</table>
</body></html>
`

// servePage writes the page at /.
func (s *Server) servePage(w http.ResponseWriter, _ *http.Request) {
	t, err := template.New("page").Parse(pageTemplate)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = t.Execute(w, struct {
		State  State
		Faults []FaultKind
	}{s.State(), Catalogue()})
}
