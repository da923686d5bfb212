// Package chaos is a test: it runs every role in processes of their own over
// servers of its own, kills, suspends and cuts off each of them in turn, and after
// each blow holds what was stored, announced and shown against what the simulated
// game says has happened.
//
//	make chaos           every case, with pauses of 30 s, and prints the table
//	go test ./internal/chaos    the short form, which also runs with all other tests
//
// What must have happened is computed from the game's journal by code of this
// package alone: nothing here decodes, keys, folds or matches with the code that
// is being tested.
package chaos
