// Package conformance holds the buses to a suite for message buses that others
// have written: gocloud.dev's pubsub/drivertest. It is a module of its own, so that
// the product does not carry the suite's dependencies.
package conformance
