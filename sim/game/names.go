package game

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// Names are invented: two halves of no particular meaning, now and then with
// the decoration players like. Any likeness to a real player is chance.
const (
	nameHeads   = "Amber Ash Basalt Bitter Black Bolt Brass Brine Cinder Cobble Copper Crag Dapper Dusk Echo Ember Fable Fallow Fern Flint Frost Gale Gloom Granite Grim Hazel Hollow Iron Ivory Jagged Jolly Kite Lantern Lost Lucid Marble Mellow Mirth Moss Moth Muddy Nettle Night Oaken Ochre Odd Pale Pepper Pine Plum Quartz Quiet Raven Rogue Rust Sable Salt Shade Silver Sleepy Slate Smoke Sorrel Static Storm Sunny Tansy Thistle Thorn Tidal Umber Velvet Vesper Wicked Wild Willow Winter Wry"
	nameTails   = "badger bard beetle bloom bramble brook cask cleaver comet crow dancer drake drifter falcon fang finch flare forge fox ghost gopher gunner hare harbor hawk heron hound jester kettle knave lark lynx mantis marten mason minnow oracle osprey otter owl pilot piper plover prowler quill ranger raptor rook runner saint scout seeker shrike skipper smith sparrow spinner sprout stoat stride swift tinker trout vale vandal viper wanderer warden weasel whisper wolf wren"
	tagLetters  = "ABCDEFGHKLMNPRSTVWXZ"
	outfitAdjs  = "Amber Broken Crimson Distant Evening Feral Gilded Hollow Idle Jade Last Midnight Northern Obsidian Patient Quiet Restless Second Tall Unsung Velvet Wandering"
	outfitNouns = "Battalion Brigade Choir Company Convoy Corps Division Fleet Garrison Guild Legion Lanterns Militia Order Patrol Pioneers Regiment Rovers Sentinels Union Vanguards Wardens"
)

// namer makes names, each once.
// manyTries is after how many names that are taken a number is added.
const manyTries = 50

type namer struct {
	rng  *rand.Rand
	used map[string]bool
}

// player returns an unused character name of letters and digits.
func (n *namer) player() string {
	heads, tails := strings.Fields(nameHeads), strings.Fields(nameTails)
	for {
		name := heads[n.rng.IntN(len(heads))] + tails[n.rng.IntN(len(tails))]
		switch n.rng.IntN(10) {
		case 0:
			name = strings.ToLower(name)
		case 1:
			name = fmt.Sprintf("%s%d", name, n.rng.IntN(99)+1)
		case 2:
			name = "x" + name + "x"
		case 3:
			i := len(name) / 2
			name = name[:i] + strings.NewReplacer("e", "3", "o", "0", "i", "1").Replace(name[i:])
		case 4, 5:
			for i, h := range heads {
				if strings.HasPrefix(name, h) && i >= 0 {
					tail := name[len(h):]
					name = h + strings.ToUpper(tail[:1]) + tail[1:]
					break
				}
			}
		}
		if n.take(name) {
			return name
		}
	}
}

// take claims a name, whatever its case.
func (n *namer) take(name string) bool {
	low := strings.ToLower(name)
	if n.used[low] {
		return false
	}
	n.used[low] = true
	return true
}

// outfit returns an unused outfit name and tag.
func (n *namer) outfit() (name, tag string) {
	adjs, nouns := strings.Fields(outfitAdjs), strings.Fields(outfitNouns)
	for tries := 0; ; tries++ {
		name = adjs[n.rng.IntN(len(adjs))] + " " + nouns[n.rng.IntN(len(nouns))]
		if tries >= manyTries { // a large world has more outfits than there are such names
			name = fmt.Sprintf("%s %d", name, tries)
		}
		if n.take(name) {
			break
		}
	}
	for {
		b := make([]byte, 3+n.rng.IntN(2))
		for i := range b {
			b[i] = tagLetters[n.rng.IntN(len(tagLetters))]
		}
		if tag = string(b); n.take("tag " + tag) {
			return name, tag
		}
	}
}
