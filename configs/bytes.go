package configs

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Bounds of listener.spool_bytes besides 0.
const (
	minSpool = 1 << 20
	maxSpool = 1 << 40
)

// units are what sizes may be written in.
var units = []struct {
	name  string
	bytes int64
}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}

// setBytes reads a size: a whole number with one of units, or 0.
func setBytes(field func(*Config) *int64, least, most int64) func(*Config, string) error {
	return func(c *Config, v string) error {
		v = strings.ToLower(strings.TrimSpace(v))
		*field(c) = 0
		if v == "0" {
			return nil
		}
		for _, u := range units {
			digits, ok := strings.CutSuffix(v, strings.ToLower(u.name))
			if !ok {
				continue
			}
			n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
			if err == nil && (n < 1 || n > most/u.bytes || n*u.bytes < least) {
				return fmt.Errorf("must be 0, or %s to %s", showBytes(least), showBytes(most))
			}
			if err == nil {
				*field(c) = n * u.bytes
				return nil
			}
		}
		return errors.New("write a whole number with a unit, such as 512MiB or 2GiB, or 0")
	}
}

// showBytes writes a size with the largest unit that leaves a whole number.
func showBytes(n int64) string {
	for _, u := range units {
		if n > 0 && n%u.bytes == 0 {
			return strconv.FormatInt(n/u.bytes, 10) + u.name
		}
	}
	return "0"
}
