package game

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// A term is one search condition: any of the values, each with its modifier
// (census 4.1).
type term struct {
	field  string
	values []termValue
}

type termValue struct {
	modifier byte // 0 for equal
	text     string
}

const modifiers = "^*!<>[]"

func newTerm(field, text string) term {
	t := term{field: field}
	for _, v := range strings.Split(text, ",") {
		var tv termValue
		if v != "" && strings.IndexByte(modifiers, v[0]) >= 0 {
			tv.modifier, v = v[0], v[1:]
		}
		tv.text = v
		t.values = append(t.values, tv)
	}
	return t
}

// equals returns the values a term asks for exactly, or nil if it asks for
// anything else.
func (t term) equals() []string {
	var out []string
	for _, v := range t.values {
		if v.modifier != 0 {
			return nil
		}
		out = append(out, v.text)
	}
	return out
}

// terms reads the search terms of the request.
func (q *query) terms(def *collectionDef) ([]term, *queryError) {
	var out []term
	if q.ids != "" {
		out = append(out, newTerm(def.key, q.ids))
	}
	for _, name := range sortedKeys(q.params) {
		if strings.HasPrefix(name, "c:") {
			continue
		}
		field := name
		if name == "id" && def.bare {
			field = def.key
		}
		for _, text := range q.params[name] {
			out = append(out, newTerm(field, text))
		}
	}
	if def.bare && !slices.ContainsFunc(out, func(t term) bool { return t.field == def.key && t.equals() != nil }) {
		return nil, &queryError{row{"errorCode": "SERVER_ERROR"}}
	}
	return out, nil
}

// minRegex is how many characters a "contains" needs.
const minRegex = 3

func (q *query) checkTerms(def *collectionDef, rows []row, terms []term) *queryError {
	if len(rows) == 0 {
		return nil
	}
	known := fieldsOf(rows)
	for _, t := range terms {
		if t.field != def.key && !known[t.field] {
			return searchTermError("Invalid search term. Valid search terms: [" + strings.Join(sortedKeys(known), ", ") + "]")
		}
		for _, v := range t.values {
			if v.modifier == '*' && len(v.text) < minRegex {
				return searchTermError("Invalid search value for term: " + t.field + ". Regex query must have at least 3 characters.")
			}
			if strings.HasSuffix(t.field, "_id") && v.modifier != '!' && !isNumber(v.text) {
				return searchTermError("Invalid search term: " + t.field + ". Value must be a number.")
			}
		}
	}
	return nil
}

func isNumber(s string) bool {
	_, err := strconv.ParseFloat(s, 64)
	return err == nil
}

// fieldSample bounds how many rows are looked at for field names.
const fieldSample = 300

// fieldsOf returns the dotted names of the fields that occur in rows.
func fieldsOf(rows []row) map[string]bool {
	known := map[string]bool{}
	var walk func(prefix string, r row)
	walk = func(prefix string, r row) {
		for k, v := range r {
			known[prefix+k] = true
			switch v := v.(type) {
			case row:
				walk(prefix+k+".", v)
			case []row:
				for _, e := range v {
					walk(prefix+k+".", e)
				}
			}
		}
	}
	for _, r := range rows[:min(len(rows), fieldSample)] {
		walk("", r)
	}
	return known
}

// valuesAt returns the texts at a dotted path; a list on the way gives several.
func valuesAt(r row, path string) []string {
	head, rest, nested := strings.Cut(path, ".")
	switch v := r[head].(type) {
	case string:
		if !nested {
			return []string{v}
		}
	case row:
		if nested {
			return valuesAt(v, rest)
		}
	case []row:
		var out []string
		for _, e := range v {
			if nested {
				out = append(out, valuesAt(e, rest)...)
			}
		}
		return out
	}
	return nil
}

func valueAt(r row, path string) string {
	if v := valuesAt(r, path); len(v) > 0 {
		return v[0]
	}
	return ""
}

func filter(rows []row, terms []term, foldCase bool) []row {
	var out []row
	for _, r := range rows {
		if matchesAll(r, terms, foldCase) {
			out = append(out, r)
		}
	}
	return out
}

func matchesAll(r row, terms []term, foldCase bool) bool {
	for _, t := range terms {
		if !t.matches(r, foldCase) {
			return false
		}
	}
	return true
}

func (t term) matches(r row, foldCase bool) bool {
	have := valuesAt(r, t.field)
	positive, any := false, false
	for _, v := range t.values {
		if v.modifier == '!' {
			if slices.Contains(have, v.text) {
				return false
			}
			continue
		}
		positive = true
		for _, h := range have {
			any = any || v.matches(h, foldCase)
		}
	}
	return any || !positive
}

func (v termValue) matches(have string, foldCase bool) bool {
	want := v.text
	if foldCase {
		have, want = strings.ToLower(have), strings.ToLower(want)
	}
	switch v.modifier {
	case '^':
		return strings.HasPrefix(have, want)
	case '*':
		return strings.Contains(have, want)
	case '<':
		return compareValues(have, want) < 0
	case '>':
		return compareValues(have, want) > 0
	case '[':
		return compareValues(have, want) <= 0
	case ']':
		return compareValues(have, want) >= 0
	default:
		return have == want
	}
}

// compareValues compares numbers as numbers and everything else as text. Ids
// are compared without loss.
func compareValues(a, b string) int {
	x, errX := strconv.ParseInt(a, 10, 64)
	y, errY := strconv.ParseInt(b, 10, 64)
	if errX == nil && errY == nil {
		return cmp.Compare(x, y)
	}
	f, errF := strconv.ParseFloat(a, 64)
	g, errG := strconv.ParseFloat(b, 64)
	if errF == nil && errG == nil {
		return cmp.Compare(f, g)
	}
	return strings.Compare(a, b)
}

// exactFirst puts rows ahead that equal a value of "^" or "*".
func exactFirst(rows []row, terms []term) []row {
	exact := func(r row) int {
		for _, t := range terms {
			for _, v := range t.values {
				if (v.modifier == '^' || v.modifier == '*') && slices.Contains(valuesAt(r, t.field), v.text) {
					return 0
				}
			}
		}
		return 1
	}
	rows = slices.Clone(rows)
	slices.SortStableFunc(rows, func(a, b row) int { return exact(a) - exact(b) })
	return rows
}

func having(rows []row, fields string) []row {
	for _, f := range splitList(fields, ",") {
		rows = slices.DeleteFunc(slices.Clone(rows), func(r row) bool { return !has(r, f) })
	}
	return rows
}

func has(r row, path string) bool {
	head, rest, nested := strings.Cut(path, ".")
	v, ok := r[head]
	if !ok || !nested {
		return ok
	}
	switch v := v.(type) {
	case row:
		return has(v, rest)
	case []row:
		return slices.ContainsFunc(v, func(e row) bool { return has(e, rest) })
	}
	return false
}

// sortRows sorts by c:sort=f:-1,g.
func sortRows(rows []row, spec string) {
	keys := splitList(spec, ",")
	if len(keys) == 0 {
		return
	}
	slices.SortStableFunc(rows, func(a, b row) int {
		for _, k := range keys {
			field, direction, _ := strings.Cut(k, ":")
			c := compareValues(valueAt(a, field), valueAt(b, field))
			if direction == "-1" {
				c = -c
			}
			if c != 0 {
				return c
			}
		}
		return 0
	})
}

// projected returns the fields shown, or all but the hidden ones; names in
// keep stay whatever was asked.
func projected(r row, show, hide []string, keep map[string]bool) row {
	if len(show) > 0 {
		out := row{}
		for k := range keep {
			if v, ok := r[k]; ok {
				out[k] = v
			}
		}
		for _, f := range show {
			copyField(out, r, f)
		}
		return out
	}
	for _, f := range hide {
		r = withoutField(r, f)
	}
	return r
}

func copyField(out, from row, path string) {
	head, rest, nested := strings.Cut(path, ".")
	v, ok := from[head]
	if !ok {
		return
	}
	if !nested {
		out[head] = v
		return
	}
	switch v := v.(type) {
	case row:
		sub, _ := out[head].(row)
		if sub == nil {
			sub = row{}
		}
		copyField(sub, v, rest)
		if len(sub) > 0 {
			out[head] = sub
		}
	case []row:
		list, _ := out[head].([]row)
		if list == nil {
			list = make([]row, len(v))
		}
		for i, e := range v {
			if list[i] == nil {
				list[i] = row{}
			}
			copyField(list[i], e, rest)
		}
		out[head] = list
	}
}

func withoutField(r row, path string) row {
	head, rest, nested := strings.Cut(path, ".")
	out := maps.Clone(r)
	if !nested {
		delete(out, head)
		return out
	}
	if sub, ok := out[head].(row); ok {
		out[head] = withoutField(sub, rest)
	}
	return out
}

// cloneRow copies a row deeply, so that joins may write into it.
func cloneRow(r row) row {
	out := make(row, len(r))
	for k, v := range r {
		switch v := v.(type) {
		case row:
			out[k] = cloneRow(v)
		case []row:
			list := make([]row, len(v))
			for i, e := range v {
				list[i] = cloneRow(e)
			}
			out[k] = list
		default:
			out[k] = v
		}
	}
	return out
}

// treeOf groups rows by a field: c:tree=FIELD^list:1^prefix:P.
func treeOf(rows []row, spec string) []row {
	parts := strings.Split(spec, "^")
	field, prefix, list := strings.TrimPrefix(parts[0], "field:"), "", false
	for _, p := range parts[1:] {
		key, value, _ := strings.Cut(p, ":")
		switch key {
		case "field":
			field = value
		case "prefix":
			prefix = value
		case "list":
			list = value == "1"
		}
	}
	out := row{}
	for _, r := range rows {
		key := prefix + valueAt(r, field)
		r = withoutField(r, field)
		if !list {
			out[key] = r
			continue
		}
		group, _ := out[key].([]row)
		out[key] = append(group, r)
	}
	return []row{out}
}
