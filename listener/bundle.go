package listener

import (
	"strings"

	"muster/bus"
	"muster/event"
)

// manyKinds ends the key of a bundle whose messages are of several kinds.
const manyKinds = ".many"

// A bundler makes bundles of what is to be published. It is used again and again, by
// one goroutine.
type bundler struct {
	open    map[string]int // by environment and world: the bundle that takes more
	bundles []bundle
	out     []bus.Message
}

// A bundle is under way.
type bundle struct {
	id, key string
	bodies  [][]byte
	bytes   int
}

// pack returns messages as they travel: those of one world together, within the
// bounds of a bundle and in their order; the bundles are in the order of their first.
// What stands alone stays as it is. The slice is valid until the next call.
func (b *bundler) pack(messages []bus.Message) []bus.Message {
	if b.open == nil {
		b.open = make(map[string]int)
	}
	clear(b.open)
	for i := range b.bundles {
		clear(b.bundles[i].bodies) // let the bodies go
	}
	b.bundles = b.bundles[:0]
	for i := range messages {
		b.add(&messages[i])
	}
	clear(b.out)
	b.out = b.out[:0]
	for i := range b.bundles {
		b.out = append(b.out, b.bundles[i].message())
	}
	return b.out
}

func (b *bundler) add(m *bus.Message) {
	world := place(m.Key)
	if i, ok := b.open[world]; ok && b.bundles[i].takes(m) {
		b.bundles[i].add(m)
		return
	}
	b.open[world] = len(b.bundles)
	n := len(b.bundles)
	if n == cap(b.bundles) {
		b.bundles = append(b.bundles, bundle{})
	}
	b.bundles = b.bundles[:n+1]
	next := &b.bundles[n]
	*next = bundle{id: m.ID, key: m.Key, bodies: next.bodies[:0]}
	next.add(m)
}

func (u *bundle) takes(m *bus.Message) bool {
	return len(u.bodies) < event.BundleMessages && u.bytes+len(m.Body) <= event.BundleBytes
}

func (u *bundle) add(m *bus.Message) {
	u.bodies = append(u.bodies, m.Body)
	u.bytes += len(m.Body)
	if m.Key != u.key {
		u.key = place(m.Key) + manyKinds
	}
}

func (u *bundle) message() bus.Message {
	m := bus.Message{ID: u.id, Key: u.key, Body: u.bodies[0]}
	if len(u.bodies) > 1 {
		m.Body = event.EncodeBundle(u.bodies)
	}
	return m
}

// place is what a key begins with: environment and world.
func place(key string) string {
	if i := strings.LastIndexByte(key, '.'); i >= 0 {
		return key[:i]
	}
	return key
}
