package census

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"muster/event"
)

// str is a value of an answer: text as a rule. A key that is absent, JSON null
// and the text "NULL" all read as "" (census 4); so does anything that is no
// scalar, such as a part that is not there.
type str string

// UnmarshalJSON never fails.
func (s *str) UnmarshalJSON(b []byte) error {
	*s = ""
	var v string
	switch {
	case json.Unmarshal(b, &v) == nil:
	case len(b) > 0 && (b[0] == '-' || b[0] >= '0' && b[0] <= '9'):
		v = string(b)
	}
	if v != "NULL" && v != "null" {
		*s = str(strings.ToValidUTF8(v, ""))
	}
	return nil
}

// number returns s as a number from 0 to limit; ok is false for anything else.
func (s str) number(limit int64) (n int64, ok bool) {
	n, err := strconv.ParseInt(string(s), 10, 64)
	return n, err == nil && n >= 0 && n <= limit
}

func (s str) int32() int32 {
	n, ok := s.number(1<<31 - 1)
	if !ok {
		return 0
	}
	return int32(n)
}

func (s str) faction() event.Faction {
	n, ok := s.number(255)
	if !ok {
		return event.NoFaction
	}
	return event.Faction(n)
}

func (s str) character() event.CharacterID {
	id, err := event.ParseCharacterID(string(s))
	if err != nil {
		return 0
	}
	return id
}

func (s str) outfit() event.OutfitID {
	id, err := event.ParseOutfitID(string(s))
	if err != nil {
		return 0
	}
	return id
}

// time reads Unix seconds; zero for anything that is not one.
func (s str) time() time.Time {
	n, ok := s.number(1 << 33)
	if !ok || n == 0 {
		return time.Time{}
	}
	return time.Unix(n, 0).UTC()
}

// name reads what is either text or an object of translations.
type name str

// UnmarshalJSON never fails.
func (n *name) UnmarshalJSON(b []byte) error {
	*n = ""
	var v str
	var each map[string]str
	if json.Unmarshal(b, &each) == nil {
		v = each["en"]
	} else if err := v.UnmarshalJSON(b); err != nil {
		return err
	}
	*n = name(v)
	return nil
}

// part is a joined or resolved object. It stays nil where the service says
// "service_unavailable" or leaves it out.
type part[T any] struct{ v *T }

// UnmarshalJSON never fails.
func (p *part[T]) UnmarshalJSON(b []byte) error {
	p.v = nil
	if v := new(T); len(b) > 0 && b[0] == '{' && json.Unmarshal(b, v) == nil {
		p.v = v
	}
	return nil
}
