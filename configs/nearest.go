package configs

import "strings"

// maxSlip is how many letters may differ in a slip of the pen.
const maxSlip = 2

// nearest returns the choice that is at most maxSlip letters from word, the
// first of the closest, upper and lower case alike.
func nearest(word string, choices []string) (string, bool) {
	best, found := maxSlip+1, ""
	for _, choice := range choices {
		if d := distance(strings.ToLower(word), strings.ToLower(choice)); d < best {
			best, found = d, choice
		}
	}
	return found, found != ""
}

// distance returns how many letters must be put in, taken out or replaced to
// turn a into b; more than maxSlip when the lengths alone say so.
func distance(a, b string) int {
	if d := len(a) - len(b); d > maxSlip || d < -maxSlip {
		return maxSlip + 1
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
