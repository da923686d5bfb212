package chaos

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/redis/go-redis/v9"
)

const tableHead = "| Case | Nobody led | Feed stood still | Events | Lost / doubled | Presence wrong | Alerts due | Missing / extra | Feed items | Missing / twice |\n" +
	"|---|---|---|---|---|---|---|---|---|---|\n"

// line is one line of the table.
func (o *outcome) line() string {
	name := o.name
	switch {
	case !o.ended:
		return fmt.Sprintf("| **%s: did not come to its end** | | | | | | | | | |", name)
	case len(o.faults) > 0:
		name = "**" + name + "**"
	}
	return fmt.Sprintf("| %s | %s | %s | %d | %d / %d | %d | %d | %d / %d | %d | %d / %d |", name, seconds(o.vacant), seconds(o.silent),
		o.events, o.lost, o.doubled, o.presence, o.alerts, o.untold, o.overtold, o.fed, o.unfed, o.overfed)
}

func (o *outcome) well() bool { return o.ended && len(o.faults) == 0 }

func seconds(d time.Duration) string {
	if d == 0 {
		return "–"
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

// Between these lines of the file the table is written.
const (
	tableBegins = "<!-- kill matrix: begins -->\n"
	tableEnds   = "<!-- kill matrix: ends -->\n"
)

// results are what a run has shown so far. If there is a file for them it has them
// after each case, so that a run that is cut off leaves what it has.
type results struct {
	t       *testing.T
	path    string // "" for none
	day     string
	commit  string
	servers string // with their versions
	asked   int    // cases
	rows    []*outcome
}

func newResults(t *testing.T, path string, asked int) *results {
	t.Helper()
	r := &results{t: t, path: path, asked: asked, day: time.Now().UTC().Format(time.DateOnly)}
	if path != "" {
		r.commit = commit(t, path)
		r.save() // a file without a place for it is found before the hour
	}
	return r
}

// on notes what runs in c.
func (r *results) on(c *cluster) { r.servers = c.versions() }

func (r *results) add(o *outcome) {
	r.rows = append(r.rows, o)
	r.save()
}

// addOnce is add for a case that every cluster begins with.
func (r *results) addOnce(o *outcome) {
	for _, had := range r.rows {
		if had.name == o.name && had.well() {
			return
		}
	}
	r.add(o)
}

func (r *results) table() string {
	var b strings.Builder
	b.WriteString(tableHead)
	for _, o := range r.rows {
		b.WriteString(o.line() + "\n")
	}
	return b.String()
}

// text is the table and what it is of.
func (r *results) text() string {
	done, wrong := 0, 0
	for _, o := range r.rows {
		if o.name != quietName {
			done++
		}
		if !o.well() {
			wrong++
		}
	}
	verdict := "everything is as it must be"
	if wrong > 0 {
		verdict = fmt.Sprintf("%d are not as they must be, in bold", wrong)
	}
	return fmt.Sprintf("%s, commit %s, %s. Of %d cases %d are done; %s:\n\n%s", r.day, r.commit, r.servers, r.asked, done, verdict, r.table())
}

func (r *results) save() {
	if r.path == "" {
		return
	}
	info, err := os.Stat(r.path)
	if err != nil {
		r.t.Fatal(err)
	}
	old, err := os.ReadFile(r.path)
	if err != nil {
		r.t.Fatal(err)
	}
	before, rest, begins := strings.Cut(string(old), tableBegins)
	_, after, ends := strings.Cut(rest, tableEnds)
	if !begins || !ends {
		r.t.Fatalf("%s has no place for the table", r.path)
	}
	if len(r.rows) == 0 {
		return
	}
	whole := r.path + ".new"
	if err := os.WriteFile(whole, []byte(before+tableBegins+r.text()+tableEnds+after), info.Mode().Perm()); err != nil {
		r.t.Fatal(err)
	}
	if err := os.Rename(whole, r.path); err != nil {
		r.t.Fatal(err)
	}
}

// commit names what is tested. What is only written into path is no change.
func commit(t *testing.T, path string) string {
	t.Helper()
	git := func(args ...string) string {
		cmd := exec.Command("git", args...)
		cmd.Dir = filepath.Dir(path)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("git %v: %v", args, err)
		}
		return strings.TrimSpace(string(out))
	}
	id := "`" + git("rev-parse", "--short=10", "HEAD") + "`"
	top := git("rev-parse", "--show-toplevel")
	if changed := git("status", "--porcelain", "--untracked-files=no", "--", top, ":(exclude)"+filepath.Base(path)); changed != "" {
		id += " with changes that are not committed"
	}
	return id
}

// versions names the servers.
func (c *cluster) versions() string {
	t := c.t
	db, _, _ := strings.Cut(texts(t, c.record.db, "SELECT VERSION()")[0], "-")
	conn, err := amqp.Dial(c.broker.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	lease := redis.NewClient(&redis.Options{Addr: c.redis[0].Addr()})
	defer lease.Close()
	info := lease.InfoMap(t.Context(), "server")
	if info.Err() != nil {
		t.Fatal(info.Err())
	}
	return fmt.Sprintf("MariaDB %s, RabbitMQ %v, Redis %s", db,
		conn.Properties["version"], info.Item("Server", "redis_version"))
}

// The table is in the file after each case, and what is around it stays.
func TestResultsAreWrittenCaseByCase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "page.md")
	old := "before\n" + tableBegins + "an older run\n" + tableEnds + "after\n"
	if err := os.WriteFile(path, []byte(old), 0o640); err != nil {
		t.Fatal(err)
	}
	r := &results{t: t, path: path, day: "2026-11-26", commit: "`abc`", servers: "MariaDB 1", asked: 3}
	read := func() string {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	r.addOnce(&outcome{name: quietName, ended: true})
	r.add(&outcome{name: "the bot is killed", ended: true, events: 12, silent: 1500 * time.Millisecond})
	row := "| the bot is killed | – | 1.5 s | 12 | 0 / 0 | 0 | 0 | 0 / 0 | 0 | 0 / 0 |\n"
	head := "2026-11-26, commit `abc`, MariaDB 1. Of 3 cases 1 are done; everything is as it must be:\n\n"
	if got, want := read(), "before\n"+tableBegins+head+tableHead; !strings.HasPrefix(got, want) ||
		!strings.HasSuffix(got, row+tableEnds+"after\n") || strings.Contains(got, "an older run") {
		t.Errorf("after one case: %s", got)
	}
	r.addOnce(&outcome{name: quietName, ended: true})
	r.add(&outcome{name: "a dispatcher is killed", ended: true, lost: 2, faults: []string{"2 lost"}})
	r.add(&outcome{name: "the broker is killed"})
	got := read()
	for _, want := range []string{"Of 3 cases 3 are done; 2 are not as they must be, in bold:", row,
		"| **a dispatcher is killed** | – | – | 0 | 2 / 0 |", "| **the broker is killed: did not come to its end** |"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %s", want, got)
		}
	}
	if strings.Count(got, quietName) != 1 {
		t.Errorf("the quiet case is there more than once: %s", got)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("the file is %v: %v", info.Mode(), err)
	}
}
