package testservers

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
)

// A process is one run of a program.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed once it has been waited for
}

// launch starts cmd, with its output at the end of a file; what it says on its
// standard error goes to cmd.Stderr too, if that is set. The process is killed
// when ours dies, where the system can do that, so that a test that panics or is
// killed leaves nothing behind.
func launch(cmd *exec.Cmd, logFile string) (*process, error) {
	out, err := os.OpenFile(logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	cmd.Stdout = out
	if cmd.Stderr == nil {
		cmd.Stderr = out
	} else {
		cmd.Stderr = io.MultiWriter(out, cmd.Stderr)
	}
	cmd.SysProcAttr = apart()
	p := &process{cmd: cmd, ended: make(chan struct{})}
	started := make(chan error)
	go func() {
		// To Linux the parent is the thread: it must last as long as the child.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer out.Close()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ended is in its log
			close(p.ended)
		}
	}()
	return p, <-started
}
