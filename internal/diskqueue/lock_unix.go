//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package diskqueue

import (
	"errors"
	"os"
	"syscall"
)

// lockFile takes f for this open file alone, until it is closed or the process
// ends. It does not wait.
func lockFile(f *os.File) error {
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// syncDir makes the names in dir durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
