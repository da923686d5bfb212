package bot

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

func TestWrongSettingsAreNamed(t *testing.T) {
	store := newFakeStore()
	good := Config{Token: canary, Store: store, Directory: &fakeDirectory{store: store}, Bus: &fakeBus{}}
	tests := []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"no token", func(c *Config) { c.Token = "Bot  " }, "discord token"},
		{"a token with a line break", func(c *Config) { c.Token = "a\nb" }, "discord token"},
		{"plain http elsewhere", func(c *Config) { c.URL = "http://discord.com" }, "discord url"},
		{"no store", func(c *Config) { c.Store = nil }, "store"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := good
			tt.change(&c)
			_, err := New(c)
			if err == nil {
				t.Fatal("accepted")
			}
			wants(t, err.Error(), tt.want)
		})
	}
	good.Token = " Bot " + canary + "\n"
	b, err := New(good)
	if err != nil || b.cfg.Token != canary {
		t.Errorf("a token with its prefix and spaces: %v", err)
	}
}

func TestMetricsAreBoundedAndRegisteredOnce(t *testing.T) {
	r := prometheus.NewPedanticRegistry()
	if _, err := newMetrics(r); err != nil {
		t.Fatal(err)
	}
	if _, err := newMetrics(r); err == nil {
		t.Error("the second registration is silent")
	}
}
