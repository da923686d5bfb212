package listener

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(spoolDir); dir != "" {
		outageProcess(dir)
	}
	goleak.VerifyTestMain(m)
}
