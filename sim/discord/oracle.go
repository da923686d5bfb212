package discord

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// oracleURL names the document inside the compiler only.
const oracleURL = "mem:///discord-openapi.json"

// An oracle checks request bodies against Discord's OpenAPI document (notes
// 11). Schemas are compiled at their first use. A nil oracle accepts all.
type oracle struct {
	mu       sync.Mutex
	doc      any
	compiler *jsonschema.Compiler
	schemas  map[string]*jsonschema.Schema // by route; nil where there is no body
}

// openOracle reads the document at path.
func openOracle(path string) (*oracle, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open the openapi document: %w", err)
	}
	defer f.Close()
	doc, err := jsonschema.UnmarshalJSON(f)
	if err != nil {
		return nil, fmt.Errorf("decode the openapi document %s: %w", path, err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(oracleURL, doc); err != nil {
		return nil, fmt.Errorf("add the openapi document %s: %w", path, err)
	}
	return &oracle{doc: doc, compiler: c, schemas: map[string]*jsonschema.Schema{}}, nil
}

// check returns what is wrong with body as the JSON body of method on
// pattern.
func (o *oracle) check(method, pattern string, body any) ([]problem, error) {
	if o == nil {
		return nil, nil
	}
	sch, err := o.schema(method, pattern)
	if err != nil || sch == nil {
		return nil, err
	}
	err = sch.Validate(numericPermissions(body))
	if invalid, ok := errors.AsType[*jsonschema.ValidationError](err); ok {
		return leaves(invalid), nil
	}
	return nil, err
}

// numericPermissions returns body with permissions that are written as a
// string, which Discord takes, as the number that its document asks for.
func numericPermissions(body any) any {
	switch b := body.(type) {
	case []any:
		out := make([]any, len(b))
		for i, v := range b {
			out[i] = numericPermissions(v)
		}
		return out
	case map[string]any:
		text, ok := b["default_member_permissions"].(string)
		if _, err := strconv.ParseUint(text, 10, 64); !ok || err != nil {
			return body
		}
		out := maps.Clone(b)
		out["default_member_permissions"] = json.Number(text)
		return out
	}
	return body
}

// schema returns the compiled schema of a route's body, or nil.
func (o *oracle) schema(method, pattern string) (*jsonschema.Schema, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	key := method + " " + pattern
	if sch, ok := o.schemas[key]; ok {
		return sch, nil
	}
	steps := []string{"paths", pattern, strings.ToLower(method), "requestBody", "content", "application/json", "schema"}
	if !has(o.doc, steps) {
		o.schemas[key] = nil
		return nil, nil
	}
	sch, err := o.compiler.Compile(oracleURL + "#" + pointer(steps))
	if err != nil {
		return nil, fmt.Errorf("compile the schema of %s: %w", key, err)
	}
	o.schemas[key] = sch
	return sch, nil
}

func has(doc any, steps []string) bool {
	for _, s := range steps {
		m, ok := doc.(map[string]any)
		if !ok {
			return false
		}
		if doc, ok = m[s]; !ok {
			return false
		}
	}
	return true
}

// pointer renders steps as a JSON pointer in a URL fragment.
func pointer(steps []string) string {
	escape := strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D")
	var b strings.Builder
	for _, s := range steps {
		b.WriteString("/" + escape.Replace(s))
	}
	return b.String()
}

// leaves returns the innermost failures of e, deepest path first, one per
// path: an anyOf reports every alternative, and the deepest is the one meant.
func leaves(e *jsonschema.ValidationError) []problem {
	printer := message.NewPrinter(language.English)
	var ps []problem
	var walk func(*jsonschema.ValidationError)
	walk = func(e *jsonschema.ValidationError) {
		if len(e.Causes) == 0 {
			ps = append(ps, problem{path: e.InstanceLocation, code: "SCHEMA", message: e.ErrorKind.LocalizedString(printer)})
		}
		for _, c := range e.Causes {
			walk(c)
		}
	}
	walk(e)
	slices.SortStableFunc(ps, func(a, b problem) int { return len(b.path) - len(a.path) })
	ps = slices.DeleteFunc(ps, func(p problem) bool { return len(p.path) < len(ps[0].path) })
	return slices.CompactFunc(ps, func(a, b problem) bool { return slices.Equal(a.path, b.path) })
}
