package alert_test

import (
	"slices"
	"testing"
	"time"

	"muster/alert"
	"muster/event"
)

const (
	ana  alert.UserID      = 1
	mine event.CharacterID = 900
)

// came returns an alert for the login of character some time before noon.
func arrival(id event.CharacterID, before time.Duration) alert.Alert {
	at := noon.Add(-before)
	return alert.Alert{Key: alert.NewKey(ana, id, at), User: ana, Character: id, World: 10, Cause: alert.ByFriend, LoginAt: at,
		CreatedAt: at, ExpiresAt: at.Add(alert.DefaultLifetime), Who: event.Character{ID: id, Name: "Somebody"}}
}

// turn is ana's turn at noon with these pending, all of whom are on and followed.
func turn(pending ...alert.Alert) alert.Turn {
	t := alert.Turn{User: ana, Settings: alert.DefaultSettings(ana), Pending: pending, Presence: map[event.CharacterID]event.Online{},
		Muted: map[event.CharacterID]bool{}, Linked: map[event.CharacterID]bool{mine: true}, Told: map[event.CharacterID]time.Time{}}
	for _, a := range pending {
		t.Presence[a.Character] = event.Online{Character: a.Character, Online: true, World: 10, Since: a.LoginAt}
		if a.Cause != alert.OwnLogin {
			t.On = append(t.On, event.Player{Character: event.Character{ID: a.Character}})
		}
	}
	return t
}

// post is a message that was sent.
func post(kind alert.PostKind, ago time.Duration, alerts ...alert.Alert) alert.Post {
	at := noon.Add(-ago)
	p := alert.Post{Key: alerts[0].Key, Kind: kind, Message: "5", OpenedAt: at, NewsAt: at}
	for _, a := range alerts {
		a.ToldAt = at
		p.Alerts = append(p.Alerts, a)
	}
	return p
}

// waits makes p one whose outcome is not known.
func waits(p alert.Post) alert.Post {
	p.Message = ""
	for i := range p.Alerts {
		p.Alerts[i].Telling = true
	}
	return p
}

// keys are those of alerts.
func keys(alerts ...alert.Alert) (all []alert.Key) {
	for _, a := range alerts {
		all = append(all, a.Key)
	}
	return all
}

func TestAnAlertIsToldUnlessSomethingSpeaksAgainstIt(t *testing.T) {
	set := func(change func(*alert.Settings)) func(*alert.Turn) {
		return func(t *alert.Turn) { change(&t.Settings) }
	}
	is := func(o event.Online) func(*alert.Turn) {
		return func(t *alert.Turn) { t.Presence[1] = o }
	}
	night := func(mode alert.QuietMode) func(*alert.Turn) {
		return set(func(s *alert.Settings) { s.QuietMode, s.Quiet = mode, alert.QuietHours{From: 700, To: 800} })
	}
	all := func(fs ...func(*alert.Turn)) func(*alert.Turn) {
		return func(t *alert.Turn) {
			for _, f := range fs {
				f(t)
			}
		}
	}
	expired := func(t *alert.Turn) { t.Pending[0].ExpiresAt = noon.Add(-1) }
	off := is(event.Online{})
	unfollowed := func(t *alert.Turn) { t.On = nil }
	muted := func(t *alert.Turn) { t.Muted[1] = true }
	paused := set(func(s *alert.Settings) { s.PausedUntil = noon.Add(time.Second) })
	inGame := all(set(func(s *alert.Settings) { s.OnlyWhenAway = true }), func(t *alert.Turn) { t.InGame = true })
	few := set(func(s *alert.Settings) { s.AtLeast = 2 })
	cool := func(t *alert.Turn) { t.Told[1] = noon.Add(-30*time.Minute + time.Second) }
	quiet := night(alert.QuietDrop)
	closed := func(t *alert.Turn) { t.Recipient.Closed = "50007" }
	tests := []struct {
		name   string
		change func(*alert.Turn)
		want   alert.Reason
		held   time.Duration // how long, if it is held
		silent bool
	}{
		{name: "nothing does", change: func(*alert.Turn) {}},
		{name: "too old", change: expired, want: alert.Expired},
		{name: "at the end of its life", change: func(t *alert.Turn) { t.Pending[0].ExpiresAt = noon }},
		{name: "gone for good", change: is(event.Online{LoggedOut: noon.Add(-3 * time.Minute)}), want: alert.Gone},
		{name: "gone, nobody knows when", change: off, want: alert.Gone},
		{name: "gone a moment ago", change: is(event.Online{LoggedOut: noon.Add(-time.Second)}), held: 10 * time.Second},
		{name: "gone, nearly for good", change: is(event.Online{LoggedOut: noon.Add(-175 * time.Second)}), held: 5 * time.Second},
		{name: "back after a relog", change: is(event.Online{Online: true, LoggedOut: noon.Add(-60 * time.Second), Since: noon.Add(-time.Second)})},
		{name: "of a sitting before this one", change: is(event.Online{Online: true, LoggedOut: noon.Add(time.Second), Since: noon.Add(4 * time.Minute)}), want: alert.Gone},
		{name: "not followed any more", change: unfollowed, want: alert.Unfollowed},
		{name: "muted", change: muted, want: alert.Muted},
		{name: "paused", change: paused, want: alert.Paused},
		{name: "a pause that is over", change: set(func(s *alert.Settings) { s.PausedUntil = noon })},
		{name: "in the game oneself", change: inGame, want: alert.InGame},
		{name: "in the game, told all the same", change: func(t *alert.Turn) { t.InGame = true }},
		{name: "too few", change: few, want: alert.TooFew},
		{name: "enough", change: all(few, func(t *alert.Turn) { t.On = append(t.On, event.Player{Character: event.Character{ID: 2}}) })},
		{name: "told a while ago", change: cool, want: alert.Cooldown},
		{name: "told long ago", change: func(t *alert.Turn) { t.Told[1] = noon.Add(-30 * time.Minute) }},
		{name: "told a while ago, no cooldown", change: all(cool, set(func(s *alert.Settings) { s.Cooldown = 0 }))},
		{name: "quiet hours", change: quiet, want: alert.Quiet},
		{name: "quiet hours that let in without a sound", change: night(alert.QuietSilent), silent: true},
		{name: "no name yet", change: func(t *alert.Turn) { t.Pending[0].Who.Name, t.Pending[0].CreatedAt = "", noon }, held: 500 * time.Millisecond},
		{name: "no name, for long enough", change: func(t *alert.Turn) { t.Pending[0].Who.Name, t.Pending[0].CreatedAt = "", noon.Add(-3*time.Second) }},
		{name: "closed", change: closed, held: alert.DefaultLifetime + 1},
		{name: "closed until it was too old", change: all(closed, expired), want: alert.Closed},

		{name: "order: too old before all else", change: all(expired, off, unfollowed, muted, paused, inGame, few, cool, quiet), want: alert.Expired},
		{name: "order: then gone", change: all(off, unfollowed, muted, paused, inGame, few, cool, quiet), want: alert.Gone},
		{name: "order: then muted", change: all(unfollowed, muted, paused, inGame, few, cool, quiet), want: alert.Muted},
		{name: "order: then not followed", change: all(unfollowed, paused, inGame, few, cool, quiet), want: alert.Unfollowed},
		{name: "order: then paused", change: all(paused, inGame, few, cool, quiet), want: alert.Paused},
		{name: "order: then in the game", change: all(inGame, few, cool, quiet), want: alert.InGame},
		{name: "order: then too few", change: all(few, cool, quiet), want: alert.TooFew},
		{name: "order: then the cooldown", change: all(cool, quiet), want: alert.Cooldown},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			turn := turn(arrival(1, 0))
			tt.change(&turn)
			got := alert.Plan(turn, noon)
			switch {
			case tt.want != "":
				if len(got.Drop) != 1 || got.Drop[0].Reason != tt.want || len(got.Send)+len(got.Held) != 0 {
					t.Errorf("got %+v, want it dropped as %s", got, tt.want)
				}
			case tt.held != 0:
				if len(got.Held) != 1 || !got.LookAt.Equal(noon.Add(tt.held)) || len(got.Send)+len(got.Drop) != 0 {
					t.Errorf("got %+v, want it held for %s", got, tt.held)
				}
			default:
				if len(got.Send) != 1 || got.Send[0].Kind != alert.Single || got.Send[0].Silent != tt.silent || len(got.Drop)+len(got.Held) != 0 {
					t.Errorf("got %+v, want one message", got)
				}
			}
		})
	}
}

func TestOnesOwnLoginBringsASummary(t *testing.T) {
	own := arrival(mine, 0)
	own.Cause = alert.OwnLogin
	tests := []struct {
		name   string
		change func(*alert.Turn)
		want   alert.Reason
	}{
		{"of who is on", func(*alert.Turn) {}, ""},
		{"unless nobody is", func(t *alert.Turn) { t.On = nil }, alert.NobodyOn},
		{"unless it is not wanted", func(t *alert.Turn) { t.Settings.Summary = false }, alert.NobodyOn},
		{"in the game or not", func(t *alert.Turn) { t.Settings.OnlyWhenAway, t.InGame = true, true }, ""},
		{"unless one has gone again", func(t *alert.Turn) { t.Presence[mine] = event.Online{} }, alert.Gone},
		{"unless the character is not linked any more", func(t *alert.Turn) { t.Linked = nil }, alert.Unfollowed},
		{"unless paused", func(t *alert.Turn) { t.Settings.PausedUntil = noon.Add(1) }, alert.Paused},
		{"unless there was one a while ago", func(t *alert.Turn) { t.Told[mine] = noon.Add(-time.Minute) }, alert.Cooldown},
		{"whatever was told of friends", func(t *alert.Turn) { t.Told[1] = noon.Add(-time.Minute) }, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			turn := turn(own)
			turn.On = []event.Player{{Character: event.Character{ID: 1}}}
			tt.change(&turn)
			got := alert.Plan(turn, noon)
			if tt.want != "" {
				if len(got.Drop) != 1 || got.Drop[0].Reason != tt.want || len(got.Send) != 0 {
					t.Errorf("got %+v, want it dropped as %s", got, tt.want)
				}
				return
			}
			if len(got.Send) != 1 || got.Send[0].Kind != alert.Summary || got.Send[0].Key != own.Key {
				t.Errorf("got %+v, want a summary", got)
			}
		})
	}
}

func TestThreeWithinAMinuteBecomeADigest(t *testing.T) {
	a, b, c, d := arrival(1, 0), arrival(2, 0), arrival(3, 0), arrival(4, 0)
	tests := []struct {
		name    string
		pending []alert.Alert
		posts   []alert.Post
		plain   bool
		edited  time.Duration // ago
		singles int
		digest  []alert.Alert // of a new one
		edit    []alert.Alert // of the one that goes on
		held    time.Duration
	}{
		{name: "two are two messages", pending: []alert.Alert{a, b}, singles: 2},
		{name: "three at once are a digest", pending: []alert.Alert{a, b, c}, digest: []alert.Alert{a, b, c}},
		{name: "the third lists the two before", pending: []alert.Alert{c},
			posts: []alert.Post{post(alert.Single, 59*time.Second, a), post(alert.Single, time.Second, b)}, digest: []alert.Alert{a, b, c}},
		{name: "what is a minute old does not count", pending: []alert.Alert{c},
			posts: []alert.Post{post(alert.Single, 60*time.Second, a), post(alert.Single, time.Second, b)}, singles: 1},
		{name: "a digest goes on", pending: []alert.Alert{d}, posts: []alert.Post{post(alert.Digest, 59*time.Second, a, b, c)},
			edit: []alert.Alert{a, b, c, d}},
		{name: "a digest with nothing new for a minute is over", pending: []alert.Alert{d},
			posts: []alert.Post{post(alert.Digest, 60*time.Second, a, b, c)}, singles: 1},
		{name: "a digest that was just edited waits", pending: []alert.Alert{d}, edited: 3 * time.Second,
			posts: []alert.Post{post(alert.Digest, 10*time.Second, a, b, c)}, held: 2 * time.Second},
		{name: "a digest ends after ten minutes", pending: []alert.Alert{d},
			posts: func() []alert.Post {
				p := post(alert.Digest, 10*time.Minute, a, b, c)
				p.NewsAt, p.Alerts[2].ToldAt = noon.Add(-time.Second), noon.Add(-time.Second)
				return []alert.Post{p}
			}(), singles: 1},
		{name: "whoever wants no digest gets messages", plain: true, pending: []alert.Alert{a, b, c, d}, singles: 4},
		{name: "but not ten a minute", plain: true, pending: []alert.Alert{a, b, c},
			posts: []alert.Post{post(alert.Single, 9*time.Second, arrival(11, 0)), post(alert.Single, 8*time.Second, arrival(12, 0)),
				post(alert.Single, 7*time.Second, arrival(13, 0)), post(alert.Single, 6*time.Second, arrival(14, 0)),
				post(alert.Single, 5*time.Second, arrival(15, 0)), post(alert.Single, 4*time.Second, arrival(16, 0)),
				post(alert.Single, 3*time.Second, arrival(17, 0))},
			digest: []alert.Alert{arrival(11, 0), arrival(12, 0), arrival(13, 0), arrival(14, 0), arrival(15, 0), arrival(16, 0), arrival(17, 0), a, b, c}},
		{name: "a digest that was deleted is not replaced at once", pending: []alert.Alert{d},
			posts: func() []alert.Post {
				p := post(alert.Digest, 20*time.Second, a, b, c)
				p.Gone = true
				return []alert.Post{p}
			}(), held: 40 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			turn := turn(tt.pending...)
			turn.Posts, turn.Settings.Digest = tt.posts, !tt.plain
			if tt.edited != 0 {
				turn.EditedAt = noon.Add(-tt.edited)
			}
			got := alert.Plan(turn, noon)
			singles := 0
			var digest, edit []alert.Alert
			for _, p := range got.Send {
				if p.Kind == alert.Single {
					singles++
				} else {
					digest = p.Alerts
				}
			}
			for _, p := range got.Edit {
				edit = p.Alerts
			}
			if singles != tt.singles || !slices.Equal(keys(digest...), keys(tt.digest...)) || !slices.Equal(keys(edit...), keys(tt.edit...)) {
				t.Errorf("got %d messages, a digest of %d, an edit to %d; want %d, %d, %d", singles, len(digest), len(edit),
					tt.singles, len(tt.digest), len(tt.edit))
			}
			if tt.held == 0 != got.LookAt.IsZero() || tt.held != 0 && !got.LookAt.Equal(noon.Add(tt.held)) {
				t.Errorf("looks again at %v, want in %v", got.LookAt, tt.held)
			}
		})
	}
}

func TestWhatMayHaveBeenSentIsSentAgainAsItWas(t *testing.T) {
	a, b, c := arrival(1, time.Minute), arrival(2, 0), arrival(3, 0)
	unsent := waits(post(alert.Single, 50*time.Second, a))
	turn := turn(b, c)
	turn.Posts = []alert.Post{unsent}
	turn.Settings.PausedUntil = noon.Add(time.Hour) // too late for a
	got := alert.Plan(turn, noon)
	if len(got.Send) != 1 || got.Send[0].Key != a.Key || len(got.Drop) != 2 {
		t.Errorf("got %+v", got)
	}
	turn.Settings.PausedUntil = time.Time{}
	if got = alert.Plan(turn, noon); len(got.Send) != 1 || len(got.Held) != 2 {
		t.Errorf("others do not wait for its outcome: %+v", got)
	}
	turn.Posts[0].RetryAt = noon.Add(7 * time.Second)
	if got = alert.Plan(turn, noon); len(got.Send) != 0 || len(got.Held) != 2 || !got.LookAt.Equal(noon.Add(7*time.Second)) {
		t.Errorf("before its time: %+v", got)
	}
	turn.Posts[0].RetryAt, turn.Posts[0].Alerts[0].ExpiresAt = time.Time{}, noon.Add(-1)
	if got = alert.Plan(turn, noon); len(got.Drop) != 1 || got.Drop[0] != (alert.Dropping{Key: a.Key, Reason: alert.Expired}) || len(got.Send) != 2 {
		t.Errorf("when it is too old: %+v", got)
	}
	turn.Recipient.Closed = "50007"
	if got = alert.Plan(turn, noon); len(got.Drop) != 1 || got.Drop[0].Reason != alert.Closed || len(got.Send) != 0 {
		t.Errorf("when the person has closed: %+v", got)
	}
}

func TestALineThatMayBeMissingIsShownByTheNextEdit(t *testing.T) {
	a, b, c, d := arrival(1, 0), arrival(2, 0), arrival(3, 0), arrival(4, time.Minute)
	p := post(alert.Digest, 8*time.Second, a, b, c, d)
	p.Alerts[3].Telling = true
	turn := turn()
	turn.Posts = []alert.Post{p}
	if got := alert.Plan(turn, noon); len(got.Edit) != 1 || len(got.Edit[0].Alerts) != 4 {
		t.Errorf("got %+v", got)
	}
	p.Alerts[3].ExpiresAt = noon.Add(-1)
	if got := alert.Plan(turn, noon); len(got.Edit) != 0 || len(got.Drop) != 1 || got.Drop[0].Key != d.Key {
		t.Errorf("when it is too old: %+v", got)
	}
}

func TestWhoHasLeftIsShownByAnEditAtATime(t *testing.T) {
	one, two := post(alert.Single, time.Hour, arrival(1, time.Hour)), post(alert.Single, time.Hour, arrival(2, time.Hour))
	one.Changed, two.Changed = 1, 1
	base := turn()
	base.Posts = []alert.Post{one, two, post(alert.Single, time.Second, arrival(3, 0))}
	tests := []struct {
		name   string
		change func(*alert.Turn)
		edits  int
		next   time.Duration
	}{
		{"the oldest first", func(*alert.Turn) {}, 1, 5 * time.Second},
		{"not right after another edit", func(t *alert.Turn) { t.EditedAt = noon.Add(-time.Second) }, 0, 4 * time.Second},
		{"not if it is not wanted", func(t *alert.Turn) { t.Settings.EditOnLeave = false }, 0, 0},
		{"not if the person has closed", func(t *alert.Turn) { t.Recipient.Closed = "50007" }, 0, 0},
		{"not if the message is gone", func(t *alert.Turn) { t.Posts = slices.Clone(t.Posts); t.Posts[0].Gone = true }, 1, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			turn := base
			tt.change(&turn)
			got := alert.Plan(turn, noon)
			if len(got.Edit) != tt.edits || tt.next == 0 != got.EditAt.IsZero() || tt.next != 0 && !got.EditAt.Equal(noon.Add(tt.next)) {
				t.Errorf("got %+v, want %d edits and the next in %v", got, tt.edits, tt.next)
			}
		})
	}
}

func TestTheSameSittingTwiceIsToldOnce(t *testing.T) {
	first, second := arrival(1, 4*time.Minute), arrival(1, 0)
	turn := turn(first, second)
	turn.Presence[1] = event.Online{Online: true, Since: noon, LoggedOut: noon.Add(-200 * time.Second)}
	got := alert.Plan(turn, noon)
	if len(got.Send) != 1 || got.Send[0].Key != second.Key || len(got.Drop) != 1 || got.Drop[0].Key != first.Key {
		t.Errorf("got %+v", got)
	}
}

func TestMoreThanFitComeWithTheNextTurn(t *testing.T) {
	turn := turn(arrival(1, 0))
	turn.More = true
	if got := alert.Plan(turn, noon); !got.LookAt.Equal(noon.Add(alert.EditEvery)) {
		t.Errorf("looks again at %v", got.LookAt)
	}
}
