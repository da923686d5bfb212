// Package day is a test: it sends a day of the game at full rate, as fast as it is
// taken, through RabbitMQ, two dispatchers, MariaDB and a notifier to readers of the
// feed, each in a process of its own over servers of its own, and holds what was
// stored, derived and shown against what was sent.
//
//	make day                     ten million events; COUNT=1000000 for fewer
//	go test ./internal/day       its first half hour, which also runs with all other tests
package day
