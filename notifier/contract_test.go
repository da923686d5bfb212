package notifier_test

import (
	"muster/bus"
	"muster/notifier"
	"muster/storage"
)

// What cmd/muster gives the notifier.
var (
	_ notifier.Bus   = bus.Bus(nil)
	_ notifier.Store = (*storage.Store)(nil)
)
