package event

import "time"

// A Sign is one kind of evidence about a character's presence.
type Sign uint8

// Signs, in the order in which those of one second are folded: a logout wins
// over activity at the same second, and a login over a logout (a relog).
const (
	SignActivity    Sign = iota // an event that only somebody in the game can cause
	SignObservedOn              // the query service says online
	SignObservedOff             // the query service says offline
	SignTimeout                 // no sign of life was seen for long; At is the newest time that counts as long ago
	SignLogout
	SignLogin
)

// Evidence is what is known of one character at one game second.
type Evidence struct {
	Sign  Sign
	At    time.Time // whole seconds, UTC
	World World
	Zone  Zone
}

// EvidenceAt returns the second that e counts for in presence. Events stamped
// ahead of their arrival must not move anybody into the future (census 3, S7):
// they count for the second of arrival.
func (e Event) EvidenceAt() time.Time {
	if e.Future {
		return e.ReceivedAt.Truncate(time.Second)
	}
	return e.At
}

// A Track is what is remembered of one character's presence: enough to fold the
// next evidence, whatever order it comes in.
type Track struct {
	Online
	// Inferred says that the session's start is a sign of life, not a login.
	Inferred bool
	// End is how the last session ended; empty while online.
	End EndReason
}

// Folded is what one piece of evidence did.
type Folded struct {
	Track Track
	// Changes are the times the character came on or went off by this evidence.
	Changes []PresenceChange
	// Sessions are rows to be written under their natural key (character,
	// start), in this order.
	Sessions []Session
	// Dropped are starts of sessions that are no longer: they moved.
	Dropped []time.Time
	// Replaced is set when a login has taken the place of an inferred start: the
	// start as it was. Whoever was told of the session then needs not be told now.
	Replaced time.Time
}

// relogSlack is how much later than a sign of life its own login may be
// stamped (census 3, S6: a second back is normal).
const relogSlack = 5 * time.Second

// Fold adds one piece of evidence to t. It is pure.
//
// Game time decides, never the order of calls:
//
//   - A character is online when its newest login is not older than its newest
//     logout, or its newest activity is newer than that logout.
//   - World and zone are those of the newest evidence (worlds merge).
//   - Each login begins a session. Without one, the first sign of life after a
//     logout begins an inferred session; an older sign of life moves that start
//     back, and a login older than it, or up to 5 s newer, becomes its start.
//   - A login in a session that had one ends the old session at its last sign of
//     life (EndRelogin): the character went off and on.
//   - A logout in the middle of a session, come late, splits it there; the rest
//     is an inferred session from the newest sign of life.
//   - EndTimeout and EndObserved end a session at its last sign of life. A logout
//     that comes after all corrects the end.
//   - Evidence older than all that changes nothing.
//
// Online, World, Zone, LastSeen and LoggedOut come out the same for activity,
// logins and logouts in every order and with any repetition. So does the start
// of a running session that has a login; an inferred one after a late logout
// can start later than it did, for what was before is forgotten.
func (t Track) Fold(character CharacterID, ev Evidence) Folded {
	t.Character = character
	f := Folded{Track: t}
	switch ev.Sign {
	case SignLogin:
		f.login(ev)
	case SignLogout:
		f.logout(ev)
	case SignObservedOff, SignTimeout:
		f.lapse(ev)
	default:
		f.alive(ev)
	}
	f.Track.settleSince()
	if n := len(f.Changes); n > 0 {
		f.Changes[n-1].After = f.Track.Online
	}
	return f
}

func (f *Folded) login(ev Evidence) {
	t, before := &f.Track, f.Track
	repeated := t.Session.Equal(ev.At) && !t.Inferred
	f.seen(ev)
	switch {
	case repeated || ev.At.Before(t.LoggedOut):
	case !t.Online.Online:
		f.begin(before.Online, ev, false)
	case t.Inferred && ev.At.Sub(t.Session) <= relogSlack:
		f.move(ev.At, false)
	case ev.At.After(t.Session):
		end := before.LastSeen
		if end.After(ev.At) {
			end = ev.At
		}
		off := before
		off.Online.Online, off.LoggedOut, off.Since = false, end, end
		f.Sessions = append(f.Sessions, before.session(end, EndRelogin))
		f.Changes = append(f.Changes, PresenceChange{Before: before.Online, After: off.Online, Reason: EndRelogin})
		f.begin(off.Online, ev, false)
	}
}

func (f *Folded) alive(ev Evidence) {
	t, before := &f.Track, f.Track
	if ev.Sign == SignObservedOn && ev.World == t.World {
		ev.Zone = t.Zone // the query service does not say where
	}
	f.seen(ev)
	switch {
	case !ev.At.After(t.LoggedOut):
	case !t.Online.Online:
		f.begin(before.Online, ev, true)
	case t.Inferred && ev.At.Before(t.Session):
		f.move(ev.At, true)
	}
}

func (f *Folded) logout(ev Evidence) {
	t, before := &f.Track, f.Track
	f.seen(ev)
	if !ev.At.After(t.LoggedOut) && (t.End == "" || t.End == EndLogout || ev.At.Before(t.LoggedOut)) {
		return
	}
	t.LoggedOut = ev.At
	switch {
	case !t.Online.Online:
		if before.End == EndTimeout || before.End == EndObserved {
			f.Sessions = append(f.Sessions, before.session(ev.At, EndLogout))
		}
		t.End = EndLogout
	case ev.At.Before(t.Session) || ev.At.Equal(t.Session) && !t.Inferred:
		// It belongs to an earlier sitting, or the login of the same second wins.
	case ev.At.Before(before.LastSeen):
		f.Sessions = append(f.Sessions, before.session(ev.At, EndLogout))
		t.Session, t.Inferred = before.LastSeen, true
		f.Sessions = append(f.Sessions, t.session(time.Time{}, ""))
	default:
		f.end(before, ev.At, EndLogout)
	}
}

// lapse ends a session of which nothing newer than ev.At is known.
func (f *Folded) lapse(ev Evidence) {
	t, before := &f.Track, f.Track
	reason := EndTimeout
	if ev.Sign == SignObservedOff {
		reason = EndObserved
	}
	switch {
	case !t.Online.Online:
		if t.End == EndTimeout && reason == EndObserved && ev.At.After(t.LastSeen) {
			t.End = EndObserved // now it is known, not only supposed
		}
	case ev.At.After(t.LastSeen):
		f.end(before, t.LastSeen, reason)
	}
}

// seen takes the newest evidence's time and place; of several at one second
// the greatest place, so that order does not matter.
func (f *Folded) seen(ev Evidence) {
	o := &f.Track.Online
	switch {
	case ev.At.After(o.LastSeen):
		o.LastSeen, o.World, o.Zone = ev.At, ev.World, ev.Zone
	case ev.At.Equal(o.LastSeen) && (ev.World > o.World || ev.World == o.World && ev.Zone > o.Zone):
		o.World, o.Zone = ev.World, ev.Zone
	}
}

func (f *Folded) begin(before Online, ev Evidence, inferred bool) {
	t := &f.Track
	t.Online.Online, t.Session, t.Inferred, t.End = true, ev.At, inferred, ""
	f.Sessions = append(f.Sessions, t.session(time.Time{}, ""))
	f.Changes = append(f.Changes, PresenceChange{Before: before, After: t.Online, ByLogin: ev.Sign == SignLogin})
}

func (f *Folded) move(start time.Time, inferred bool) {
	t := &f.Track
	if !inferred {
		f.Replaced = t.Session
	}
	if !start.Equal(t.Session) {
		f.Dropped = append(f.Dropped, t.Session)
	}
	t.Session, t.Inferred = start, inferred
	f.Sessions = append(f.Sessions, t.session(time.Time{}, ""))
}

func (f *Folded) end(before Track, at time.Time, reason EndReason) {
	t := &f.Track
	t.Online.Online, t.LoggedOut, t.End = false, at, reason
	f.Sessions = append(f.Sessions, t.session(at, reason))
	f.Changes = append(f.Changes, PresenceChange{Before: before.Online, After: t.Online, Reason: reason})
}

// session is the row of t's session, running if end is zero.
func (t Track) session(end time.Time, reason EndReason) Session {
	return Session{Character: t.Character, World: t.World, StartedAt: t.Session,
		Inferred: t.Inferred, EndedAt: end, End: reason}
}

func (t *Track) settleSince() {
	t.Since = t.LoggedOut
	if t.Online.Online {
		t.Since = t.Session
	}
}

// Restored fills in what follows from the other fields, for a Track read back
// from storage.
func (t Track) Restored() Track {
	t.settleSince()
	return t
}
