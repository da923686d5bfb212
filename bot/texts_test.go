package bot

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"muster/internal/catalogue"
)

// written are the texts of a language by key and plural form, "" for one without.
func written(t *testing.T, lang string) map[string]map[string]string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "internal", "catalogue", lang+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var list map[string]any
	if err := json.Unmarshal(b, &list); err != nil {
		t.Fatal(err)
	}
	out := map[string]map[string]string{}
	for key, v := range list {
		switch v := v.(type) {
		case string:
			out[key] = map[string]string{"": v}
		case map[string]any:
			out[key] = map[string]string{}
			for form, s := range v {
				out[key][form], _ = s.(string)
			}
		}
	}
	return out
}

// A saying is a call in the code of the bot that says a text.
type saying struct {
	at     token.Position
	what   string // T, N, Say, Count, tell, tellCount
	first  ast.Expr
	others []ast.Expr
	spread bool // its placeholders are not written out
}

// source are the files of the bot, without tests.
type source struct {
	set   *token.FileSet
	files []*ast.File
}

func readSource(t *testing.T) source {
	t.Helper()
	s := source{set: token.NewFileSet()}
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(s.set, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		s.files = append(s.files, f)
	}
	return s
}

func (s source) each(f func(ast.Node)) {
	for _, file := range s.files {
		ast.Inspect(file, func(n ast.Node) bool { f(n); return true })
	}
}

func (s source) sayings() (all []saying) {
	counts := map[string]bool{"N": true, "Count": true, "tellCount": true}
	s.each(func(n ast.Node) {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) == 0 {
			return
		}
		name := called(call)
		if !counts[name] && name != "T" && name != "Say" && name != "tell" {
			return
		}
		one := saying{at: s.set.Position(call.Pos()), what: name, first: call.Args[0], others: call.Args[1:], spread: call.Ellipsis.IsValid()}
		if counts[name] && len(one.others) > 0 {
			one.others = one.others[1:]
		}
		all = append(all, one)
	})
	return all
}

// called names the function or method of a call.
func called(call *ast.CallExpr) string {
	switch f := call.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		if on, ok := f.X.(*ast.Ident); ok && on.Name == "rand" {
			return ""
		}
		return f.Sel.Name
	}
	return ""
}

// literal returns the text of a string that is written out.
func literal(e ast.Expr) (string, bool) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	s, err := strconv.Unquote(lit.Value)
	return s, err == nil
}

func (s source) code(e ast.Expr) string {
	var b bytes.Buffer
	_ = printer.Fprint(&b, s.set, e)
	return b.String()
}

var placeholder = regexp.MustCompile(`\{\{\.([a-z]+)\}\}`)

// fromTables are keys that the code takes from a table, or is given. The strings in the
// tables are held to the catalogue by TestKeysInTablesExist.
var fromTables = map[string]bool{
	"key": true, "about": true, "c.key": true, "s.key": true, "s.title": true, "s.about": true, "d.Description": true, "o.Description": true,
	"topicKeys[s.Topic]": true, "healthKeys[s.Health]": true, "platformKeys[info.Environment]": true, "dayKeys[p.now.In(loc).Weekday()]": true,
}

func TestWhatTheCodeSaysIsInTheCatalogue(t *testing.T) {
	s, english := readSource(t), written(t, "en")
	if n := len(s.sayings()); n < 300 {
		t.Fatalf("%d calls found: the code is not read as it is", n)
	}
	for _, one := range s.sayings() {
		key, ok := literal(one.first)
		if !ok {
			if !fromTables[s.code(one.first)] {
				t.Errorf("%s: the key %s is neither written out nor of a listed table", one.at, s.code(one.first))
			}
			continue
		}
		texts, known := english[key]
		if !known {
			t.Errorf("%s: %q is not in the catalogue", one.at, key)
			continue
		}
		_, plain := texts[""]
		if counts := one.what == "N" || one.what == "Count" || one.what == "tellCount"; counts == plain {
			t.Errorf("%s: %s of %q, which has plural forms or has none", one.at, one.what, key)
		}
		if one.spread {
			t.Errorf("%s: the placeholders of %q are not written out", one.at, key)
			continue
		}
		var given []string
		for i := 0; i < len(one.others); i += 2 {
			name, ok := literal(one.others[i])
			if !ok || i+1 == len(one.others) {
				t.Errorf("%s: the placeholders of %q are not names and values in turn", one.at, key)
			}
			given = append(given, name)
		}
		if !plain {
			given = append(given, "n")
		}
		slices.Sort(given)
		if want := placeholdersOf(texts); !slices.Equal(given, want) {
			t.Errorf("%s: %q is given %v, and has %v", one.at, key, given, want)
		}
	}
}

func placeholdersOf(texts map[string]string) []string {
	all := map[string]bool{}
	for form, s := range texts {
		if form != "" {
			all["n"] = true // may be left out, and is given anyway
		}
		for _, m := range placeholder.FindAllStringSubmatch(s, -1) {
			all[m[1]] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// keyLike is what keys look like. Whatever in the code looks so and begins like a key
// is one: that is how those in tables are found.
var keyLike = regexp.MustCompile(`^[a-z_]+(\.[a-z0-9_]+)+$`)

func TestKeysInTablesExist(t *testing.T) {
	english := written(t, "en")
	begins := map[string]bool{}
	for key := range english {
		first, _, _ := strings.Cut(key, ".")
		begins[first] = true
	}
	used := map[string]bool{}
	s := readSource(t)
	s.each(func(n ast.Node) {
		e, ok := n.(ast.Expr)
		if !ok {
			return
		}
		text, ok := literal(e)
		if !ok {
			return
		}
		used[text] = true
		first, _, _ := strings.Cut(text, ".")
		if keyLike.MatchString(text) && begins[first] && english[text] == nil {
			t.Errorf("%s: %q looks like a key and is not in the catalogue", s.set.Position(e.Pos()), text)
		}
	})
	for _, d := range definitions(texts(t), true) {
		for key := range namesOf(d) {
			used[key] = true
			if english[key] == nil {
				t.Errorf("the name of /%s has no key %q", d.Name, key)
			}
		}
	}
	used["list.or"] = true // of the package catalogue itself
	for _, key := range slices.Sorted(maps.Keys(english)) {
		if !used[key] {
			t.Errorf("%s is in the catalogue and nobody says it", key)
		}
	}
}

// namesOf returns the keys of the names of a command and what is below it, with the
// English names.
func namesOf(d commandDef) map[string]string {
	if d.Type == commandOnPerson {
		return map[string]string{"command.who": d.Name}
	}
	all := map[string]string{"command." + d.Name: d.Name}
	var walk func(above string, options []optionDef)
	walk = func(above string, options []optionDef) {
		for _, o := range options {
			key := "option." + o.Name
			if o.Type == optionSubcommand {
				key = above + "." + o.Name
			}
			all[key] = o.Name
			walk(key, o.Options)
		}
	}
	walk("command."+d.Name, d.Options)
	return all
}

// limitsOf are the lengths that Discord takes where a text stands: in a field of a
// struct, or as an argument of a function, by its number.
var limitsOf = map[string]int{
	"button.Label": 80, "option.Label": 100, "option.Description": 100, "input.Label": 45, "input.Placeholder": 100, "embed.Title": 256,
	"footer.Text": 2048, "field.Name": 256, "attachment.Description": 1024,
	"choose.1": 150, "chooseMany.1": 150, "ask.1": 45, "onOff.2": 80, "onOff.3": 80, "mode.1": 100, "mode.2": 100,
	"plain.0": maxContent, "box.0": maxDescription,
}

// room is how long what stands for a placeholder may be where the length is bounded.
var room = map[string]int{"name": 40, "city": 14, "n": 9, "span": 14, "time": 5, "day": 11, "names": 300, "outfit": 80, "person": 24, "group": 80}

func TestTextsFitWhereTheyStand(t *testing.T) {
	s := readSource(t)
	limits := map[string]int{} // by key
	note := func(where string, e ast.Expr) {
		most, bounded := limitsOf[where]
		call, ok := e.(*ast.CallExpr)
		if !bounded || !ok || len(call.Args) == 0 {
			return
		}
		if name := called(call); name != "T" && name != "N" {
			return
		}
		if key, ok := literal(call.Args[0]); ok && (limits[key] == 0 || most < limits[key]) {
			limits[key] = most
		}
	}
	s.each(func(n ast.Node) {
		switch n := n.(type) {
		case *ast.CompositeLit:
			names := []string{"button", "option"} // of an element of a list
			if id, ok := n.Type.(*ast.Ident); ok {
				names = []string{id.Name}
			}
			for _, e := range n.Elts {
				pair, ok := e.(*ast.KeyValueExpr)
				if !ok {
					continue
				}
				for _, name := range names {
					if id, ok := pair.Key.(*ast.Ident); ok {
						note(name+"."+id.Name, pair.Value)
					}
				}
			}
		case *ast.CallExpr:
			for i, e := range n.Args {
				note(called(n)+"."+strconv.Itoa(i), e)
			}
		}
	})
	if len(limits) < 80 || limits["button.back"] != 80 || limits["zone.menu"] != 150 || limits["quiet.form"] != 45 || limits["watches.mute"] != 80 {
		t.Fatalf("%d limits found: the code is not read as it is", len(limits))
	}
	for _, set := range settingTable() { // with an icon before them
		limits[set.title], limits[set.about] = 95, 100
	}
	limits["help.text"] = 4000 // the description of an embed, with the page below
	for _, l := range catalogue.Languages() {
		texts := written(t, l.Code)
		for key, most := range limits {
			for form, text := range texts[key] {
				n := utf8.RuneCountInString(placeholder.ReplaceAllStringFunc(text, func(p string) string {
					return strings.Repeat("x", room[placeholder.FindStringSubmatch(p)[1]])
				}))
				if n > most {
					t.Errorf("%s %s %s: %d characters, of %d: %s", l.Code, key, form, n, most, text)
				}
			}
		}
	}
}
