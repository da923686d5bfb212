//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package diskqueue

import "os"

// lockFile does nothing where the standard library has no lock: see to it that no
// two processes get the same directory.
func lockFile(*os.File) error { return nil }

// syncDir does nothing where directories cannot be synced.
func syncDir(string) error { return nil }
