package chaos

import (
	"fmt"
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

// report prints the table of what was shown.
func report(t *testing.T, outcomes []*outcome) {
	t.Helper()
	t.Log("\n" + table(outcomes))
}
