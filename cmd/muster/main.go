// Command muster tells PlanetSide 2 players, in Discord and on a web page, who
// has come online and what happens.
//
// One binary holds every role: "muster" runs all of them in one process,
// "muster demo" adds a simulated game and a stand-in Discord.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signalContext(context.Background())
	code := run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// signalContext ends at the first SIGINT or SIGTERM, which starts the drain. A
// second one ends the process at once: after the first the default action is
// back in place.
func signalContext(parent context.Context) (context.Context, func()) {
	ctx, stop := signal.NotifyContext(parent, os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}
