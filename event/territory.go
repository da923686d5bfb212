package event

// Territory is who holds the regions of one continent.
type Territory struct {
	World   World
	Zone    Zone
	Regions map[Faction]int // how many; NoFaction: nobody's
}

// LockedBy returns the faction that holds every region, NoFaction if there is none: such
// a continent is closed.
func (t Territory) LockedBy() Faction {
	if len(t.Regions) != 1 {
		return NoFaction
	}
	for f := range t.Regions {
		return f
	}
	return NoFaction
}
