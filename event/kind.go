package event

// Kind says what sort of event happened. The zero Kind is Unknown.
type Kind uint8

// The kinds of census section 2, in the order their numbers are stored.
// Numbers are part of the storage and message formats: never reorder.
const (
	Unknown         Kind = iota // a name this build does not know, or a shape it cannot read; kept raw
	Login                       // PlayerLogin
	Logout                      // PlayerLogout
	Kill                        // Death
	VehicleKill                 // VehicleDestroy
	Experience                  // GainExperience
	FacilityControl             // a base changed hands, or was held
	FacilityCapture             // PlayerFacilityCapture
	FacilityDefend              // PlayerFacilityDefend
	Metagame                    // MetagameEvent: an alert starts, changes, ends
	ContinentLock               // a continent was won
	ContinentUnlock             // documented, never seen (census 2.7)
	Achievement                 // AchievementEarned
	BattleRank                  // BattleRankUp
	ItemAdded                   //
	SkillAdded                  //
	FishScan                    //
	kinds                       // how many there are
)

// kindNames holds the game's name and, where it goes on the feed, the feed's.
// FacilityControl's feed kind depends on the event: see Event.FeedKind.
var kindNames = [kinds]struct{ game, feed string }{
	Unknown:         {"", ""},
	Login:           {"PlayerLogin", "login"},
	Logout:          {"PlayerLogout", "logout"},
	Kill:            {"Death", "kill"},
	VehicleKill:     {"VehicleDestroy", "vehicle_kill"},
	Experience:      {"GainExperience", "experience"},
	FacilityControl: {"FacilityControl", "capture"},
	FacilityCapture: {"PlayerFacilityCapture", "capture"},
	FacilityDefend:  {"PlayerFacilityDefend", "defend"},
	Metagame:        {"MetagameEvent", "alert"},
	ContinentLock:   {"ContinentLock", "lock"},
	ContinentUnlock: {"ContinentUnlock", "lock"},
	Achievement:     {"AchievementEarned", "achievement"},
	BattleRank:      {"BattleRankUp", "rank"},
	ItemAdded:       {"ItemAdded", "item"},
	SkillAdded:      {"SkillAdded", "skill"},
	FishScan:        {"FishScan", ""},
}

var kindByName = func() map[string]Kind {
	m := make(map[string]Kind, kinds)
	for k := Unknown + 1; k < kinds; k++ {
		m[kindNames[k].game] = k
	}
	return m
}()

// Kinds returns every known kind, Unknown excluded, in the order of their numbers.
func Kinds() []Kind {
	all := make([]Kind, 0, kinds-1)
	for k := Unknown + 1; k < kinds; k++ {
		all = append(all, k)
	}
	return all
}

// FeedKinds are the kinds a reader of the feed can ask for, in the order of the
// outside description.
func FeedKinds() []string {
	return []string{"login", "logout", "kill", "vehicle_kill", "experience", "capture", "defend",
		"alert", "lock", "achievement", "rank", "item", "skill"}
}

// KindByName returns the kind of the game's event name, Unknown if there is none.
func KindByName(name string) Kind { return kindByName[name] }

// String returns the game's event name, or "Unknown".
func (k Kind) String() string {
	if k == Unknown || k >= kinds {
		return "Unknown"
	}
	return kindNames[k].game
}
