package main

import (
	"os/exec"
	"syscall"
)

// maxRSS returns the largest resident memory a command had, in MB.
func maxRSS(cmd *exec.Cmd) float64 {
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	return float64(usage.Maxrss) / 1024
}
