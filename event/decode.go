package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// MaxPayload bounds the payload of one event, in bytes. The largest real one is
// under 500.
const MaxPayload = 16 << 10

// futureLimit is how far the game's clock may run ahead before an event is
// flagged (census 3, S7).
const futureLimit = 3 * time.Second

// ErrPayload says that bytes are not an event's payload at all: not a JSON
// object, too large, or without a name. Nothing of it can be stored.
var ErrPayload = errors.New("not an event payload")

// Decode reads the payload object of one service message (census 2).
//
// Numbers may come as text or as numbers, unknown fields are ignored, fields
// that the game added later or leaves out on PS4 may be absent. A name that is
// not known, or a known one without the fields that identify it, gives an event
// of Kind Unknown that keeps the payload, so that nothing is lost. The error
// wraps ErrPayload; it is nil for everything that can be stored.
//
// payload is not retained, except as a copy in an Unknown event.
func Decode(payload []byte, receivedAt time.Time) (Event, error) {
	var w wire
	if len(payload) <= MaxPayload && w.scan(string(payload)) {
		return w.event(payload, receivedAt)
	}
	return decodeLoose(payload, receivedAt)
}

// decodeLoose reads payloads that scan does not.
func decodeLoose(payload []byte, receivedAt time.Time) (Event, error) {
	var w wire
	if err := unmarshal(payload, &w); err != nil {
		return Event{}, err
	}
	return w.event(payload, receivedAt)
}

// wire holds every field of every kind. All are text on the wire.
type wire struct {
	EventName string `json:"event_name"`
	Timestamp string `json:"timestamp"`
	WorldID   string `json:"world_id"`
	ZoneID    string `json:"zone_id"`

	CharacterID         string `json:"character_id"`
	CharacterLoadoutID  string `json:"character_loadout_id"`
	AttackerCharacterID string `json:"attacker_character_id"`
	AttackerFireModeID  string `json:"attacker_fire_mode_id"`
	AttackerLoadoutID   string `json:"attacker_loadout_id"`
	AttackerTeamID      string `json:"attacker_team_id"`
	AttackerVehicleID   string `json:"attacker_vehicle_id"`
	AttackerWeaponID    string `json:"attacker_weapon_id"`
	IsCritical          string `json:"is_critical"`
	IsHeadshot          string `json:"is_headshot"`
	TeamID              string `json:"team_id"`
	VehicleID           string `json:"vehicle_id"`
	FactionID           string `json:"faction_id"`
	FacilityID          string `json:"facility_id"`
	LoadoutID           string `json:"loadout_id"`

	Amount       string `json:"amount"`
	ExperienceID string `json:"experience_id"`
	OtherID      string `json:"other_id"`

	DurationHeld string `json:"duration_held"`
	NewFactionID string `json:"new_faction_id"`
	OldFactionID string `json:"old_faction_id"`
	OutfitID     string `json:"outfit_id"`

	MetagameEventID    string `json:"metagame_event_id"`
	MetagameEventState string `json:"metagame_event_state"`
	InstanceID         string `json:"instance_id"`
	ExperienceBonus    string `json:"experience_bonus"`
	FactionVS          string `json:"faction_vs"`
	FactionNC          string `json:"faction_nc"`
	FactionTR          string `json:"faction_tr"`

	VSPopulation      string `json:"vs_population"`
	NCPopulation      string `json:"nc_population"`
	TRPopulation      string `json:"tr_population"`
	PreviousFaction   string `json:"previous_faction"`
	TriggeringFaction string `json:"triggering_faction"`

	AchievementID string `json:"achievement_id"`
	BattleRank    string `json:"battle_rank"`
	ItemID        string `json:"item_id"`
	ItemCount     string `json:"item_count"`
	Context       string `json:"context"`
	SkillID       string `json:"skill_id"`
	FishID        string `json:"fish_id"`
}

// unmarshal fills w. A payload that is all text takes the first branch; one with
// a bare number or null is read again by the tolerant one.
func unmarshal(payload []byte, w *wire) error {
	if len(payload) > MaxPayload {
		return fmt.Errorf("%w: %d bytes, more than %d", ErrPayload, len(payload), MaxPayload)
	}
	err := json.Unmarshal(payload, w)
	var mismatch *json.UnmarshalTypeError
	switch {
	case err == nil && bytes.HasPrefix(bytes.TrimLeft(payload, " \t\r\n"), []byte("{")):
		return nil
	case errors.As(err, &mismatch) && mismatch.Field != "":
		return unmarshalLoose(payload, w)
	case err != nil:
		return fmt.Errorf("%w: %w", ErrPayload, err)
	}
	return fmt.Errorf("%w: not a JSON object", ErrPayload)
}

// unmarshalLoose turns scalars into text and drops everything else.
func unmarshalLoose(payload []byte, w *wire) error {
	var fields map[string]any
	dec := json.NewDecoder(bytes.NewReader(payload))
	dec.UseNumber()
	if err := dec.Decode(&fields); err != nil {
		return fmt.Errorf("%w: %w", ErrPayload, err)
	}
	text := make(map[string]string, len(fields))
	for name, v := range fields {
		switch v := v.(type) {
		case string:
			text[name] = v
		case json.Number:
			text[name] = v.String()
		case bool:
			text[name] = "0"
			if v {
				text[name] = "1"
			}
		}
	}
	again, err := json.Marshal(text)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrPayload, err)
	}
	*w = wire{}
	if err := json.Unmarshal(again, w); err != nil {
		return fmt.Errorf("%w: %w", ErrPayload, err)
	}
	return nil
}

// event turns the texts into a typed event.
func (w *wire) event(payload []byte, receivedAt time.Time) (Event, error) {
	if w.EventName == "" {
		return Event{}, fmt.Errorf("%w: no event_name", ErrPayload)
	}
	e := Event{Kind: KindByName(w.EventName), ReceivedAt: receivedAt.UTC()}
	var f fields
	e.World = World(f.need32("world_id", w.WorldID))
	e.Zone = Zone(f.zone(w.ZoneID))
	at := f.need("timestamp", w.Timestamp)
	if at > maxUnix {
		f.fail("timestamp", w.Timestamp)
	}
	e.At = time.Unix(at, 0).UTC()
	if e.Kind != Unknown {
		e.Detail = w.detail(e.Kind, &f)
	}
	if f.err != "" || e.Kind == Unknown {
		e = w.unknown(e, f.err, payload)
	}
	e.Future = e.At.Sub(e.ReceivedAt) > futureLimit
	return e, nil
}

// maxUnix is the last second of the year 2199: later ones are not times.
const maxUnix = 7258118399

// unknown keeps the payload of what could not be read. An unreadable time
// becomes the time of arrival, for the row must have one.
func (w *wire) unknown(e Event, reason string, payload []byte) Event {
	if n, err := strconv.ParseInt(w.Timestamp, 10, 64); err != nil || n <= 0 || n > maxUnix {
		e.At = e.ReceivedAt.Truncate(time.Second)
	}
	e.Kind = Unknown
	e.Detail = Raw{Name: clip(w.EventName, 64), Reason: reason, Payload: bytes.ToValidUTF8(payload, []byte("\uFFFD"))}
	return e
}

func (w *wire) detail(k Kind, f *fields) Detail {
	switch k {
	case Login, Logout:
		return Presence{Character: f.character(w)}
	case Kill:
		return Death{
			Victim:          CharacterID(f.need("character_id", w.CharacterID)),
			Attacker:        CharacterID(f.id(w.AttackerCharacterID)),
			VictimLoadout:   LoadoutID(f.small(w.CharacterLoadoutID)),
			AttackerLoadout: LoadoutID(f.small(w.AttackerLoadoutID)),
			VictimTeam:      f.faction(w.TeamID),
			AttackerTeam:    f.faction(w.AttackerTeamID),
			Weapon:          ItemID(f.id(w.AttackerWeaponID)),
			FireMode:        f.id(w.AttackerFireModeID),
			AttackerVehicle: VehicleID(f.small(w.AttackerVehicleID)),
			Headshot:        flag(w.IsHeadshot),
			Critical:        flag(w.IsCritical),
		}
	case VehicleKill:
		return VehicleDestroy{
			Owner:           CharacterID(f.id(w.CharacterID)),
			Attacker:        CharacterID(f.id(w.AttackerCharacterID)),
			AttackerLoadout: LoadoutID(f.small(w.AttackerLoadoutID)),
			OwnerTeam:       f.faction(w.TeamID),
			AttackerTeam:    f.faction(w.AttackerTeamID),
			VehicleFaction:  f.faction(w.FactionID),
			Vehicle:         VehicleID(f.need32("vehicle_id", w.VehicleID)),
			AttackerVehicle: VehicleID(f.small(w.AttackerVehicleID)),
			Weapon:          ItemID(f.id(w.AttackerWeaponID)),
			Facility:        FacilityID(f.id(w.FacilityID)),
		}
	case Experience:
		return Gain{
			Character: f.character(w),
			Other:     CharacterID(f.id(w.OtherID)),
			ID:        ExperienceID(f.need32("experience_id", w.ExperienceID)),
			Amount:    f.id(w.Amount),
			Loadout:   LoadoutID(f.small(w.LoadoutID)),
			Team:      f.faction(w.TeamID),
		}
	case FacilityControl:
		return Control{
			Facility:    FacilityID(f.need("facility_id", w.FacilityID)),
			Old:         f.faction(w.OldFactionID),
			New:         f.faction(w.NewFactionID),
			HeldSeconds: f.id(w.DurationHeld),
			Outfit:      OutfitID(f.id(w.OutfitID)),
		}
	case FacilityCapture, FacilityDefend:
		return Contribution{
			Character: f.character(w),
			Facility:  FacilityID(f.need("facility_id", w.FacilityID)),
			Outfit:    OutfitID(f.id(w.OutfitID)),
		}
	default:
		return w.rareDetail(k, f)
	}
}

// rareDetail reads the kinds that come a few times an hour.
func (w *wire) rareDetail(k Kind, f *fields) Detail {
	switch k {
	case Metagame:
		return Alert{
			ID:              f.id(w.MetagameEventID),
			Instance:        f.need("instance_id", w.InstanceID),
			State:           MetagameState(f.need32("metagame_event_state", w.MetagameEventState)),
			VS:              f.percent(w.FactionVS),
			NC:              f.percent(w.FactionNC),
			TR:              f.percent(w.FactionTR),
			ExperienceBonus: f.percent(w.ExperienceBonus),
		}
	case ContinentLock, ContinentUnlock:
		f.need("zone_id", w.ZoneID)
		return Lock{
			By: f.faction(w.TriggeringFaction), Previous: f.faction(w.PreviousFaction),
			VS: f.small(w.VSPopulation), NC: f.small(w.NCPopulation), TR: f.small(w.TRPopulation),
			Metagame: f.id(w.MetagameEventID),
		}
	case Achievement:
		return Award{Character: f.character(w), Achievement: f.need("achievement_id", w.AchievementID)}
	case BattleRank:
		return Rank{Character: f.character(w), Rank: f.need32("battle_rank", w.BattleRank)}
	case ItemAdded:
		return Item{Character: f.character(w), Item: ItemID(f.need("item_id", w.ItemID)),
			Count: f.id(w.ItemCount), Context: strings.Clone(clip(w.Context, 100))}
	case SkillAdded:
		return Skill{Character: f.character(w), Skill: f.need("skill_id", w.SkillID)}
	case FishScan:
		return Fish{Character: f.character(w), Fish: f.need("fish_id", w.FishID),
			Loadout: LoadoutID(f.small(w.LoadoutID)), Team: f.faction(w.TeamID)}
	}
	return Raw{}
}

// fields reads numbers and remembers the first that would not be read.
type fields struct{ err string }

func (f *fields) fail(name, text string) {
	if f.err == "" {
		f.err = fmt.Sprintf("%s is %.40q", name, text)
	}
}

// need reads a number that identifies the event.
func (f *fields) need(name, text string) int64 {
	n, err := parseID(text)
	if err != nil {
		f.fail(name, text)
	}
	return n
}

func (f *fields) need32(name, text string) int32 {
	n := f.need(name, text)
	if n > 1<<31-1 {
		f.fail(name, text)
		return 0
	}
	return int32(n)
}

// character reads the character_id of kinds that cannot be without one.
func (f *fields) character(w *wire) CharacterID {
	id := f.need("character_id", w.CharacterID)
	if id == 0 {
		f.fail("character_id", w.CharacterID)
	}
	return CharacterID(id)
}

// id reads a number that may be absent or say "NULL" (then it is 0), or -1.
func (f *fields) id(text string) int64 {
	if text == "" || text == "NULL" {
		return 0
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		f.fail("a number", text)
	}
	return max(n, 0)
}

func (f *fields) small(text string) int32 {
	n := f.id(text)
	if n > 1<<31-1 {
		f.fail("a small number", text)
		return 0
	}
	return int32(n)
}

func (f *fields) zone(text string) uint32 {
	n := f.id(text)
	if n > 1<<32-1 {
		f.fail("zone_id", text)
		return 0
	}
	return uint32(n)
}

func (f *fields) faction(text string) Faction {
	n := f.id(text)
	if n > 255 {
		return 0 // test servers have put a zone here (census 2.8)
	}
	return Faction(n)
}

func (f *fields) percent(text string) float64 {
	if text == "" || text == "NULL" {
		return 0
	}
	x, err := strconv.ParseFloat(text, 64)
	if err != nil || x != x || x < -1e9 || x > 1e9 {
		f.fail("a percentage", text)
		return 0
	}
	return x
}

func flag(text string) bool { return text == "1" || text == "true" }

// clip returns at most n bytes of s as valid UTF-8.
func clip(s string, n int) string {
	if len(s) > n {
		s = s[:n]
	}
	return strings.ToValidUTF8(s, "")
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
