package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"muster/bus"
)

// A letterJSON is a dead letter as programs read it.
type letterJSON struct {
	Ref         string            `json:"ref"`
	At          time.Time         `json:"at"`
	Queue       string            `json:"queue"`
	Reason      string            `json:"reason"`
	ID          string            `json:"id"`
	Key         string            `json:"key"`
	Size        int               `json:"size"` // bytes of the body
	PublishedAt *time.Time        `json:"published_at,omitempty"`
	Headers     map[string]string `json:"headers,omitempty"`
	Body        *string           `json:"body,omitempty"`        // where it is valid UTF-8
	BodyBase64  []byte            `json:"body_base64,omitempty"` // where it is not
}

func summary(l bus.Letter) letterJSON {
	s := letterJSON{Ref: l.Ref, At: l.At, Queue: l.Queue, Reason: l.Reason, ID: l.ID, Key: l.Key, Size: len(l.Body)}
	if !l.PublishedAt.IsZero() {
		s.PublishedAt = &l.PublishedAt
	}
	return s
}

func summaries(letters []bus.Letter) []letterJSON {
	all := make([]letterJSON, len(letters))
	for i, l := range letters {
		all[i] = summary(l)
	}
	return all
}

// whole is a letter with its headers and its body, byte for byte.
func whole(l bus.Letter) letterJSON {
	s := summary(l)
	s.Headers = l.Headers
	if text := string(l.Body); utf8.ValidString(text) {
		s.Body = &text
	} else {
		s.BodyBase64 = l.Body
	}
	return s
}

// printJSON writes v so that it does no harm on a terminal either.
func printJSON(w io.Writer, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(w, printable(string(b)))
	return err
}

const whenForm = "2006-01-02 15:04:05Z"

// reasonWidth is how much of a reason a table shows, in characters.
const reasonWidth = 90

// printLetters writes a table with a line for each letter.
func printLetters(w io.Writer, queue string, letters []bus.Letter, limit int) error {
	if len(letters) == 0 {
		_, err := fmt.Fprintf(w, "no dead letters in queue %s\n", queue)
		return err
	}
	table := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, "REF\tWHEN\tQUEUE\tREASON\tID\tSIZE")
	for _, l := range letters {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%d\n", l.Ref, l.At.Format(whenForm),
			cell(l.Queue), shorten(cell(l.Reason), reasonWidth), cell(l.ID), len(l.Body))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if len(letters) == limit {
		_, err := fmt.Fprintf(w, "these are the newest %d; there may be more, see --limit\n", limit)
		return err
	}
	return nil
}

// printLetter writes everything about one letter.
func printLetter(w io.Writer, l bus.Letter) error {
	table := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	line := func(name, value string) { fmt.Fprintf(table, "%s\t%s\n", name, cell(value)) }
	line("ref", l.Ref)
	line("queue", l.Queue)
	line("when", l.At.Format(whenForm))
	if !l.PublishedAt.IsZero() {
		line("published", l.PublishedAt.Format(whenForm))
	}
	line("id", l.ID)
	line("key", l.Key)
	line("size", counted(len(l.Body), "byte"))
	line("reason", l.Reason)
	for _, name := range slices.Sorted(maps.Keys(l.Headers)) {
		line("header "+name, l.Headers[name])
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\n%s\n", readableBody(l.Body))
	return err
}

// readableBody indents JSON and escapes what a terminal might obey.
func readableBody(body []byte) string {
	const deepest = 50 // indenting what is deeper could make it a thousand times as long
	if json.Valid(body) && depth(body) <= deepest {
		var b bytes.Buffer
		if err := json.Indent(&b, body, "", "  "); err == nil {
			body = b.Bytes()
		}
	}
	return printable(string(body))
}

// depth returns how deep the brackets of valid JSON go, or more.
func depth(body []byte) (most int) {
	n := 0
	for _, c := range body {
		switch c {
		case '{', '[':
			n++
		case '}', ']':
			n--
		}
		most = max(most, n)
	}
	return most
}

// cell makes a text fit into one line of a table.
func cell(s string) string {
	s = strings.NewReplacer("\n", `\n`, "\t", `\t`).Replace(s)
	if s == "" {
		return "-"
	}
	return printable(s)
}

func shorten(s string, limit int) string {
	if utf8.RuneCountInString(s) <= limit {
		return s
	}
	return string([]rune(s)[:limit-1]) + "…"
}

// printable escapes, as JSON does, everything that is neither visible nor a line
// break, so that a message can move no cursor and hide no text; bytes that are no
// UTF-8 become \xNN.
func printable(s string) string {
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], string(utf8.RuneError)):
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r == '\n' || unicode.IsPrint(r):
			b.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// counted writes a number of things.
func counted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
