package configs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
)

// envPrefix begins the name of every variable that is ours.
const envPrefix = "MUSTER_"

// maxFile bounds the settings file, in bytes.
const maxFile = 1 << 20

// origin is where a value came from.
type origin struct {
	source string // for people: "--http-addr", "MUSTER_HTTP_ADDR", "configs/muster.yaml:3"
	label  string // begins an error: the source, and the setting where that does not say it
}

// Load returns the defaults, changed by the file at path, then by environ (as
// os.Environ gives it), then by flags (setting name → value), and checked by
// Validate. A file that is not there is an error only if explicit says that
// somebody asked for it.
//
// An empty variable counts as not set. A variable that begins with MUSTER_ and
// that no setting has is an error when it looks like a slip of the pen, and a
// warning otherwise: Kubernetes sets MUSTER_SERVICE_HOST and the like for a
// service called muster. MUSTER_SHARED and MUSTER_TEST_* belong to the tests.
//
// The error is one line: it begins with the setting as the user wrote it, says
// what to do, and shows no secret.
func Load(path string, explicit bool, environ []string, flags map[string]string) (Config, error) {
	return load(path, explicit, environ, flags, (*Config).Validate)
}

// LoadDatabase is Load for those who need the database and nothing else: what is
// wrong with the other settings, or between them, is no error as long as each value
// can be read.
func LoadDatabase(path string, explicit bool, environ []string, flags map[string]string) (Config, error) {
	return load(path, explicit, environ, flags, (*Config).validDatabase)
}

func load(path string, explicit bool, environ []string, flags map[string]string, validate func(*Config) error) (Config, error) {
	c := Default()
	c.origin = make(map[string]origin)
	if err := c.loadFile(path, explicit); err != nil {
		return Config{}, err
	}
	if err := c.loadEnv(environ); err != nil {
		return Config{}, err
	}
	if err := c.loadFlags(flags); err != nil {
		return Config{}, err
	}
	if err := validate(&c); err != nil {
		return Config{}, err
	}
	return c, nil
}

func (c *Config) loadFile(path string, explicit bool) error {
	content, err := readFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !explicit:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("--config %s: no such file: create it or leave --config out", printable(path))
	case err != nil:
		return fmt.Errorf("--config %s: %w", printable(path), err)
	}
	values, err := parseYAML(content)
	if err != nil {
		return fmt.Errorf("%s:%w", printable(path), err)
	}
	for _, v := range values {
		at := printable(path) + ":" + strconv.Itoa(v.line)
		if err := c.apply(v.name, v.value, origin{source: at, label: at + ": " + v.name}); err != nil {
			return err
		}
	}
	return nil
}

// readFile reads at most maxFile bytes.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, reason(err)
	}
	if info.IsDir() {
		return nil, errors.New("is a directory: name a YAML file")
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("is larger than %d bytes: that is no settings file", maxFile)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, reason(err)
	}
	return content, nil
}

func (c *Config) loadEnv(environ []string) error {
	values := make(map[string]string)
	c.environ = make(map[string]string)
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		switch {
		case strings.HasPrefix(name, envPrefix):
			values[name] = value
		case slices.Contains([]string{"HOME", "XDG_STATE_HOME", "STATE_DIRECTORY"}, name):
			c.environ[name] = value
		}
	}
	for _, s := range table() {
		value := values[s.Env]
		delete(values, s.Env)
		if value == "" {
			continue
		}
		if err := c.apply(s.Name, value, origin{source: s.Env, label: s.Env}); err != nil {
			return err
		}
	}
	return c.strangers(values)
}

// strangers judges variables that are no setting.
func (c *Config) strangers(values map[string]string) error {
	var known, names []string
	for _, s := range table() {
		known = append(known, s.Env)
	}
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if name == "MUSTER_SHARED" || strings.HasPrefix(name, "MUSTER_TEST_") {
			continue
		}
		if near, ok := nearest(name, known); ok {
			return fmt.Errorf("%s: there is no such setting: did you mean %s?", printable(name), near)
		}
		c.Warnings = append(c.Warnings, printable(name)+": no setting has this name, it is ignored")
	}
	return nil
}

func (c *Config) loadFlags(flags map[string]string) error {
	for name := range flags {
		if _, ok := lookup(name); !ok {
			return fmt.Errorf("--%s: there is no such setting", flagName(name))
		}
	}
	for _, s := range table() {
		value, given := flags[s.Name]
		if !given {
			continue
		}
		if err := c.apply(s.Name, value, origin{source: "--" + s.Flag, label: "--" + s.Flag}); err != nil {
			return err
		}
	}
	return nil
}

// apply sets one value and remembers where it came from.
func (c *Config) apply(name, value string, from origin) error {
	s, ok := lookup(name)
	if !ok {
		return fmt.Errorf("%s: there is no such setting", from.label)
	}
	c.origin[name] = from
	if err := s.set(c, value); err != nil {
		return fmt.Errorf("%s: %s: %w", from.label, quote(redactURL(value)), err)
	}
	return nil
}

// Wrong returns err as an error about the setting called name, in the form of all
// others: where it was set, its value unless it is secret, and err.
func (c Config) Wrong(name string, err error) error { return c.wrong(name, "%w", err) }

// IsSet reports whether the setting called name was set by anybody: the file, the
// environment or a flag.
func (c Config) IsSet(name string) bool {
	_, ok := c.origin[name]
	return ok
}

// wrong returns an error about the setting called name: its label, its value
// unless it is secret, and what to do.
func (c Config) wrong(name, format string, args ...any) error {
	s, _ := lookup(name)
	label := s.Env + " (default)"
	if o, ok := c.origin[name]; ok {
		label = o.label
	}
	if value := s.Show(c); value != "" && value != hidden {
		label += ": " + quote(value)
	}
	return fmt.Errorf("%s: %w", label, fmt.Errorf(format, args...))
}

// quote shows a value on one line, cut to a sensible length.
func quote(value string) string {
	if r := []rune(value); len(r) > 120 {
		value = string(r[:120]) + "…"
	}
	return strconv.Quote(value)
}

// printable returns s without anything that would break the line.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !strconv.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}

// reason returns the cause of a file error without the path, which the caller
// has said already.
func reason(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
