// Package told is a test: who is told what, and how often. It runs the dispatcher
// and the bot on one clock, which the test moves, against a real database, a real
// bus and the stand-in Discord, plays what happens in the game into the bus as the
// listener would, and counts every message that a person sees.
//
//	go test ./internal/told    every scenario, and four minutes of a town of 300
//	make told                  the same, and ten minutes of a town of 2,000
//
// Each scenario runs on SQLite with the spool, and on MariaDB with RabbitMQ where
// MUSTER_TEST_MYSQL_DSN and MUSTER_TEST_AMQP_URL name them.
package told
