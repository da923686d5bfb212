package game

import "strings"

// worldFact is one world as the stream and the query service name it.
type worldFact struct{ id, name, endpoint string }

// environmentWorlds lists each environment's worlds (census 1.1, 1.4, 7). The
// endpoints keep the names from before 2025, as the service itself does.
var environmentWorlds = map[string][]worldFact{
	"ps2": {
		{"1", "Osprey", "EventServerEndpoint_Connery_1"},
		{"10", "Wainwright", "EventServerEndpoint_Miller_10"},
		{"19", "Jaeger", "EventServerEndpoint_Jaeger_19"},
		{"40", "SolTech", "EventServerEndpoint_Soltech_40"},
	},
	"ps2ps4us": {{"1000", "Genudine", "EventServerEndpoint_1000_Genudine_1001_Palos_1002_Crux_1003_Searhus_1004_Xelas"}},
	"ps2ps4eu": {{"2000", "Ceres", "EventServerEndpoint_2000_Ceres"}},
}

// environmentOf returns the environment of a world with life, or "".
func environmentOf(world string) string {
	for env, worlds := range environmentWorlds {
		for _, w := range worlds {
			if w.id == world {
				return env
			}
		}
	}
	return ""
}

func isPS4(world string) bool { return world == "1000" || world == "2000" }

// playedZones are the continents of normal play (census 7).
var playedZones = []string{"2", "4", "6", "8", "344"}

var zoneNames = map[string]string{"2": "Indar", "4": "Hossin", "6": "Amerish", "8": "Esamir", "344": "Oshur"}

// weaponFact is one weapon: its id is an item id, as in attacker_weapon_id.
type weaponFact struct {
	id, faction, categoryID, category, name string
	vehicle                                 bool
}

const weaponTable = `1|2|2|0|Knife|Mag-Cutter
2|2|3|0|Pistol|NC4 Mag-Shot
3|2|8|0|Carbine|AF-19 Mercenary
4|2|7|0|Assault Rifle|NC1 Gauss Rifle
13|3|2|0|Knife|Chainblade
14|3|7|0|Assault Rifle|T1 Cycler
15|3|3|0|Pistol|TX1 Repeater
19|1|2|0|Knife|Force-Blade
20|1|7|0|Assault Rifle|Pulsar VS1
21|1|3|0|Pistol|Beamer VS3
30|3|4|0|Shotgun|AS16 NightHawk
43|3|8|0|Carbine|TRAC-5
44|1|8|0|Carbine|Solstice VE3
73|2|7|0|Assault Rifle|GR-22
78|2|6|0|LMG|NC6 Gauss SAW
79|3|6|0|LMG|T9 CARV
80|1|6|0|LMG|Orion VS54
87|2|11|0|Sniper Rifle|NC14 Bolt Driver
88|3|11|0|Sniper Rifle|99SV
89|1|11|0|Sniper Rifle|VA39 Spectre
128|2|4|0|Shotgun|Mauler S6
129|1|4|0|Shotgun|Nova
1879|2|6|0|LMG|NC6A GODSAW
1894|1|6|0|LMG|Betelgeuse 54-A
1899|2|5|0|SMG|Tempest
1904|3|7|0|Assault Rifle|T1A Unity
1909|1|7|0|Assault Rifle|Darkstar
1919|1|8|0|Carbine|Eclipse VE3A
1924|3|6|0|LMG|T9A "Butcher"
1944|3|5|0|SMG|Shuriken
1949|1|5|0|SMG|Skorpios
432|0|18|0|Explosive|C-4
1964|0|13|0|Rocket Launcher|The Kraken
2001|0|3|0|Pistol|NS-44P Commissioner
2314|0|5|0|SMG|MKV Suppressed
69999|0|7|0|Assault Rifle|NS-11P
804255|0|11|0|Sniper Rifle|NSX Daimyo
3400|1|120|1|Magrider Primary Weapon|Supernova PC
3700|2|132|1|Vanguard Primary Weapon|Titan-150 HEAT
4000|3|124|1|Prowler Primary Weapon|P2-120 HEAT
4302|1|127|1|Scythe Nose Cannon|Saron Laser Cannon
4600|2|125|1|Reaver Nose Cannon|M20 Mustang
4900|3|121|1|Mosquito Nose Cannon|M18 Needler`

// vehicleOfWeapon is the vehicle a vehicle weapon of the table sits on.
var vehicleOfWeapon = map[string]string{"3400": "4", "3700": "5", "4000": "6", "4302": "7", "4600": "8", "4900": "9"}

func builtinWeapons() []weaponFact {
	var out []weaponFact
	for line := range strings.SplitSeq(weaponTable, "\n") {
		f := strings.Split(line, "|")
		out = append(out, weaponFact{id: f[0], faction: f[1], categoryID: f[2], vehicle: f[3] == "1", category: f[4], name: f[5]})
	}
	return out
}

// facilityFact is one region with its facility. Those of the second table
// have no name here: they fill continent bursts.
type facilityFact struct{ region, id, zone, typeID, name string }

// namedFacilities by zone: region|facility|type|name.
var namedFacilities = map[string]string{
	"2":   "2105|3400|2|Peris;2107|3201|2|Dahaka;2101|7500|4|Hvar;2301|5300|5|Camp Connery;2302|5500|5|Camp Waterson;2303|5100|5|Indar Excavation Site;2402|201|6|Indar Waste Treatment",
	"4":   "4140|299000|2|Naum;4150|300000|2|Hurakan;4130|289000|5|Genudine Holographics;4131|290000|5|Fort Drexler;4132|291000|5|Cairn Station;4103|263000|6|Last Hold",
	"6":   "6101|204000|2|Kwahtee;6111|207000|2|Sungrey;6121|210000|2|Wokuk;6201|213000|5|LithCorp Secure Mine;6202|214000|5|The NC Arsenal;6301|222000|6|Stoneridge Reserve",
	"8":   "18024|253000|2|Freyr;18025|254000|4|Eisa;18007|236000|5|Grey Heron Shipping;18016|245000|5|Snowshear Fort;18017|246000|5|Mattherson's Triumph;18002|231000|6|Crystal Ridge Comm Array",
	"344": "18263|400427|5|Excavion Cleanup Site;18266|400329|5|Centri Import Hub;18271|400337|5|Viridian Genetics Lab;18265|400331|6|Pommel Gardens;18269|400335|6|Outpost Kalis;18274|400340|6|Mirror Bay Checkpoint",
}

// otherFacilities by zone: region:facility.
var otherFacilities = map[string]string{
	"2":   "2103:4001 2104:3801 2106:3601 2102:4401 2108:7000 2304:5200 2305:5900 2306:6200 2307:6100 2308:6000 2309:5800 2310:5700 2311:6500 2312:6400 2313:6300 2414:213 2416:215 2406:205 2407:206 2408:207 2409:208 2410:209 2411:210 2412:211 2413:212 2415:214 2418:217 2419:218 2420:219 2421:220 2422:221 2425:224 2427:226 2428:227 2429:228 2430:229 2431:230 2433:232 2436:235 2437:236 2438:237 2440:239 2443:242 2447:246 2448:247 2449:248 2453:252",
	"4":   "4170:302000 4180:303000 4190:304000 4200:305000 4210:306000 4220:307000 4133:292000 4134:293000 4135:294000 4136:295000 4137:296000 4138:297000 4139:298000 4104:264000 4105:265000 4106:266000 4107:267000 4108:268000 4109:269000 4110:270000 4111:271000 4112:272000 4113:273000 4114:274000 4115:275000 4116:276000 4117:277000 4118:278000 4119:279000 4120:280000 4121:281000 4122:282000 4123:283000 4124:284000 4125:285000 4126:286000 4127:287000 4141:299010 4143:299030 4152:300020 4153:300030 4161:301010 4163:301030 4171:302010 4172:302020 4173:302030 4181:303010 4182:303020",
	"6":   "6102:205000 6113:209000 6123:212000 6103:206000 6112:208000 6122:211000 6205:217000 6206:218000 6207:219000 6208:220000 6209:221000 6304:222030 6305:222040 6306:222050 6307:222060 6308:260004 6309:222080 6310:222090 6311:222100 6312:222110 6313:222120 6314:222130 6316:222150 6317:222160 6318:222170 6319:222180 6320:222190 6323:222220 6324:222230 6325:222240 6326:222250 6328:222270 6330:222300 6331:222310 6332:222320 6334:222340 6335:222350 6336:222360 6338:222380 6339:222290 6340:204001 6341:204002 6342:204003 6343:205001 6344:205002 6345:205003 6346:206001",
	"8":   "18019:248000 18020:249000 18038:260010 18004:233000 18008:237000 18010:239000 18011:240000 18013:242000 18014:243000 18015:244000 18027:256000 18032:244100 18033:244200 18034:244300 18036:244500 18037:244600 18049:252010 18058:255010 18059:255020 18060:255030 18063:256030 18067:244610 18068:244620 18210:400135 18006:235000 18018:247000 18028:257000 18208:400133 18209:400134 18251:400315 18261:400328 18005:234000 18022:400326 18252:400327 18046:251010 18048:251030 18253:400317 18001:230000 18003:232000 18250:400314",
	"344": "18273:400339 18282:400348 18295:400361 18297:400363 18302:400368 18276:400346 18277:400342 18281:400347 18284:400350 18285:400351 18287:400353 18289:400355 18291:400357 18293:400359 18296:400362 18298:400364 18301:400367 18343:400404 18370:400428 18376:400431 18267:400333 18275:400341 18280:400345 18286:400352 18294:400360 18300:400366 18268:400334 18270:400336 18272:400338 18278:400343 18279:400344 18283:400349 18288:400354 18290:400356 18292:400358 18299:400365 18344:400405 18346:400407 18369:400332 18375:400430 18307:400372 18308:400373 18309:400374 18329:400390 18330:400391 18331:400392 18351:400426",
}

var facilityTypes = map[string]string{"2": "Amp Station", "3": "Bio Lab", "4": "Tech Plant", "5": "Large Outpost", "6": "Small Outpost"}

// builtinFacilities returns the facilities of a zone, the named ones first.
func builtinFacilities(zone string) []facilityFact {
	var out []facilityFact
	for row := range strings.SplitSeq(namedFacilities[zone], ";") {
		f := strings.Split(row, "|")
		out = append(out, facilityFact{region: f[0], id: f[1], zone: zone, typeID: f[2], name: f[3]})
	}
	for row := range strings.FieldsSeq(otherFacilities[zone]) {
		region, id, _ := strings.Cut(row, ":")
		out = append(out, facilityFact{region: region, id: id, zone: zone, typeID: "6"})
	}
	return out
}

// vehicleFact is a vehicle, its own faction (0 for all) and the experience its
// destruction brings.
type vehicleFact struct{ id, faction, name, experience, xp string }

var vehicleFacts = []vehicleFact{
	{"1", "0", "Flash", "24", "100"}, {"2", "0", "Sunderer", "68", "500"}, {"3", "0", "Lightning", "62", "400"},
	{"4", "1", "Magrider", "63", "500"}, {"5", "2", "Vanguard", "69", "500"}, {"6", "3", "Prowler", "65", "500"},
	{"7", "1", "Scythe", "67", "400"}, {"8", "2", "Reaver", "66", "400"}, {"9", "3", "Mosquito", "64", "400"},
	{"10", "0", "Liberator", "61", "500"}, {"11", "0", "Galaxy", "60", "400"}, {"12", "0", "Harasser", "301", "300"},
	{"14", "0", "Valkyrie", "501", "400"}, {"15", "0", "ANT", "651", "500"},
}

// experienceFact is an experience kind and what it is worth.
type experienceFact struct{ id, xp, description string }

var experienceFacts = []experienceFact{
	{"1", "100", "Kill Player"}, {"2", "100", "Kill Player Assist"}, {"4", "10", "Heal Player"}, {"7", "75", "Revive"},
	{"8", "10", "Kill Streak"}, {"10", "25", "Domination Kill"}, {"11", "50", "Revenge Kill"},
	{"15", "100", "Control Point - Defend"}, {"16", "100", "Control Point - Attack"}, {"25", "25", "Multiple Kill"},
	{"29", "200", "Kill Player Class MAX"}, {"32", "100", "Nemesis Kill"}, {"34", "10", "Resupply Player"},
	{"37", "10", "Headshot"}, {"51", "15", "Squad Heal"}, {"53", "100", "Squad Revive"}, {"55", "15", "Squad Resupply"},
	{"56", "10", "Squad Spawn"}, {"233", "5", "Sunderer Spawn Bonus"}, {"236", "50", "Facility Terminal Hack"},
	{"272", "25", "Convert Capture Point"}, {"277", "0", "Spawn Kill"}, {"278", "150", "Priority Kill"},
	{"335", "25", "Savior Kill (Non MAX)"}, {"438", "10", "Shield Repair"}, {"439", "15", "Squad Shield Repair"},
	{"556", "50", "Objective Pulse Defend"}, {"557", "100", "Objective Pulse Capture"},
}

// alertIDs are the territory alerts of a zone by the faction that started
// them: Enlightenment VS, Liberation NC, Superiority TR (census 7).
var alertIDs = map[string]map[int]string{
	"2":   {3: "147", 1: "148", 2: "149"},
	"8":   {3: "150", 1: "151", 2: "152"},
	"4":   {3: "153", 1: "154", 2: "155"},
	"6":   {3: "156", 1: "157", 2: "158"},
	"344": {2: "222", 3: "223", 1: "224"},
}

var alertNames = map[int]string{1: "Enlightenment", 2: "Liberation", 3: "Superiority"}

// loadouts by faction: infiltrator, light assault, medic, engineer, heavy, MAX.
var loadouts = map[int][]string{
	1: {"15", "17", "18", "19", "20", "21"},
	2: {"1", "3", "4", "5", "6", "7"},
	3: {"8", "10", "11", "12", "13", "14"},
	4: {"28", "29", "30", "31", "32", "45"},
}

var loadoutClasses = []string{"Infiltrator", "Light Assault", "Medic", "Engineer", "Heavy Assault", "MAX"}

var factionCodes = map[int]string{0: "None", 1: "VS", 2: "NC", 3: "TR", 4: "NSO"}

var factionNames = map[int]string{0: "None", 1: "Vanu Sovereignty", 2: "New Conglomerate", 3: "Terran Republic", 4: "NS Operatives"}

// ribbons are repeatable achievements; medals come once.
var ribbons = map[string]string{"2552": "Reviving", "2553": "Repairing", "2554": "Healing", "2555": "Piloting", "3706": "Small Outpost Capture", "90020": "Resupply", "90023": "Recon"}

var metagameStates = map[string]string{"135": "started", "136": "restarted", "137": "canceled", "138": "ended", "139": "xp bonus changed"}

var titleNames = map[string]string{"1": "Private", "2": "PFC", "3": "Specialist", "4": "Lance Cpl.", "5": "Corporal", "6": "Sergeant", "7": "Staff Sgt.", "8": "Tech Sgt."}
