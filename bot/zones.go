package bot

import (
	"strings"

	"muster/alert"
)

// commonZones are offered in a menu, which holds 25: one place for each time that
// many players keep, west to east.
func commonZones() []string {
	return []string{
		"Pacific/Honolulu", "America/Anchorage", "America/Los_Angeles", "America/Denver", "America/Phoenix", "America/Chicago",
		"America/New_York", "America/Halifax", "America/Sao_Paulo", "America/Argentina/Buenos_Aires", "UTC", "Europe/London",
		"Europe/Lisbon", "Europe/Berlin", "Europe/Madrid", "Europe/Warsaw", "Europe/Helsinki", "Europe/Moscow", "Asia/Dubai",
		"Asia/Kolkata", "Asia/Shanghai", "Asia/Tokyo", "Australia/Perth", "Australia/Sydney", "Pacific/Auckland",
	}
}

// moreZones can be found by the name of their city.
const moreZones = `Africa/Algiers Africa/Cairo Africa/Casablanca Africa/Johannesburg Africa/Lagos Africa/Nairobi Africa/Tunis
America/Bogota America/Caracas America/Edmonton America/Guatemala America/Havana America/Lima America/Mexico_City America/Montevideo
America/Montreal America/Panama America/Puerto_Rico America/Regina America/Santiago America/St_Johns America/Tijuana America/Toronto
America/Vancouver America/Winnipeg America/Detroit America/Indiana/Indianapolis America/Boise America/La_Paz America/Asuncion
Asia/Almaty Asia/Baghdad Asia/Baku Asia/Bangkok Asia/Beirut Asia/Dhaka Asia/Ho_Chi_Minh Asia/Hong_Kong Asia/Irkutsk Asia/Jakarta
Asia/Jerusalem Asia/Kamchatka Asia/Karachi Asia/Kathmandu Asia/Kuala_Lumpur Asia/Kuwait Asia/Manila Asia/Novosibirsk Asia/Omsk
Asia/Qatar Asia/Riyadh Asia/Seoul Asia/Singapore Asia/Taipei Asia/Tashkent Asia/Tbilisi Asia/Tehran Asia/Vladivostok Asia/Yakutsk
Asia/Yekaterinburg Asia/Yerevan Atlantic/Azores Atlantic/Canary Atlantic/Reykjavik Australia/Adelaide Australia/Brisbane
Australia/Darwin Australia/Hobart Australia/Melbourne Europe/Amsterdam Europe/Athens Europe/Belgrade Europe/Bratislava
Europe/Brussels Europe/Bucharest Europe/Budapest Europe/Chisinau Europe/Copenhagen Europe/Dublin Europe/Istanbul Europe/Kaliningrad
Europe/Kyiv Europe/Ljubljana Europe/Luxembourg Europe/Malta Europe/Minsk Europe/Monaco Europe/Oslo Europe/Paris Europe/Prague
Europe/Riga Europe/Rome Europe/Samara Europe/Sarajevo Europe/Skopje Europe/Sofia Europe/Stockholm Europe/Tallinn Europe/Tirane
Europe/Vienna Europe/Vilnius Europe/Volgograd Europe/Zagreb Europe/Zurich Indian/Mauritius Pacific/Fiji Pacific/Guam`

// findZone returns the zone that a person means: a city, or a zone's name in any
// case.
func findZone(text string) (string, bool) {
	want := strings.ReplaceAll(strings.TrimSpace(text), " ", "_")
	for _, name := range append(commonZones(), strings.Fields(moreZones)...) {
		_, err := alert.LoadZone(name)
		if err == nil && (strings.EqualFold(name, want) || strings.EqualFold(name[strings.LastIndex(name, "/")+1:], want)) {
			return name, true
		}
	}
	if want == "" {
		return "", false
	}
	_, err := alert.LoadZone(want)
	return want, err == nil
}
