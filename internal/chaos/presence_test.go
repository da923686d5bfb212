package chaos

import (
	"fmt"
	"slices"
	"testing"

	"muster/sim/game"
)

// presenceDiffers compares who is stored as online with who is in the game. Who
// came or went while we looked is left out, and so is whoever was there from the
// beginning and has given no sign of life: nobody can know of them by the stream.
func presenceDiffers(t testing.TB, world *game.Server, h *history, r record) (lines []string) {
	t.Helper()
	before := states(world)
	online, known := r.presence(t)
	after := states(world)
	alive := h.signs(t)
	for id, p := range after {
		switch {
		case before[id].Online != p.Online:
		case !known[id] && !alive[id]:
		case online[id] != p.Online:
			lines = append(lines, fmt.Sprintf("%s %s: in the game %v, stored %v", id, p.Name, p.Online, online[id]))
		}
	}
	slices.Sort(lines)
	return lines
}

func states(world *game.Server) map[string]game.Person {
	all := map[string]game.Person{}
	for _, p := range world.Everyone() {
		all[p.ID] = p
	}
	return all
}
