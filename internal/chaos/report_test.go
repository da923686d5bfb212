package chaos

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

const tableHead = "| Case | Nobody led | Feed stood still | Events | Lost / doubled | Presence wrong | Alerts due | Missing / extra | Feed items | Missing / twice |\n" +
	"|---|---|---|---|---|---|---|---|---|---|\n"

// line is one line of the table.
func (o *outcome) line() string {
	return fmt.Sprintf("| %s | %s | %s | %d | %d / %d | %d | %d | %d / %d | %d | %d / %d |", o.name, seconds(o.vacant), seconds(o.silent),
		o.events, o.lost, o.doubled, o.presence, o.alerts, o.untold, o.overtold, o.fed, o.unfed, o.overfed)
}

func seconds(d time.Duration) string {
	if d == 0 {
		return "–"
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

func table(outcomes []*outcome) string {
	var b strings.Builder
	b.WriteString(tableHead)
	for _, o := range outcomes {
		b.WriteString(o.line() + "\n")
	}
	return b.String()
}

// Between these lines of the file the table is written.
const (
	tableBegins = "<!-- kill matrix: begins -->\n"
	tableEnds   = "<!-- kill matrix: ends -->\n"
)

// report prints the table of what was shown, and writes it down if that is wanted.
func report(t *testing.T, outcomes []*outcome) {
	t.Helper()
	text := table(outcomes)
	t.Log("\n" + text)
	if *write == "" {
		return
	}
	old, err := os.ReadFile(*write)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begins := strings.Cut(string(old), tableBegins)
	_, after, ends := strings.Cut(rest, tableEnds)
	if !begins || !ends {
		t.Fatalf("%s has no place for the table", *write)
	}
	result := "everything as it must be"
	if t.Failed() {
		result = "not everything as it must be"
	}
	day := fmt.Sprintf("%s, %d cases, %s:\n\n", time.Now().UTC().Format(time.DateOnly), len(outcomes)-1, result)
	if err := os.WriteFile(*write, []byte(before+tableBegins+day+text+tableEnds+after), 0o600); err != nil {
		t.Fatal(err)
	}
}
