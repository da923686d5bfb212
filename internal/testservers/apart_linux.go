package testservers

import "syscall"

// apart puts a process into a group of its own, away from the terminal's signals,
// and has it killed with ours.
func apart() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
