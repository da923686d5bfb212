package game

import (
	"slices"
	"strings"
)

// A joinSpec is one c:join (census 4.2).
type joinSpec struct {
	collection, on, to, at string
	show, hide             []string
	terms                  []term
	list, inner            bool
	nested                 []joinSpec
}

// maxJoinDepth bounds nesting.
const maxJoinDepth = 8

// parseJoins reads sibling joins: TYPE^key:value...(nested),TYPE...
func parseJoins(text string) ([]joinSpec, *queryError) {
	joins, rest, ok := joinList(text, 0)
	if !ok || rest != "" || len(joins) == 0 {
		return nil, searchTermError("Invalid join: " + text)
	}
	return joins, nil
}

func joinList(text string, depth int) ([]joinSpec, string, bool) {
	var out []joinSpec
	if depth > maxJoinDepth {
		return nil, "", false
	}
	for {
		end := strings.IndexAny(text, "(),")
		if end < 0 {
			end = len(text)
		}
		j, ok := oneJoin(text[:end])
		if !ok {
			return nil, "", false
		}
		text = text[end:]
		if strings.HasPrefix(text, "(") {
			if j.nested, text, ok = joinList(text[1:], depth+1); !ok || !strings.HasPrefix(text, ")") {
				return nil, "", false
			}
			text = text[1:]
		}
		out = append(out, j)
		if !strings.HasPrefix(text, ",") {
			return out, text, true
		}
		text = text[1:]
	}
}

func oneJoin(text string) (joinSpec, bool) {
	parts := strings.Split(text, "^")
	j := joinSpec{collection: strings.TrimPrefix(parts[0], "type:")}
	for _, p := range parts[1:] {
		key, value, ok := strings.Cut(p, ":")
		if !ok {
			return j, false
		}
		switch key {
		case "type":
			j.collection = value
		case "on":
			j.on = value
		case "to":
			j.to = value
		case "inject_at":
			j.at = value
		case "show":
			j.show = splitList(value, "'")
		case "hide":
			j.hide = splitList(value, "'")
		case "list":
			j.list = value == "1"
		case "outer":
			j.inner = value == "0"
		case "terms":
			for _, t := range splitList(value, "'") {
				field, v, _ := strings.Cut(t, "=")
				j.terms = append(j.terms, newTerm(field, v))
			}
		default:
			return j, false
		}
	}
	return j, j.collection != ""
}

// join adds each join to the rows and returns those that an inner join left.
// The names it adds are noted in added.
func (q *query) join(parent string, rows []row, joins []joinSpec, added map[string]bool) []row {
	for _, j := range joins {
		def, known := collections[j.collection]
		if !known {
			continue
		}
		j.complete(parent, def)
		path, field := "", j.on
		if i := strings.LastIndexByte(j.on, '.'); i >= 0 {
			path, field = j.on[:i], j.on[i+1:]
		}
		top, _, _ := strings.Cut(j.on, ".")
		if path == "" {
			top = j.at
		}
		added[top] = true
		rows = q.joinAt(rows, path, field, j, def)
	}
	return rows
}

// complete fills in what a join left out.
func (j *joinSpec) complete(parent string, def *collectionDef) {
	if j.on == "" {
		j.on = def.key
		if p := collections[parent]; p != nil && def.hasField(p.key) {
			j.on = p.key
		}
		if j.to != "" {
			j.on = j.to
		}
	}
	if j.to == "" {
		j.to = j.on[strings.LastIndexByte(j.on, '.')+1:]
	}
	if j.at == "" {
		j.at = j.on[strings.LastIndexByte(j.on, '.')+1:] + "_join_" + j.collection
	}
}

// joinAt walks to the rows that hold the field, through lists on the way.
func (q *query) joinAt(rows []row, path, field string, j joinSpec, def *collectionDef) []row {
	if path == "" {
		kept := []row{}
		for _, r := range rows {
			if q.joinOne(r, field, j, def) {
				kept = append(kept, r)
			}
		}
		return kept
	}
	head, rest, _ := strings.Cut(path, ".")
	for _, r := range rows {
		switch v := r[head].(type) {
		case row:
			q.joinAt([]row{v}, rest, field, j, def)
		case []row:
			r[head] = slices.Clip(q.joinAt(v, rest, field, j, def))
		}
	}
	return rows
}

// joinOne joins one row and reports whether it stays.
func (q *query) joinOne(r row, field string, j joinSpec, def *collectionDef) bool {
	var found []row
	if q.broken[j.collection] {
		if def.statusField == "" {
			r[j.at] = textUnavailable
			return true
		}
		found = []row{{def.key: valueAt(r, field), def.statusField: textUnavailable}}
	} else if value := valueAt(r, field); value != "" {
		for _, f := range q.lookup(j.collection, def, j.to, value) {
			if matchesAll(f, j.terms, false) {
				found = append(found, cloneRow(f))
				if !j.list && len(j.nested) == 0 {
					break
				}
			}
		}
	}
	added := map[string]bool{}
	found = q.join(j.collection, found, j.nested, added)
	if len(found) == 0 {
		return !j.inner
	}
	for i := range found {
		found[i] = projected(found[i], j.show, j.hide, added)
	}
	if j.list {
		r[j.at] = found
	} else {
		r[j.at] = found[0]
	}
	return true
}

// lookup returns the rows of a collection with a value in a field, from an
// index that lives as long as the request.
func (q *query) lookup(name string, def *collectionDef, field, value string) []row {
	if def.perCharacter != nil && field == "character_id" {
		return q.rowsOf(name, def, value)
	}
	key := name + "/" + field
	index := q.index[key]
	if index == nil {
		index = map[string][]row{}
		for _, r := range q.all(def) {
			for _, v := range valuesAt(r, field) {
				index[v] = append(index[v], r)
			}
		}
		q.index[key] = index
	}
	return index[value]
}
