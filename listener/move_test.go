package listener

import (
	"testing"
	"testing/synctest"
	"time"
)

// phase puts a node's connection on a node of the game.
func (n *node) phase(seconds int) {
	n.s.mu.Lock()
	defer n.s.mu.Unlock()
	n.s.link.Phase = seconds
}

func (n *node) moves() int {
	n.s.mu.Lock()
	defer n.s.mu.Unlock()
	return n.s.moves
}

func TestAStandbyLeavesTheLeadersNode(t *testing.T) {
	tests := []struct {
		name            string
		leader, standby int
		change          func(r *rig, a, b *node)
		want            int
	}{
		{name: "never moves on its own node", leader: 3, standby: 18, want: 0},
		{name: "never moves before it knows", leader: 3, standby: -1, want: 0},
		{name: "tries a few times and then stays", leader: 3, standby: 4, want: moveTries},
		{name: "is content with the first other node", leader: 3, standby: 3, want: 1, change: func(r *rig, _, b *node) {
			for b.moves() == 0 {
				r.wait(time.Second)
			}
			b.phase(18)
		}},
		{name: "does not move while the leader is not connected", leader: 3, standby: 3, want: 0, change: func(r *rig, a, b *node) {
			b.phase(-1)
			b.connect(false)
			a.connect(false)
			b.phase(3)
		}},
		{name: "tries again for another leader", leader: 3, standby: 3, want: 2 * moveTries, change: func(r *rig, a, b *node) {
			r.wait(5 * time.Minute)
			r.stop(a)
			a = r.start() // it stands by
			a.phase(3)
			b.connect(false)
			r.leadsAfter(10*time.Second, a, func() {})
			b.connect(true)
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				a, b := r.start(), r.start()
				a.phase(test.leader)
				b.phase(test.standby)
				began := time.Now()
				if test.change != nil {
					test.change(r, a, b)
				}
				r.wait(5 * time.Minute)
				if got := b.moves(); got != test.want {
					t.Errorf("%d reconnects within %s, want %d", got, time.Since(began), test.want)
				}
				if got := a.moves(); got != 0 {
					t.Errorf("the leader moved %d times", got)
				}
				r.close()
			})
		})
	}
}
