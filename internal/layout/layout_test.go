// Package layout holds the tree to the design's table of folders and of who may
// import whom. It has no code of its own.
package layout

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "muster"

// A rule says what the packages below one folder may import of this module,
// apart from their own folder. stdlib says that the folder's own package may
// import nothing from outside either; packages below it may.
type rule struct {
	may    []string
	stdlib bool
}

// rules is section 3 of the design. A folder at the top that is not in it, or
// in others, needs a page in docs/adr first.
func rules() map[string]rule {
	role := rule{may: []string{"event", "alert", "clan", "bus", "lease", "census", "internal"}}
	return map[string]rule{
		"event":       {stdlib: true},
		"alert":       {may: []string{"event"}, stdlib: true},
		"clan":        {may: []string{"event"}, stdlib: true},
		"bus":         {stdlib: true},
		"bus/rabbit":  {may: []string{"internal"}},
		"bus/metered": {may: []string{"internal"}},
		"lease":       {stdlib: true},
		"lease/redis": {may: []string{"internal"}},
		"census":      {may: []string{"event", "internal"}},
		"listener":    role,
		"roster":      role,
		"dispatcher":  role,
		"notifier":    role,
		"bot":         role,
		"storage":     {may: []string{"event", "alert", "clan", "internal"}},
		"sim":         {},
		"internal":    {},
		"configs":     {may: []string{"event", "alert"}},
		"cmd": {may: []string{"event", "alert", "clan", "bus", "lease", "census", "listener", "roster", "dispatcher",
			"notifier", "bot", "storage", "sim", "internal", "configs"}},
	}
}

// others are folders at the top without packages of the module.
func others() []string { return []string{"deploy", "docs", "scripts", "tools"} }

// pkg is what "go list" says of a package.
type pkg struct {
	ImportPath string
	Imports    []string // without those of tests, which may cross
}

func packages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-e", "-json=ImportPath,Imports", module+"/...")
	cmd.Dir = top(t)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); dec.More(); {
		var p pkg
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if len(all) < 5 {
		t.Fatalf("go list found %d packages only", len(all))
	}
	return all
}

// top returns the module's directory.
func top(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// folder returns the folder at the top that holds a package of the module.
func folder(importPath string) (name string, ours bool) {
	rest, ours := strings.CutPrefix(importPath, module+"/")
	name, _, _ = strings.Cut(rest, "/")
	return name, ours
}

// thirdParty reports whether a package is neither ours nor the standard library's.
func thirdParty(importPath string) bool {
	first, _, _ := strings.Cut(importPath, "/")
	return strings.Contains(first, ".")
}

func TestPackagesImportOnlyWhatTheDesignAllows(t *testing.T) {
	table := rules()
	for _, p := range packages(t) {
		from, _ := folder(p.ImportPath)
		r, known := table[from]
		if below, own := table[strings.TrimPrefix(p.ImportPath, module+"/")]; own {
			r = below // a driver may need more than its contract
		}
		if !known {
			t.Errorf("%s: its folder is not in the design's table", p.ImportPath)
			continue
		}
		for _, path := range p.Imports {
			to, ours := folder(path)
			switch {
			case ours && to != from && !slices.Contains(r.may, to):
				t.Errorf("%s imports %s, which the design does not allow", p.ImportPath, path)
			case r.stdlib && p.ImportPath == module+"/"+from && thirdParty(path):
				t.Errorf("%s imports %s: it may use the standard library only", p.ImportPath, path)
			}
		}
	}
}

func TestFoldersAtTheTopAreInTheDesign(t *testing.T) {
	table := rules()
	entries, err := os.ReadDir(top(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if _, known := table[e.Name()]; known || !e.IsDir() || strings.HasPrefix(e.Name(), ".") || e.Name() == "bin" {
			continue
		}
		if !slices.Contains(others(), e.Name()) {
			t.Errorf("%s/ is not in the design: a new folder at the top needs a page in docs/adr first", e.Name())
		}
	}
}
