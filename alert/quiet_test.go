package alert_test

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"muster/alert"
)

// minute reads a time of day.
func minute(t testing.TB, text string) alert.Minute {
	t.Helper()
	m, err := alert.ParseMinute(text)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// A step is a stretch of time in which quiet hours do not change, until the given
// moment.
type step struct {
	until string // UTC
	quiet bool
}

func TestQuietHoursFollowTheWallClock(t *testing.T) {
	tests := []struct {
		name, zone, from, to, begin string
		steps                       []step
	}{
		{"an ordinary night over midnight", "Europe/Berlin", "22:00", "07:00", "2026-01-10T12:00:00Z", []step{
			{"2026-01-10T21:00:00Z", false}, {"2026-01-11T06:00:00Z", true}, {"2026-01-11T21:00:00Z", false}}},
		{"an ordinary afternoon", "UTC", "13:15", "14:45", "2026-01-10T00:00:00Z", []step{
			{"2026-01-10T13:15:00Z", false}, {"2026-01-10T14:45:00Z", true}, {"2026-01-11T13:15:00Z", false}}},
		{"Berlin, the night that loses an hour", "Europe/Berlin", "22:00", "07:00", "2026-03-28T12:00:00Z", []step{
			{"2026-03-28T21:00:00Z", false}, {"2026-03-29T05:00:00Z", true}, {"2026-03-29T20:00:00Z", false}}},
		{"Berlin, the night that has an hour twice", "Europe/Berlin", "22:00", "07:00", "2026-10-24T12:00:00Z", []step{
			{"2026-10-24T20:00:00Z", false}, {"2026-10-25T06:00:00Z", true}, {"2026-10-25T21:00:00Z", false}}},
		{"Berlin, from a time that is skipped", "Europe/Berlin", "02:30", "05:00", "2026-03-29T00:00:00Z", []step{
			{"2026-03-29T01:00:00Z", false}, {"2026-03-29T03:00:00Z", true}, {"2026-03-30T00:30:00Z", false}}},
		{"Berlin, up to a time that is skipped", "Europe/Berlin", "01:00", "02:30", "2026-03-28T23:00:00Z", []step{
			{"2026-03-29T00:00:00Z", false}, {"2026-03-29T01:00:00Z", true}, {"2026-03-29T23:00:00Z", false}}},
		{"Berlin, all of it skipped", "Europe/Berlin", "02:10", "02:50", "2026-03-28T23:00:00Z", []step{
			{"2026-03-30T00:10:00Z", false}, {"2026-03-30T00:50:00Z", true}}},
		{"Berlin, within the hour that comes twice", "Europe/Berlin", "02:10", "02:50", "2026-10-24T22:00:00Z", []step{
			{"2026-10-25T00:10:00Z", false}, {"2026-10-25T00:50:00Z", true}, {"2026-10-25T01:10:00Z", false},
			{"2026-10-25T01:50:00Z", true}, {"2026-10-26T01:10:00Z", false}}},
		{"New York, the night that loses an hour", "America/New_York", "23:30", "08:00", "2026-03-08T00:00:00Z", []step{
			{"2026-03-08T04:30:00Z", false}, {"2026-03-08T12:00:00Z", true}, {"2026-03-09T03:30:00Z", false}}},
		{"New York, the night that has an hour twice", "America/New_York", "23:30", "08:00", "2026-11-01T00:00:00Z", []step{
			{"2026-11-01T03:30:00Z", false}, {"2026-11-01T13:00:00Z", true}, {"2026-11-02T04:30:00Z", false}}},
		{"Lord Howe, whose change is half an hour", "Australia/Lord_Howe", "01:45", "03:00", "2026-10-03T14:00:00Z", []step{
			// At 2:00 it becomes 2:30.
			{"2026-10-03T15:15:00Z", false}, {"2026-10-03T16:00:00Z", true}, {"2026-10-04T14:45:00Z", false}}},
		{"Lord Howe, back by half an hour", "Australia/Lord_Howe", "01:45", "03:00", "2026-04-04T14:00:00Z", []step{
			// At 2:00 it becomes 1:30 again.
			{"2026-04-04T14:45:00Z", false}, {"2026-04-04T15:00:00Z", true}, {"2026-04-04T15:15:00Z", false}, {"2026-04-04T16:30:00Z", true}}},
		{"Cairo, whose change skips midnight", "Africa/Cairo", "23:00", "00:30", "2026-04-23T18:00:00Z", []step{
			// At 0:00 on the 24th it becomes 1:00.
			{"2026-04-23T21:00:00Z", false}, {"2026-04-23T22:00:00Z", true}, {"2026-04-24T20:00:00Z", false}}},
		{"Kathmandu, which is odd by 45 minutes", "Asia/Kathmandu", "22:00", "06:00", "2026-06-01T12:00:00Z", []step{
			{"2026-06-01T16:15:00Z", false}, {"2026-06-02T00:15:00Z", true}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := alert.DefaultSettings(1)
			s.Zone, s.QuietMode = tt.zone, alert.QuietDrop
			s.Quiet = alert.QuietHours{From: minute(t, tt.from), To: minute(t, tt.to)}
			at := instant(t, tt.begin)
			for _, step := range tt.steps {
				for ; at.Before(instant(t, step.until)); at = at.Add(time.Minute) {
					if got := s.QuietAt(at.Add(59*time.Second)) != alert.QuietOff; got != step.quiet {
						loc, _ := alert.LoadZone(tt.zone)
						t.Fatalf("at %s (there %s): quiet %v, want %v", at.Format(time.RFC3339), at.In(loc).Format(time.TimeOnly), got, step.quiet)
					}
				}
			}
		})
	}
}

func instant(t testing.TB, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestQuietHoursAreNoneUnlessTheyAreSwitchedOn(t *testing.T) {
	s := alert.DefaultSettings(1)
	s.Quiet = alert.QuietHours{From: 0, To: 1439}
	if got := s.QuietAt(noon); got != alert.QuietOff {
		t.Errorf("switched off: %s", got)
	}
	s.QuietMode = alert.QuietSilent
	if got := s.QuietAt(noon); got != alert.QuietSilent {
		t.Errorf("switched on: %s", got)
	}
	s.Quiet = alert.QuietHours{From: 720, To: 720}
	if got := s.QuietAt(noon); got != alert.QuietOff {
		t.Errorf("from noon to noon: %s", got)
	}
	s.Quiet, s.Zone = alert.QuietHours{From: 700, To: 800}, "Gone/Since"
	if got := s.QuietAt(noon); got != alert.QuietSilent {
		t.Errorf("in a zone that is no more, UTC should count: %s", got)
	}
}

// TestQuietHoursSplitTheDay: whatever the zone and the day, what is quiet from a to
// b is not from b to a.
func TestQuietHoursSplitTheDay(t *testing.T) {
	zones := []string{"", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Africa/Casablanca", "Pacific/Apia", "Antarctica/Troll"}
	rapid.Check(t, func(t *rapid.T) {
		from := alert.Minute(rapid.IntRange(0, 1439).Draw(t, "from"))
		to := alert.Minute(rapid.IntRange(0, 1439).Filter(func(n int) bool { return alert.Minute(n) != from }).Draw(t, "to"))
		s := alert.DefaultSettings(1)
		s.Zone, s.QuietMode = rapid.SampledFrom(zones).Draw(t, "zone"), alert.QuietDrop
		at := time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "at"), 0)
		s.Quiet = alert.QuietHours{From: from, To: to}
		one := s.QuietAt(at)
		s.Quiet = alert.QuietHours{From: to, To: from}
		if other := s.QuietAt(at); one == other {
			t.Fatalf("%s–%s and the other way round are both %q", from, to, one)
		}
	})
}

func TestTimesOfDayAreReadAsPeopleWriteThem(t *testing.T) {
	for text, want := range map[string]string{
		"22:30": "22:30", "7:05": "07:05", " 7.05 ": "07:05", "0705": "07:05", "7": "07:00", "00": "00:00", "23:59": "23:59", "24": "", "12:60": "",
		"": "", ":": "", "1:2": "", "1:234": "", "-1": "", "10:3a": "", "123": "", "７:00": "", "07:00pm": "", "99999999999999999999": "",
	} {
		got, err := alert.ParseMinute(text)
		if want == "" {
			if !errors.Is(err, alert.ErrMinute) {
				t.Errorf("%q is taken for %s", text, got)
			}
			continue
		}
		if err != nil || got.String() != want {
			t.Errorf("%q: got %s (%v), want %s", text, got, err, want)
		}
	}
}

func TestZonesAreIANAsOrRefused(t *testing.T) {
	for _, good := range []string{"", "UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+5"} {
		if _, err := alert.LoadZone(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"Local", "local", "../../etc/passwd", "/etc/localtime", "Europe/Berlín", "Europe\\Berlin", "Moon", "Europe/ Berlin", "\x00"} {
		if loc, err := alert.LoadZone(bad); !errors.Is(err, alert.ErrZone) {
			t.Errorf("%q is taken for %v", bad, loc)
		}
	}
}

// FuzzSettings reads what people type into the settings: whatever it is, it is
// refused, or gives settings that are in bounds and read back the same.
func FuzzSettings(f *testing.F) {
	f.Add("22:00", "07:30", "Europe/Berlin", "10,17")
	f.Add("24", "x", "../etc", "10,,1")
	f.Add("0000", "2359", "UTC", "2147483648")
	f.Fuzz(func(t *testing.T, from, to, zone, worlds string) {
		s := alert.DefaultSettings(1)
		s.QuietMode = alert.QuietDrop
		for text, into := range map[string]*alert.Minute{from: &s.Quiet.From, to: &s.Quiet.To} {
			m, err := alert.ParseMinute(text)
			if err != nil {
				continue
			}
			if again, err := alert.ParseMinute(m.String()); err != nil || again != m {
				t.Errorf("%q is %s, which is read as %s (%v)", text, m, again, err)
			}
			*into = m
		}
		if _, err := alert.LoadZone(zone); err == nil {
			s.Zone = zone
		}
		if err := s.Validate(); err != nil {
			t.Errorf("settings of %q, %q, %q: %v", from, to, zone, err)
		}
		s.QuietAt(noon)
		list, err := alert.ParseWorlds(worlds)
		if err != nil {
			return
		}
		text := alert.FormatWorlds(list)
		if again, err := alert.ParseWorlds(text); err != nil || alert.FormatWorlds(again) != text {
			t.Errorf("%q is written as %q, which is not read back: %v", worlds, text, err)
		}
	})
}
