package clock

import (
	"testing"
	"testing/synctest"
	"time"
)

// A machine has a clock that can be set.
type machine struct {
	wall  time.Time
	since time.Duration
}

func (m *machine) read() (time.Time, time.Duration) { return m.wall, m.since }

// pass lets d go by, sleep does so without the machine noticing, but for its clock.
func (m *machine) pass(d time.Duration)  { m.wall, m.since = m.wall.Add(d), m.since+d }
func (m *machine) sleep(d time.Duration) { m.wall = m.wall.Add(d) }
func (m *machine) set(d time.Duration)   { m.wall = m.wall.Add(d) }

var noon = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

func newMachine() (*machine, *Clock) {
	m := &machine{wall: noon, since: time.Hour}
	return m, From(m.read)
}

// stamps has n stamps of the true time arrive, each d old, a tenth of a second apart.
func (m *machine) stamps(c *Clock, n int, truth *time.Time, d time.Duration) (set time.Duration) {
	for range n {
		m.pass(time.Second / 10)
		*truth = truth.Add(time.Second / 10)
		set += c.Seen(truth.Add(-d).Truncate(time.Second))
	}
	return set
}

func TestAClockThatIsSetIsNotFollowed(t *testing.T) {
	for _, by := range []time.Duration{-2 * time.Minute, 2 * time.Minute, -24 * time.Hour, 10 * time.Second} {
		t.Run(by.String(), func(t *testing.T) {
			m, c := newMachine()
			truth := noon
			m.stamps(c, 100, &truth, 0)
			m.set(by)
			if set := m.stamps(c, 1000, &truth, 2*time.Second); set != 0 {
				t.Errorf("it was followed by %s", set)
			}
			if got := c.Now(); !got.Equal(truth) {
				t.Errorf("after the step it is %s, want %s", got, truth)
			}
			if got := c.Step(); got != by {
				t.Errorf("Step is %s, want %s", got, by)
			}
			m.set(-by)
			m.stamps(c, 10, &truth, 0)
			if got := c.Now(); !got.Equal(truth) || c.Step() != 0 {
				t.Errorf("when it is right again: %s, want %s", got, truth)
			}
		})
	}
}

func TestAClockThatIsPutRightIsFollowed(t *testing.T) {
	for _, wrong := range []time.Duration{-2 * time.Minute, 2 * time.Minute, -24 * time.Hour, 10 * time.Second} {
		t.Run(wrong.String(), func(t *testing.T) {
			m := &machine{wall: noon.Add(wrong)}
			c := From(m.read)
			truth := noon
			m.stamps(c, 100, &truth, 0)
			m.set(-wrong)
			if set := m.stamps(c, 100, &truth, time.Second); set != -wrong {
				t.Errorf("it was followed by %s, want %s", set, -wrong)
			}
			if got := c.Now(); !got.Equal(truth) {
				t.Errorf("it is %s, want %s", got, truth)
			}
		})
	}
}

// A world's stamps can be wrong too (census 3, S7): one of three settles nothing.
func TestTheStampsOfOneWorldDoNotSetTheClock(t *testing.T) {
	for _, by := range []time.Duration{2 * time.Minute, -2 * time.Minute} {
		m, c := newMachine()
		truth := noon
		m.set(by)
		for i := range 3000 {
			if i%3 == 0 {
				if set := c.Seen(truth.Add(24 * time.Hour)); set != 0 {
					t.Fatalf("set by %s", set)
				}
				continue
			}
			if set := m.stamps(c, 1, &truth, 0); set != 0 {
				t.Fatalf("set by %s", set)
			}
		}
	}
}

func TestSlowDriftIsFollowed(t *testing.T) {
	m, c := newMachine()
	for range 100 {
		m.pass(10 * time.Second)
		m.set(50 * time.Millisecond)
		if got := c.Now(); !got.Equal(m.wall) {
			t.Fatalf("it is %s, want %s", got, m.wall)
		}
	}
}

func TestASleepIsMadeUpFor(t *testing.T) {
	m, c := newMachine()
	m.sleep(8 * time.Hour)
	if set := c.Resumed(); set != 8*time.Hour || !c.Now().Equal(m.wall) {
		t.Errorf("set by %s to %s, want %s", set, c.Now(), m.wall)
	}
	m.set(-time.Hour)
	if set := c.Resumed(); set != 0 {
		t.Errorf("no sleep takes an hour back, set by %s", set)
	}

	m, c = newMachine()
	m.sleep(20 * time.Second) // too short to lose a connection
	truth := m.wall
	if m.stamps(c, 5, &truth, 0); !c.Now().Equal(truth) {
		t.Errorf("after five stamps it is %s, want %s", c.Now(), truth)
	}
}

func TestTheRealClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New()
		<-time.After(time.Hour)
		if got, want := c.Now(), time.Now(); !got.Equal(want) {
			t.Errorf("it is %s, want %s", got, want)
		}
	})
}
