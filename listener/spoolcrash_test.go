package listener

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"muster/census"
	"muster/event"
	"muster/internal/diskqueue"
)

// spoolDir makes the test binary behave as a listener whose bus takes nothing, with
// its spool in that directory.
const spoolDir = "LISTENER_TEST_SPOOL_DIR"

// outageProcess reads events without end and says how many messages are on disk.
func outageProcess(dir string) {
	disk, err := diskqueue.Open(diskqueue.Config{Dir: dir, MaxBytes: 1 << 30})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	s := &script{states: []event.StreamState{live(1)}}
	s.run = func(ctx context.Context, h census.Handler) {
		tick := time.NewTicker(time.Millisecond)
		for i := 0; ; i++ {
			<-tick.C
			h.Event(sighting(1, i))
			if i%100 == 0 {
				fmt.Println(disk.Len())
			}
		}
	}
	l, err := New(Config{Stream: s, Bus: &spy{fail: errors.New("no broker")}, Locker: newDesk(), Spool: disk})
	if err == nil {
		err = l.Run(context.Background())
	}
	fmt.Println(err)
	os.Exit(1)
}

func TestAListenerThatIsKilledWhileTheBusIsAwayLosesNothingThatWasOnDisk(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), spoolDir+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	safe := 0
	for lines := bufio.NewScanner(out); safe < 1500 && lines.Scan(); {
		if safe, err = strconv.Atoi(lines.Text()); err != nil {
			t.Fatal(lines.Text())
		}
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	disk := openDisk(t, dir, 1<<30)
	found := disk.Len()
	synctest.Test(t, func(t *testing.T) {
		b := &spy{}
		_, stop := start(t, Config{Stream: lines(0), Bus: b, Locker: newDesk(), Spool: disk})
		synctest.Wait()
		got := b.victims()
		if !slices.Equal(got, upTo(len(got))) || found < safe || len(b.got) < found {
			t.Errorf("%d messages were on disk before the kill, %d after; %d are published, %d of them events, in order: %v",
				safe, found, len(b.got), len(got), slices.IsSorted(got))
		}
		stop()
	})
	t.Logf("%d messages were on disk before the kill, %d after", safe, found)
}
