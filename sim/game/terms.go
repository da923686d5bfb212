package game

import (
	"cmp"
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
	positive, hit := false, false
	for _, v := range t.values {
		if v.modifier == '!' {
			if slices.Contains(have, v.text) {
				return false
			}
			continue
		}
		positive = true
		for _, h := range have {
			hit = hit || v.matches(h, foldCase)
		}
	}
	return hit || !positive
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
