package alert

import (
	"errors"
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // quiet hours must not depend on what the machine has installed
)

// QuietMode says what happens in quiet hours.
type QuietMode string

// Modes of quiet hours.
const (
	QuietOff    QuietMode = "off"    // there are none
	QuietSilent QuietMode = "silent" // messages come without a sound
	QuietDrop   QuietMode = "drop"   // nothing is told
)

// A Minute is a minute of the local day, 0 to 1439.
type Minute int16

const minutesADay = 24 * 60

func (m Minute) valid() bool { return m >= 0 && m < minutesADay }

// String writes the minute as "22:30".
func (m Minute) String() string { return fmt.Sprintf("%02d:%02d", m/60, m%60) }

// ErrMinute says that a text is not a time of day.
var ErrMinute = errors.New("not a time of day")

// ParseMinute reads a time of day of 24 hours: "22:30", "7:05", "7.05", "0705"
// or, for the full hour, "22" or "7". White space around it does not matter. The
// error wraps ErrMinute.
func ParseMinute(text string) (Minute, error) {
	t := strings.TrimSpace(text)
	i := strings.IndexAny(t, ":.")
	var hour, minute string
	switch {
	case i >= 0:
		hour, minute = t[:i], t[i+1:]
	case len(t) == 4:
		hour, minute = t[:2], t[2:]
	default:
		hour, minute = t, "00"
	}
	h, okH := digits(hour, 23)
	m, okM := digits(minute, 59)
	if !okH || !okM || len(minute) != 2 {
		return 0, fmt.Errorf("%w: %.20q", ErrMinute, text)
	}
	return Minute(h*60 + m), nil
}

// digits reads one or two digits that say no more than most.
func digits(s string, most int) (n int, ok bool) {
	if len(s) == 0 || len(s) > 2 {
		return 0, false
	}
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, n <= most
}

// QuietHours are a time of each day: from the minute From up to, and not with, the
// minute To of the local day. They cross midnight when To is the earlier one.
// From == To says that there are none.
type QuietHours struct {
	From Minute `json:"from"`
	To   Minute `json:"to"`
}

// IsZero reports whether there are none.
func (q QuietHours) IsZero() bool { return q.From == q.To }

// Include reports whether the clock on the wall shows one of the quiet hours at
// local, which is in the person's own zone.
//
// The wall's clock alone decides, which settles the days on which it is changed: a
// time that is skipped begins or ends the quiet hours at the next one that is
// there, and one that comes twice counts both times.
func (q QuietHours) Include(local time.Time) bool {
	m := Minute(local.Hour()*60 + local.Minute())
	switch {
	case q.From < q.To:
		return q.From <= m && m < q.To
	case q.From > q.To:
		return q.From <= m || m < q.To
	}
	return false
}
