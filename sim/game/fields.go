package game

import (
	"maps"
	"strings"
)

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
