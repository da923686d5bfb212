// Command testreport reads "go test -json" from its input and prints what a
// person wants to see of it: each package's line, the output of what failed, why
// something was skipped, with -longest which tests took longest, once more what the
// failed tests said, and at last how many tests there were. It ends with status 1
// when anything failed, when nothing ran, and with -noskip when anything was skipped.
//
//	go test -json ./... | go run ./internal/testreport
package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
)

func main() {
	noSkip := flag.Bool("noskip", false, "a skipped test is a failure")
	long := flag.Int("longest", 0, "print so many of the tests that took longest")
	flag.Parse()
	r := newReport(os.Stdout)
	if err := r.read(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "testreport:", err)
		os.Exit(1)
	}
	r.longest(*long)
	r.again()
	fmt.Fprintf(r.out, "%d passed, %d failed, %d skipped\n", r.passed, r.broken, r.skipped)
	if r.failed || r.passed == 0 || *noSkip && r.skipped > 0 {
		os.Exit(1)
	}
}

// change is one line of "go test -json"; see "go doc test2json".
type change struct {
	Action     string
	Package    string
	ImportPath string // of a build's output
	Test       string
	Output     string
	Elapsed    float64 // seconds; of "pass", "fail" and "skip"
}

// report is what is known so far.
type report struct {
	out     io.Writer
	outputs map[string][]string // package and test → lines not yet judged
	failed  bool
	// Tests, subtests counted too.
	passed, broken, skipped int
	took                    []change            // the end of each test that is no subtest
	said                    []string            // what the failed tests said, in short
	running                 map[string][]string // package → tests begun and not ended, in order
	brokenIn                map[string]bool     // packages of which a test failed
}

func newReport(out io.Writer) report {
	return report{out: out, outputs: make(map[string][]string), running: make(map[string][]string),
		brokenIn: make(map[string]bool)}
}

// maxLine bounds one line of the input, in bytes.
const maxLine = 8 << 20

// read judges every line. What is not JSON is printed as it is.
func (r *report) read(in io.Reader) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 0, 1<<16), maxLine)
	for lines.Scan() {
		var c change
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil || c.Action == "" {
			fmt.Fprintln(r.out, lines.Text())
			continue
		}
		r.judge(c)
	}
	return lines.Err()
}

func (r *report) judge(c change) {
	key := c.Package + "\x00" + c.Test
	if c.Elapsed > 0 && c.Test != "" && !strings.Contains(c.Test, "/") {
		r.took = append(r.took, c)
	}
	switch c.Action {
	case "run":
		r.running[c.Package] = append(r.running[c.Package], c.Test)
	case "output":
		r.outputs[key] = append(r.outputs[key], c.Output)
	case "build-output":
		fmt.Fprint(r.out, c.Output)
	case "build-fail":
		r.failed = true
	case "pass":
		r.finish(c, key)
	case "skip":
		r.skip(c, key)
	case "fail":
		r.fail(c, key)
	}
}

// fail prints what a failed test or package said. A package may fail without one of
// its tests: its process panicked or was out of time while tests ran, which then have
// no result, or a race was seen after the last of them.
func (r *report) fail(c change, key string) {
	r.failed = true
	switch {
	case c.Test != "":
		r.broken++
		r.brokenIn[c.Package] = true
		r.ended(c)
		r.said = append(r.said, "FAIL\t"+c.Package+"\t"+c.Test+"\n")
		r.said = append(r.said, verdicts(r.outputs[key])...)
	case len(r.running[c.Package]) > 0:
		for _, test := range r.running[c.Package] {
			unended := c.Package + "\x00" + test
			fmt.Fprint(r.out, strings.Join(r.outputs[unended], ""))
			r.said = append(r.said, "FAIL\t"+c.Package+"\t"+test+" has not ended\n")
			r.said = append(r.said, verdicts(r.outputs[unended])...)
			delete(r.outputs, unended)
		}
		delete(r.running, c.Package)
	case !r.brokenIn[c.Package]:
		r.said = append(r.said, "FAIL\t"+c.Package+", none of whose tests failed\n")
		lines := r.outputs[key]
		r.said = append(r.said, lines[max(0, len(lines)-mostVerdicts):]...)
	}
	fmt.Fprint(r.out, strings.Join(r.outputs[key], ""))
	delete(r.outputs, key)
}

// ended takes a test off those that run.
func (r *report) ended(c change) {
	running := r.running[c.Package]
	if i := slices.Index(running, c.Test); i >= 0 {
		r.running[c.Package] = slices.Delete(running, i, i+1)
	}
}

// finish prints a package's line and forgets what a passing test said.
func (r *report) finish(c change, key string) {
	if c.Test == "" {
		r.packageLine(key)
	} else {
		r.passed++
		r.ended(c)
	}
	delete(r.outputs, key)
}

// skip tells of a skipped test with its reason. A package without tests is
// "skipped" too, and is no loss.
func (r *report) skip(c change, key string) {
	if c.Test == "" {
		r.packageLine(key)
	} else {
		r.skipped++
		r.ended(c)
		fmt.Fprintf(r.out, "SKIP\t%s\t%s: %s\n", c.Package, c.Test, why(r.outputs[key]))
	}
	delete(r.outputs, key)
}

// packageLine prints go test's own line of a package.
func (r *report) packageLine(key string) {
	for _, line := range r.outputs[key] {
		if strings.HasPrefix(line, "ok ") || strings.HasPrefix(line, "? ") {
			fmt.Fprint(r.out, line)
		}
	}
}

// longest prints the n tests that took longest, with seconds. Those that wait for a
// turn to run beside others count the wait.
func (r *report) longest(n int) {
	slices.SortStableFunc(r.took, func(a, b change) int { return cmp.Compare(b.Elapsed, a.Elapsed) })
	for _, c := range r.took[:min(n, len(r.took))] {
		fmt.Fprintf(r.out, "%6.1f s\t%s\t%s\n", c.Elapsed, c.Package, c.Test)
	}
}

// again prints what the failed tests said in their own lines. Where they failed, the
// logs of their servers stand between it and the end, and whoever reads a report from
// its end does not come so far.
func (r *report) again() {
	for _, line := range r.said {
		fmt.Fprint(r.out, line)
	}
}

// mostVerdicts bounds what is said again of one test, in lines.
const mostVerdicts = 15

var (
	ofTest = regexp.MustCompile(`^ +\w+_test\.go:\d+: `)
	ofRun  = regexp.MustCompile(`^(panic: |fatal error: |WARNING: DATA RACE)`)
)

// verdicts returns the last lines that a test file wrote, and why a process died.
func verdicts(lines []string) []string {
	var own []string
	for _, line := range lines {
		if ofTest.MatchString(line) || ofRun.MatchString(line) {
			own = append(own, line)
		}
	}
	return own[max(0, len(own)-mostVerdicts):]
}

// why returns what a skipped test gave as its reason.
func why(lines []string) string {
	for _, line := range lines {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "=== ") || strings.HasPrefix(line, "--- ") {
			continue
		}
		if _, reason, ok := strings.Cut(line, ".go:"); ok {
			_, reason, _ = strings.Cut(reason, ": ")
			return reason
		}
	}
	return "no reason given"
}
