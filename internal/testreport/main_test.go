package main

import (
	"strings"
	"testing"
)

const passed = `{"Action":"start","Package":"muster/x"}
{"Action":"run","Package":"muster/x","Test":"TestA"}
{"Action":"output","Package":"muster/x","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"output","Package":"muster/x","Test":"TestA","Output":"chatter\n"}
{"Action":"pass","Package":"muster/x","Test":"TestA"}
{"Action":"output","Package":"muster/x","Output":"PASS\n"}
{"Action":"output","Package":"muster/x","Output":"ok  \tmuster/x\t0.1s\n"}
{"Action":"pass","Package":"muster/x"}
`

const skipped = `{"Action":"output","Package":"muster/x","Test":"TestB","Output":"=== RUN   TestB\n"}
{"Action":"output","Package":"muster/x","Test":"TestB","Output":"    b_test.go:12: MUSTER_SHARED is not set: no samples\n"}
{"Action":"output","Package":"muster/x","Test":"TestB","Output":"--- SKIP: TestB (0.00s)\n"}
{"Action":"skip","Package":"muster/x","Test":"TestB"}
`

const broken = `{"Action":"output","Package":"muster/x","Test":"TestC","Output":"    c_test.go:1: got 1, want 2\n"}
{"Action":"fail","Package":"muster/x","Test":"TestC"}
{"Action":"output","Package":"muster/x","Output":"FAIL\tmuster/x\t0.1s\n"}
{"Action":"fail","Package":"muster/x"}
`

const unbuilt = `{"ImportPath":"muster/x","Action":"build-output","Output":"x/x.go:1:1: expected package\n"}
{"ImportPath":"muster/x","Action":"build-fail"}
`

func TestReport(t *testing.T) {
	tests := []struct {
		name, in, want string
		failed         bool

		passed, broken, skipped int
	}{
		{name: "a passing package is one line", in: passed, passed: 1, want: "ok  \tmuster/x\t0.1s\n"},
		{name: "a skipped test gives its reason", in: skipped, skipped: 1,
			want: "SKIP\tmuster/x\tTestB: MUSTER_SHARED is not set: no samples\n"},
		{name: "a failure shows its output", in: broken, failed: true, broken: 1,
			want: "    c_test.go:1: got 1, want 2\nFAIL\tmuster/x\t0.1s\n"},
		{name: "what does not build is shown", in: unbuilt, failed: true, want: "x/x.go:1:1: expected package\n"},
		{name: "what is not JSON is passed on", in: "go: no such module\n", want: "go: no such module\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out strings.Builder
			r := newReport(&out)
			if err := r.read(strings.NewReader(tt.in)); err != nil {
				t.Fatal(err)
			}
			if out.String() != tt.want || r.failed != tt.failed {
				t.Errorf("got %q, failed %v; want %q, %v", out.String(), r.failed, tt.want, tt.failed)
			}
			if r.passed != tt.passed || r.broken != tt.broken || r.skipped != tt.skipped {
				t.Errorf("counted %d passed, %d failed, %d skipped; want %d, %d, %d",
					r.passed, r.broken, r.skipped, tt.passed, tt.broken, tt.skipped)
			}
		})
	}
}

func TestLongest(t *testing.T) {
	var out strings.Builder
	r := newReport(&out)
	err := r.read(strings.NewReader(`{"Action":"pass","Package":"p","Test":"TestShort","Elapsed":0.5}
{"Action":"pass","Package":"p","Test":"TestLong/part","Elapsed":20}
{"Action":"fail","Package":"p","Test":"TestLong","Elapsed":20.04}
{"Action":"pass","Package":"p","Elapsed":21}
`))
	if err != nil {
		t.Fatal(err)
	}
	r.longest(1)
	if got, want := out.String(), "  20.0 s\tp\tTestLong\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	out.Reset()
	r.longest(9)
	if got := strings.Count(out.String(), "\n"); got != 2 {
		t.Errorf("got %d lines of 2 tests", got)
	}
}

func TestWhatFailedIsSaidAgainAtTheEnd(t *testing.T) {
	var out strings.Builder
	r := newReport(&out)
	output := func(text string) string {
		return `{"Action":"output","Package":"p","Test":"TestC","Output":"` + text + `\n"}` + "\n"
	}
	in := strings.Repeat(output("    c_test.go:7: earlier"), 2*mostVerdicts) + output("=== RUN   TestC") +
		output("    c_test.go:9: got 1, want 2") + output("    servers.go:12: the log of the broker") +
		output("        a line of it") + output("panic: boom") + `{"Action":"fail","Package":"p","Test":"TestC"}` + "\n" + passed
	if err := r.read(strings.NewReader(in)); err != nil {
		t.Fatal(err)
	}
	out.Reset()
	r.again()
	want := "FAIL\tp\tTestC\n" + strings.Repeat("    c_test.go:7: earlier\n", mostVerdicts-2) +
		"    c_test.go:9: got 1, want 2\npanic: boom\n"
	if out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}

func TestAPackageThatFailsWithoutATestIsSaidAgainAtTheEnd(t *testing.T) {
	const fails = `{"Action":"output","Package":"muster/x","Output":"FAIL\tmuster/x\t0.1s\n"}
{"Action":"fail","Package":"muster/x"}
`
	tests := []struct {
		name, in, said string
		printed        string // somewhere in what is printed at once
	}{
		{name: "a panic beside a test that runs", in: `{"Action":"run","Package":"muster/x","Test":"TestA"}
{"Action":"pass","Package":"muster/x","Test":"TestA"}
{"Action":"run","Package":"muster/x","Test":"TestB"}
{"Action":"output","Package":"muster/x","Test":"TestB","Output":"panic: boom\n"}
{"Action":"output","Package":"muster/x","Test":"TestB","Output":"goroutine 7 [running]:\n"}
` + fails, said: "FAIL\tmuster/x\tTestB has not ended\npanic: boom\n", printed: "goroutine 7 [running]:\n"},
		{name: "a race after the last test", in: passed[:strings.Index(passed, `{"Action":"output","Package":"muster/x","Output":"PASS`)] +
			`{"Action":"output","Package":"muster/x","Output":"testing: race detected outside of test execution\n"}
` + fails, said: "FAIL\tmuster/x, none of whose tests failed\ntesting: race detected outside of test execution\nFAIL\tmuster/x\t0.1s\n",
			printed: "race detected"},
		{name: "a test that failed is said once", in: broken,
			said: "FAIL\tmuster/x\tTestC\n    c_test.go:1: got 1, want 2\n", printed: "got 1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out strings.Builder
			r := newReport(&out)
			if err := r.read(strings.NewReader(tt.in)); err != nil {
				t.Fatal(err)
			}
			if !r.failed || !strings.Contains(out.String(), tt.printed) {
				t.Errorf("printed %q, failed %v; want %q in it, and failed", out.String(), r.failed, tt.printed)
			}
			out.Reset()
			r.again()
			if out.String() != tt.said {
				t.Errorf("said %q, want %q", out.String(), tt.said)
			}
		})
	}
}
