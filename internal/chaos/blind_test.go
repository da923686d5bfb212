package chaos

// seesWhatIsWrong makes each thing wrong that a case could show as right, in a
// cluster that is well and not needed any more, and fails if what judges the cases
// does not see it. From the game second began on the cluster was well.
func (c *cluster) seesWhatIsWrong(began int64) {
	c.late = leniency{} // nothing of this mends itself
	judge := func() *outcome {
		o := &outcome{}
		c.settle(o, c.last)
		a := &outcome{}
		c.settleAlerts(a, window{began, c.last.to}) // a short case may have none
		o.untold, o.overtold = a.untold, a.overtold
		return o
	}
	before := judge()
	for _, x := range []struct {
		what    string
		do      func()
		counted func(o *outcome) int
	}{
		{"events that are not stored", func() {
			c.change("DELETE FROM event_experience WHERE at >= ? AND at < ? LIMIT 20", c.last.from, c.last.to)
		}, func(o *outcome) int { return o.lost }},
		{"events that did not happen", func() {
			c.change("UPDATE event_experience SET amount = amount + 1000000 WHERE at >= ? AND at < ? LIMIT 20", c.last.from, c.last.to)
		}, func(o *outcome) int { return o.doubled }},
		{"a wrong presence", func() {
			c.change("UPDATE presence SET online = 1 - online LIMIT 50")
		}, func(o *outcome) int { return o.presence }},
		{"items that are not on the feed", func() { c.readers[0].spoil(c.last, 20) },
			func(o *outcome) int { return o.unfed }},
		{"items that came twice", func() { c.readers[1].repeat() },
			func(o *outcome) int { return o.overfed }},
		{"an alert that was not sent", func() { c.befriend(began) },
			func(o *outcome) int { return o.untold }},
		{"an alert that was not due", func() { c.estrange(began) },
			func(o *outcome) int { return o.overtold }},
	} {
		x.do()
		after := judge()
		if x.counted(after) <= x.counted(before) {
			c.t.Errorf("%s: %d are counted, and were before", x.what, x.counted(after))
		}
		before = after
	}
}

// change does a statement that must change something.
func (c *cluster) change(statement string, args ...any) {
	res, err := c.record.db.ExecContext(c.t.Context(), statement, args...)
	if err != nil {
		c.t.Fatalf("%s: %v", statement, err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		c.t.Fatalf("%s: %d rows, %v", statement, n, err)
	}
}

// spoil forgets n items of w.
func (r *reader) spoil(w window, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	kept := r.items[:0]
	for _, i := range r.items {
		if n > 0 && w.holds(i.At) && i.identity() != "" {
			n--
			continue
		}
		kept = append(kept, i)
	}
	r.items = kept
}

// repeat takes an item again that came before.
func (r *reader) repeat() {
	r.mu.Lock()
	defer r.mu.Unlock()
	last := r.items[len(r.items)-1]
	r.repeats = append(r.repeats, last.ID+" "+last.identity())
}

// befriend makes somebody a friend of a member who came on since, and of whom
// nobody was told.
func (c *cluster) befriend(since int64) {
	w := window{since, c.last.to}
	for _, m := range c.history.read(c.t) {
		id := m.fields["character_id"]
		if m.fields["event_name"] != "PlayerLogin" || !w.holds(m.second) || m.n <= c.linked {
			continue
		}
		for i := range c.members {
			if _, is := c.members[i].friends[id]; is {
				continue
			}
			had := len(due(c.members, c.history.read(c.t), c.linked))
			c.members[i].friends[id] = "Nobody" + id
			if len(due(c.members, c.history.read(c.t), c.linked)) > had {
				return
			}
			delete(c.members[i].friends, id)
		}
	}
	c.t.Fatal("nobody has come on of whom somebody could be told")
}

// estrange ends a friendship of which a member was told since.
func (c *cluster) estrange(since int64) {
	w := window{since, c.last.to}
	got := told(c.t, c.people, c.members)
	for _, m := range c.history.read(c.t) {
		id := m.fields["character_id"]
		for i := range c.members {
			who := &c.members[i]
			name, is := who.friends[id]
			if is && m.fields["event_name"] == "PlayerLogin" && w.holds(m.second) &&
				got[keyOf(who, name, m.second)] > 0 {
				delete(who.friends, id)
				return
			}
		}
	}
	c.t.Fatal("nobody was told of anybody")
}
