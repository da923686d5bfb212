// Package testservers starts servers for tests that must break one: MariaDB,
// RabbitMQ and Redis, each private to its test, on a free port of the loopback
// and with its data in the test's temporary directory.
//
//	db, broker := testservers.NewMariaDB(t, testservers.MariaDBConfig{}), testservers.NewRabbitMQ(t, testservers.RabbitMQConfig{})
//	testservers.Start(t, db, broker) // side by side
//	broker.Kill(t)
//	broker.Start(t) // the same port and data
//
// A server keeps its port and its data until the test ends, whatever happens to
// its process. Where the program is not installed the test is skipped. Tests that
// harm no server use the shared ones of scripts/services instead, which cost
// nothing to start.
package testservers
