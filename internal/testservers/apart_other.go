//go:build !linux

package testservers

import "syscall"

// apart puts a process into a group of its own, away from the terminal's signals.
func apart() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
