package discord

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"
)

// maxWait is how long a control request waits for a deferred answer.
const maxWait = 20 * time.Second

// A messageView is a message as control shows it.
type messageView struct {
	Message
	OnlyFor    string `json:"only_for,omitempty"`
	GuildID    string `json:"guild_id,omitempty"`
	Recipient  string `json:"recipient,omitempty"`
	ReceivedNS int64  `json:"received_ns"`
	EditedNS   int64  `json:"edited_ns,omitempty"`
}

// view renders m for control and the console.
func (s *Server) view(m Message) messageView {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := messageView{Message: m, OnlyFor: m.OnlyFor, ReceivedNS: m.ReceivedAt.UnixNano()}
	if !m.EditedAt.IsZero() {
		v.EditedNS = m.EditedAt.UnixNano()
	}
	if ch := s.world.channels[m.ChannelID]; ch != nil {
		v.GuildID = ch.GuildID
		for _, r := range ch.Recipients {
			v.Recipient = r.ID
		}
	}
	return v
}

// controlMux is everything that is not Discord's.
func (s *Server) controlMux() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /sim/command", act(s.Command))
	mux.HandleFunc("POST /sim/person", act(s.OnPerson))
	mux.HandleFunc("POST /sim/press", act(s.Press))
	mux.HandleFunc("POST /sim/modal", act(s.SubmitModal))
	mux.HandleFunc("POST /sim/autocomplete", act(s.Autocomplete))
	mux.HandleFunc("POST /sim/suggest", act(func(_ context.Context, in CommandInput) (Suggestion, error) { return s.Suggest(in) }))
	mux.HandleFunc("POST /sim/say", act(func(_ context.Context, in CommandInput) (Message, error) { return s.Say(in.User, in.Channel, in.Text) }))
	mux.HandleFunc("POST /sim/users", act(func(_ context.Context, u User) (User, error) { return s.AddUser(u) }))
	mux.HandleFunc("POST /sim/locale", act(func(_ context.Context, in localeSetting) (localeSetting, error) {
		return in, s.SetLocale(in.User, in.Locale)
	}))
	mux.HandleFunc("POST /sim/dms", act(func(_ context.Context, in dmSetting) (dmSetting, error) { return in, s.SetDMs(in.User, in.Open) }))
	mux.HandleFunc("POST /sim/channel", act(func(_ context.Context, in channelSetting) (channelSetting, error) {
		return in, s.SetChannel(in.Channel, in.Hidden, in.ReadOnly)
	}))
	mux.HandleFunc("GET /sim/messages", s.controlMessages)
	mux.HandleFunc("DELETE /sim/messages/{id}", s.controlDismiss)
	mux.HandleFunc("DELETE /sim/channels/{id}", func(w http.ResponseWriter, r *http.Request) { done(w, s.RemoveChannel(r.PathValue("id"))) })
	mux.HandleFunc("GET /sim/users", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, 200, s.Users()) })
	mux.HandleFunc("GET /sim/world", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, 200, s.snapshot()) })
	mux.HandleFunc("GET /sim/commands", func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, 200, append([]Command{}, s.Commands(r.URL.Query().Get("guild"))...))
	})
	mux.HandleFunc("GET /sim/stats", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, 200, s.Stats()) })
	mux.HandleFunc("GET /sim/violations", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, 200, s.Violations()) })
	mux.HandleFunc("GET /sim/faults", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, 200, s.Faults()) })
	mux.HandleFunc("POST /sim/faults", act(func(_ context.Context, f Fault) (map[string]int, error) {
		id, err := s.AddFault(f)
		return map[string]int{"id": id}, err
	}))
	mux.HandleFunc("DELETE /sim/faults", func(w http.ResponseWriter, _ *http.Request) { s.ClearFault(0); done(w, nil) })
	mux.HandleFunc("DELETE /sim/faults/{id}", s.controlClearFault)
	mux.HandleFunc("GET /sim/events", s.controlEvents)
	mux.HandleFunc("GET /sim/files/{channel}/{id}", s.controlFile)
	mux.Handle("/", console())
	return mux
}

type channelSetting struct {
	Channel  string `json:"channel"`
	Hidden   bool   `json:"hidden"`
	ReadOnly bool   `json:"read_only"`
}

type localeSetting struct {
	User   string `json:"user"`
	Locale string `json:"locale"`
}

type dmSetting struct {
	User string `json:"user"`
	Open bool   `json:"open"`
}

// act makes a handler of a method that takes and returns JSON. A refusal is
// a 422 with an "error", a late bot a 504.
func act[In, Out any](do func(context.Context, In) (Out, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var in In
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&in); err != nil {
			writeJSON(w, http.StatusBadRequest, map[string]string{"error": "decode the request: " + err.Error()})
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), maxWait)
		defer cancel()
		out, err := do(ctx, in)
		switch {
		case errors.Is(err, ErrNoResponse):
			writeJSON(w, http.StatusGatewayTimeout, map[string]string{"error": err.Error()})
		case err != nil:
			writeJSON(w, http.StatusUnprocessableEntity, map[string]string{"error": err.Error()})
		default:
			writeJSON(w, http.StatusOK, out)
		}
	}
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func done(w http.ResponseWriter, err error) {
	if err != nil {
		writeJSON(w, http.StatusNotFound, map[string]string{"error": err.Error()})
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) controlClearFault(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.Atoi(r.PathValue("id"))
	if err == nil && id > 0 {
		s.ClearFault(id)
	}
	done(w, err)
}

func (s *Server) controlMessages(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	out := []messageView{}
	for _, m := range s.Messages(MessageFilter{User: q.Get("user"), Channel: q.Get("channel")}) {
		out = append(out, s.view(m))
	}
	writeJSON(w, 200, out)
}

// controlDismiss takes an ephemeral message out of its reader's sight.
func (s *Server) controlDismiss(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	for channelID, list := range s.world.messages {
		for _, m := range list {
			if m.ID == r.PathValue("id") && m.OnlyFor != "" {
				s.world.remove(channelID, m.ID)
				break
			}
		}
	}
	s.mu.Unlock()
	done(w, nil)
}

func (s *Server) controlFile(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.world.messages[r.PathValue("channel")] {
		for _, a := range m.Attachments {
			if a.ID == r.PathValue("id") {
				if a.ContentType == "image/png" {
					w.Header().Set("Content-Type", a.ContentType)
				} else {
					w.Header().Set("Content-Type", "application/octet-stream")
				}
				w.Header().Set("X-Content-Type-Options", "nosniff")
				_, _ = w.Write(a.Content)
				return
			}
		}
	}
	http.NotFound(w, r)
}

// controlEvents streams what happens as Server-Sent Events.
func (s *Server) controlEvents(w http.ResponseWriter, r *http.Request) {
	events, stop := s.hub.subscribe()
	defer stop()
	if events == nil {
		http.Error(w, "closed", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	rc := http.NewResponseController(w)
	_, _ = w.Write([]byte(": hello\n\n"))
	beat := time.NewTicker(15 * time.Second)
	defer beat.Stop()
	for {
		if rc.Flush() != nil {
			return
		}
		select {
		case line, ok := <-events:
			if !ok {
				return
			}
			_, _ = w.Write(line)
		case <-beat.C:
			_, _ = w.Write([]byte(": beat\n\n"))
		case <-r.Context().Done():
			return
		}
	}
}

// snapshot is what the console needs to begin.
func (s *Server) snapshot() map[string]any {
	stats := s.Stats()
	s.mu.Lock()
	defer s.mu.Unlock()
	users := []map[string]any{}
	for _, u := range s.world.users {
		users = append(users, map[string]any{
			"id": u.ID, "username": u.Username, "name": u.name(), "dm": s.world.dms[u.ID], "closed_dms": u.ClosedDMs, "no_mutual": u.NoMutual, "locale": u.locale(),
		})
	}
	guilds := []map[string]any{}
	for _, g := range s.world.guilds {
		guilds = append(guilds, map[string]any{"id": g.ID, "name": g.Name, "channels": s.guildChannels(&g), "user_installed_only": g.UserInstalledOnly})
	}
	return map[string]any{
		"bot": s.world.bot, "users": users, "guilds": guilds, "connected": stats.Connected, "commands": len(s.registry.byGuild[""]),
		"locales": Locales(), "fault_kinds": map[string]any{"rest": restKinds, "gateway": gatewayKinds},
	}
}
