package configs

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// yamlValue is one setting as the file has it.
type yamlValue struct {
	name, value string
	line        int
}

// maxDepth is how deep the file's mappings may nest: "http:" and "addr:".
const maxDepth = 2

// parseYAML reads a settings file: sections of settings, each a text, a number,
// true or false, or a list of such. Anchors, aliases and tags are refused: no
// setting needs them. A setting without a value keeps its default. Errors begin
// with the line, and never show the file's text, where a token may stand.
func parseYAML(content []byte) (values []yamlValue, err error) {
	defer func() {
		if r := recover(); r != nil { // the parser is not ours, and the file is anybody's
			values, err = nil, errors.New(" is not YAML that can be read")
		}
	}()
	file, err := parser.ParseBytes(content, 0)
	if err != nil {
		return nil, syntax(err)
	}
	for _, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		if len(values) > 0 {
			return nil, at(doc.Body, "a second document: put everything in one")
		}
		if values, err = walk(doc.Body, "", 0); err != nil {
			return nil, err
		}
	}
	return values, nil
}

// syntax tells where the parser stopped and why, without its excerpt.
func syntax(err error) error {
	var e *yaml.SyntaxError
	if errors.As(err, &e) && e.GetToken() != nil && e.GetToken().Position != nil {
		message, _, _ := strings.Cut(e.GetMessage(), `"`)
		return fmt.Errorf("%d: not valid YAML: %s", e.GetToken().Position.Line, printable(strings.TrimSpace(message)))
	}
	return errors.New(" is not valid YAML")
}

// walk collects the settings below node, whose keys begin with prefix.
func walk(node ast.Node, prefix string, depth int) ([]yamlValue, error) {
	pairs, ok := mapping(node)
	switch {
	case node.Type() == ast.NullType:
		return nil, nil
	case !ok && prefix == "":
		return nil, at(node, "write sections and settings, such as http: and below it addr:")
	case !ok:
		return nil, at(node, "%s is a section: put its settings below it", strings.TrimSuffix(prefix, "."))
	}
	var values []yamlValue
	for _, pair := range pairs {
		key, err := keyOf(pair)
		if err != nil {
			return nil, err
		}
		more, err := entry(pair, prefix+key, depth+1)
		if err != nil {
			return nil, err
		}
		values = append(values, more...)
	}
	return values, nil
}

// entry reads one pair: a setting, or a section of them.
func entry(pair *ast.MappingValueNode, name string, depth int) ([]yamlValue, error) {
	if _, ok := lookup(name); ok {
		value, set, err := scalar(name, pair.Value)
		if err != nil || !set {
			return nil, err
		}
		return []yamlValue{{name: name, value: value, line: line(pair)}}, nil
	}
	if depth < maxDepth && slices.Contains(sections(), name) {
		return walk(pair.Value, name+".", depth)
	}
	return nil, unknownKey(pair, name)
}

func mapping(node ast.Node) ([]*ast.MappingValueNode, bool) {
	switch n := node.(type) {
	case *ast.MappingNode:
		return n.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, true
	}
	return nil, false
}

func keyOf(pair *ast.MappingValueNode) (string, error) {
	key, ok := pair.Key.(*ast.StringNode)
	if !ok {
		return "", at(pair, "write a plain name in front of the colon")
	}
	return key.Value, nil
}

// scalar returns the text of a value, lists joined by commas.
func scalar(name string, node ast.Node) (text string, set bool, err error) {
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value, true, nil
	case *ast.LiteralNode:
		return strings.TrimSpace(n.Value.Value), true, nil
	case *ast.NullNode:
		return "", false, nil
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, true, nil
	case *ast.SequenceNode:
		var parts []string
		for _, item := range n.Values {
			if item.Type() == ast.SequenceType {
				return "", false, at(item, "%s: a list cannot be in a list", name)
			}
			part, _, err := scalar(name, item)
			if err != nil {
				return "", false, err
			}
			parts = append(parts, part)
		}
		return strings.Join(parts, ","), true, nil
	}
	return "", false, at(node, "%s: write a text, a number, true or false, or a list", name)
}

// sections returns the first halves of the settings' names.
func sections() []string {
	var all []string
	for _, s := range table() {
		section, _, _ := strings.Cut(s.Name, ".")
		all = append(all, section)
	}
	return slices.Compact(all)
}

// unknownKey says what the user may have meant: a name that is close, or all
// that can stand there.
func unknownKey(pair *ast.MappingValueNode, name string) error {
	section, _, nested := strings.Cut(name, ".")
	choices := sections()
	if nested {
		choices = nil
		for _, s := range table() {
			if strings.HasPrefix(s.Name, section+".") {
				choices = append(choices, s.Name)
			}
		}
	}
	shown := printable(clip(name))
	if near, ok := nearest(name, choices); ok {
		return at(pair, "%s: there is no such setting: did you mean %s?", shown, near)
	}
	return at(pair, "%s: there is no such setting: there are %s", shown, strings.Join(choices, ", "))
}

// clip keeps an error line short.
func clip(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return s
}

func line(node ast.Node) int {
	if pair, ok := node.(*ast.MappingValueNode); ok && pair.Key != nil {
		node = pair.Key
	}
	if t := node.GetToken(); t != nil && t.Position != nil {
		return t.Position.Line
	}
	return 0
}

func at(node ast.Node, format string, args ...any) error {
	return fmt.Errorf("%d: %s", line(node), fmt.Sprintf(format, args...))
}
