package bot

import (
	"strings"
)

// A route is one of the requests this bot makes. It bounds the metric's labels
// and is the base of rate-limit buckets.
type route struct {
	// name is a bounded label: "create_message".
	name string
	// major is the id that rate limits are per, besides the route: a channel's.
	major string
	// interactive requests answer a person who waits: they have their own lane,
	// free of the global limit (discord notes 5) and never behind notifications.
	interactive bool
}

// routeOf names the route of a request by its path, without the version.
func routeOf(method, path string) route {
	path, _, _ = strings.Cut(path, "?")
	part := strings.Split(strings.Trim(apiPath(path), "/"), "/")
	at := func(i int) string {
		if i < len(part) {
			return part[i]
		}
		return ""
	}
	switch at(0) {
	case "interactions":
		return route{name: "callback", major: at(1), interactive: true}
	case "webhooks":
		if at(3) == "messages" {
			return route{name: "edit_answer", major: at(2), interactive: true}
		}
		return route{name: "followup", major: at(2), interactive: true}
	case "channels":
		if at(2) == "messages" && method == "POST" {
			return route{name: "create_message", major: at(1)}
		}
		if at(2) == "messages" && method == "PATCH" {
			return route{name: "edit_message", major: at(1)}
		}
		if at(2) == "messages" && method == "DELETE" {
			return route{name: "delete_message", major: at(1)}
		}
		if at(2) == "" && method == "GET" {
			return route{name: "get_channel", major: at(1)}
		}
		if at(2) == "" && method == "PATCH" {
			return route{name: "rename_channel", major: at(1)}
		}
		if at(2) == "typing" {
			return route{name: "typing", major: at(1)}
		}
	case "users":
		if at(2) == "channels" {
			return route{name: "open_dm"}
		}
	case "applications":
		if at(2) == "commands" {
			return route{name: "commands_" + strings.ToLower(method)}
		}
	case "gateway":
		return route{name: "gateway"}
	}
	return route{name: "other", major: at(1)}
}

// apiPath cuts "/api/v9" or "/api/v10" off.
func apiPath(path string) string {
	if rest, ok := strings.CutPrefix(path, "/api/"); ok {
		if _, rest, ok = strings.Cut(rest, "/"); ok {
			return "/" + rest
		}
	}
	return path
}
