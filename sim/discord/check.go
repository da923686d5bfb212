package discord

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"
)

// A checker walks a request's body and collects what Discord would refuse.
// The body is a document of map[string]any, []any, string, json.Number, bool
// and nil.
type checker struct {
	problems []problem
}

// add records a problem at path.
func (c *checker) add(path []string, code, format string, args ...any) {
	c.problems = append(c.problems, problem{path: slices.Clone(path), code: code, message: fmt.Sprintf(format, args...)})
}

// at returns path with further steps, never sharing memory.
func at(path []string, steps ...any) []string {
	out := slices.Clone(path)
	for _, s := range steps {
		out = append(out, fmt.Sprint(s))
	}
	return out
}

// known reports members of obj that Discord does not have.
func (c *checker) known(path []string, obj map[string]any, names ...string) {
	for name := range obj {
		if !slices.Contains(names, name) {
			c.add(at(path, name), "UNKNOWN_PROPERTY", "No such property.")
		}
	}
}

// text checks a string member's length in characters and returns it. An
// absent or null member is empty.
func (c *checker) text(path []string, obj map[string]any, name string, lo, hi int) string {
	v, ok := obj[name]
	if !ok || v == nil {
		if lo > 0 {
			c.add(at(path, name), "BASE_TYPE_REQUIRED", "This field is required")
		}
		return ""
	}
	s, ok := v.(string)
	if !ok {
		c.add(at(path, name), "STRING_TYPE_CONVERT", "Could not interpret %v as string.", v)
		return ""
	}
	switch n := utf8.RuneCountInString(s); {
	case n == 0 && lo > 0:
		c.add(at(path, name), "BASE_TYPE_REQUIRED", "This field is required")
	case n < lo || n > hi:
		c.add(at(path, name), "BASE_TYPE_BAD_LENGTH", "Must be between %d and %d in length.", lo, hi)
	}
	return s
}

// list returns a list member; null is empty.
func (c *checker) list(path []string, obj map[string]any, name string, hi int) []any {
	v, ok := obj[name]
	if !ok || v == nil {
		return nil
	}
	l, ok := v.([]any)
	if !ok {
		c.add(at(path, name), "LIST_TYPE_CONVERT", "Only iterables may be used in a ListType")
		return nil
	}
	if len(l) > hi {
		c.add(at(path, name), "BASE_TYPE_BAD_LENGTH", "Must be between 0 and %d in length.", hi)
	}
	return l
}

// object returns v as an object, or records that it is none.
func (c *checker) object(path []string, v any) (map[string]any, bool) {
	m, ok := v.(map[string]any)
	if !ok {
		c.add(path, "MODEL_TYPE_CONVERT", "Only dictionaries may be used in a ModelType")
	}
	return m, ok
}

// number returns an integer member and whether it is there.
func (c *checker) number(path []string, obj map[string]any, name string) (int, bool) {
	v, ok := obj[name]
	if !ok || v == nil {
		return 0, false
	}
	n, ok := v.(json.Number)
	if !ok {
		c.add(at(path, name), "NUMBER_TYPE_COERCE", "Value %v is not int.", v)
		return 0, false
	}
	i, err := strconv.Atoi(n.String())
	if err != nil {
		c.add(at(path, name), "NUMBER_TYPE_COERCE", "Value %q is not int.", n)
		return 0, false
	}
	return i, true
}

// ids checks a list member of snowflakes and returns its length.
func (c *checker) ids(path []string, obj map[string]any, name string) int {
	l := c.list(path, obj, name, 100)
	for i, v := range l {
		if s, ok := v.(string); !ok || !isSnowflake(s) {
			c.add(at(path, name, i), "NUMBER_TYPE_COERCE", "Value %v is not snowflake.", v)
		}
	}
	return len(l)
}

// isTrue reports whether a member is true.
func isTrue(obj map[string]any, name string) bool {
	b, _ := obj[name].(bool)
	return b
}
