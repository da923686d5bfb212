package configs_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"muster/configs"
)

// row is how the README shows a setting.
func row(s configs.Setting) string {
	value := "none"
	if s.Default != "" {
		value = "`" + s.Default + "`"
	}
	return fmt.Sprintf("| `%s` | `%s` | %s | %s |\n", s.Name, s.Env, value, s.Help)
}

func TestTheREADMEHasTheTableOfSettings(t *testing.T) {
	content, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range configs.Settings() {
		if !strings.Contains(string(content), row(s)) {
			t.Errorf("README.md lacks this line:\n%s", row(s))
		}
	}
}
