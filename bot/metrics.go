package bot

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	requests     *prometheus.CounterVec // route, outcome
	alerts       *prometheus.CounterVec // outcome
	delay        prometheus.Histogram
	connected    prometheus.Gauge
	shards       prometheus.Gauge
	identifies   prometheus.Counter
	interactions *prometheus.CounterVec // outcome
	received     *prometheus.CounterVec // outcome
	channelPosts *prometheus.CounterVec // topic, outcome
}

// newMetrics makes the bot's metrics and registers them if r is not nil.
func newMetrics(r prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "muster_discord_requests_total", Help: "Requests to Discord's API.",
		}, []string{"route", "outcome"}),
		alerts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "muster_alerts_total", Help: "Attempts to tell somebody, by what became of them.",
		}, []string{"outcome"}),
		delay: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "muster_alert_delay_seconds", Help: "From the login in the game to the sent message.",
			Buckets: []float64{.25, .5, 1, 2, 3, 5, 10, 20, 30, 60, 120, 300},
		}),
		connected: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "muster_discord_gateway_connected", Help: "Gateway sessions that are ready, one for each shard held.",
		}),
		shards: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "muster_discord_shards_held", Help: "Shards whose lease this process holds.",
		}),
		identifies: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "muster_discord_identifies_total", Help: "IDENTIFYs sent; Discord allows 1,000 a day.",
		}),
		interactions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "muster_discord_interactions_total", Help: "Interactions received, by what became of them.",
		}, []string{"outcome"}),
	}
	m.received = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "muster_discord_received_total", Help: "Requests to the interactions endpoint, by what became of them.",
	}, []string{"outcome"})
	m.channelPosts = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "muster_channel_posts_total", Help: "Attempts to tell a channel of a guild, by topic and what became of them.",
	}, []string{"topic", "outcome"})
	if r == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.requests, m.alerts, m.delay, m.connected, m.shards, m.identifies, m.interactions, m.received, m.channelPosts} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}
