package discord

import (
	"crypto/rand"
	"net/http"
	"slices"
	"time"
)

// Types of interactions.
const (
	interactionCommand      = 2
	interactionComponent    = 3
	interactionAutocomplete = 4
	interactionModal        = 5
)

// Types of first responses (notes 5).
const (
	responseMessage        = 4
	responseDeferred       = 5
	responseDeferredUpdate = 6
	responseUpdate         = 7
	responseChoices        = 8
	responseModal          = 9
)

// responseNames is each type as an Answer calls it.
var responseNames = map[int]AnswerKind{
	responseMessage: AnswerMessage, responseDeferred: AnswerDeferred, responseDeferredUpdate: AnswerDeferredUpdate,
	responseUpdate: AnswerUpdate, responseChoices: AnswerChoices, responseModal: AnswerModal,
}

// maxUserFollowups is the limit behind error 40094.
const maxUserFollowups = 5

// An interaction is one act of a user that the bot must answer. Server.mu
// guards what changes.
type interaction struct {
	id, token string
	kind      int
	user      User
	channelID string
	guildID   string
	name      string // of the command
	userOnly  bool   // the app is only user-installed there
	sourceID  string // the message a component is on
	bornAt    time.Time

	void       bool // the first response did not come in time
	response   int  // type of the first response, 0 before it
	originalID string
	messages   []string // ids, in the order they were made
	followups  int
	choices    []Choice
	modal      *Modal
	answeredAt time.Time
	finishedAt time.Time
	answered   chan struct{} // closed at the first response
	finished   chan struct{} // closed when nothing deferred is open
}

// begin makes and remembers an interaction. It needs s.mu.
func (s *Server) begin(i *interaction) {
	now := s.cfg.Now()
	for len(s.oldest) > 0 && now.Sub(s.oldest[0].bornAt) > 2*s.cfg.TokenLife {
		delete(s.interactions, s.oldest[0].token)
		delete(s.modals, s.oldest[0].id)
		s.oldest[0] = nil
		s.oldest = s.oldest[1:]
	}
	i.id, i.token = s.ids.next(now), "aW50ZXJhY3Rpb246"+rand.Text()+rand.Text()
	i.bornAt = now
	i.answered, i.finished = make(chan struct{}), make(chan struct{})
	if g := s.world.guild(i.guildID); g != nil {
		i.userOnly = g.UserInstalledOnly
	}
	s.interactions[i.token] = i
	s.oldest = append(s.oldest, i)
}

// finish marks that the user has the whole first answer. It needs s.mu.
func (i *interaction) finish(now time.Time) {
	select {
	case <-i.finished:
	default:
		i.finishedAt = now
		close(i.finished)
	}
}

func checkCallback(_ *Server, c *call, ch *checker) {
	m, ok := ch.object(nil, c.doc)
	if !ok {
		return
	}
	ch.known(nil, m, "type", "data")
	kind, _ := ch.number(nil, m, "type")
	data, _ := m["data"].(map[string]any)
	path := []string{"data"}
	switch kind {
	case responseMessage, responseDeferred, responseDeferredUpdate, responseUpdate:
		ch.message(path, data, placeResponse)
	case responseChoices:
		// discordgo sends null for what it leaves empty (notes 3.14).
		ch.known(path, data, "choices", "content", "embeds", "components", "tts")
		ch.choices(path, data, "choices")
	case responseModal:
		ch.modal(path, data)
	default:
		ch.add([]string{"type"}, "BASE_TYPE_CHOICES", "Value must be one of {4, 5, 6, 7, 8, 9, 10, 12}.")
	}
}

// mayRespond says whether a first response of a type fits the interaction.
func (i *interaction) mayRespond(kind int) bool {
	switch i.kind {
	case interactionCommand:
		return slices.Contains([]int{responseMessage, responseDeferred, responseModal}, kind)
	case interactionAutocomplete:
		return kind == responseChoices
	case interactionComponent:
		return kind != responseChoices
	default:
		update := kind == responseUpdate || kind == responseDeferredUpdate
		return kind == responseMessage || kind == responseDeferred || update && i.sourceID != ""
	}
}

// postCallback takes the first response.
func (s *Server) postCallback(c *call) (reply, *apiError) {
	made, event, e := s.respond(c)
	if e != nil {
		return reply{}, e
	}
	if made != nil {
		s.announce(event, *made)
	}
	if c.r.URL.Query().Get("with_response") != "true" {
		return reply{status: http.StatusNoContent}, nil
	}
	body := map[string]any{"interaction": map[string]any{"id": c.vars["interaction_id"], "response_message_ephemeral": made != nil && made.OnlyFor != ""}}
	if made != nil {
		body["resource"] = map[string]any{"type": responseMessage, "message": made}
	}
	return reply{body: body}, nil
}

// respond does what a first response says. It returns the message that came
// of it, if any, and the event that tells of it.
func (s *Server) respond(c *call) (*Message, string, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.interactions[c.vars["interaction_token"]]
	if i == nil || i.id != c.vars["interaction_id"] || i.void {
		return nil, "", fail(10062)
	}
	if i.response != 0 {
		return nil, "", fail(40060)
	}
	if c.at.Sub(i.bornAt) > s.cfg.InteractionDeadline {
		return nil, "", fail(10062)
	}
	doc := c.object()
	kind := convert[int](doc["type"])
	if !i.mayRespond(kind) {
		return nil, "", invalid(problem{path: []string{"type"}, code: "INTERACTION_RESPONSE_TYPE", message: "This response does not fit the interaction."})
	}
	data, _ := doc["data"].(map[string]any)
	inner := &call{at: c.at, doc: data, files: c.files}
	m, event, e := s.take(i, kind, inner)
	if e != nil {
		return nil, "", e
	}
	i.response, i.answeredAt = kind, c.at
	close(i.answered)
	if kind != responseDeferred && kind != responseDeferredUpdate {
		i.finish(c.at)
	}
	return m, event, nil
}

// take acts on a first response of a type that fits. It needs s.mu.
func (s *Server) take(i *interaction, kind int, c *call) (*Message, string, *apiError) {
	switch kind {
	case responseMessage:
		m, e := s.reply(i, c)
		if e != nil {
			return nil, "", e
		}
		i.originalID = m.ID
		return m, "MESSAGE_CREATE", nil
	case responseDeferred:
		m := s.postpone(i, c)
		i.originalID = m.ID
		return m, "MESSAGE_CREATE", nil
	case responseDeferredUpdate:
		i.originalID = i.sourceID
	case responseUpdate:
		i.originalID = i.sourceID
		source := s.world.message(i.channelID, i.sourceID)
		if source == nil {
			return nil, "", fail(10008)
		}
		m, e := s.edit(source, c)
		return &m, "MESSAGE_UPDATE", e
	case responseChoices:
		i.choices = convert[[]Choice](c.object()["choices"])
	case responseModal:
		modal := convert[Modal](c.doc)
		i.modal = &modal
		s.modals[i.id] = &openModal{Modal: modal, by: i}
	}
	return nil, "", nil
}

// reply stores an answer to i. It needs s.mu.
func (s *Server) reply(i *interaction, c *call) (*Message, *apiError) {
	m := s.answerTo(i, c)
	s.fill(m, c)
	if m.empty() {
		return nil, fail(50006)
	}
	if m.Flags&FlagEphemeral != 0 {
		m.OnlyFor = i.user.ID
	}
	s.world.store(m)
	i.messages = append(i.messages, m.ID)
	out := *m
	return &out, nil
}

// postpone stores the place of an answer still to come. It needs s.mu.
func (s *Server) postpone(i *interaction, c *call) *Message {
	m := s.answerTo(i, c)
	flags := convert[int](c.object()["flags"])
	m.Flags = flags&FlagEphemeral | FlagLoading
	if flags&FlagEphemeral != 0 {
		m.OnlyFor = i.user.ID
	}
	s.world.store(m)
	i.messages = append(i.messages, m.ID)
	out := *m
	return &out
}

// answerTo returns a blank message that answers i. It needs s.mu.
func (s *Server) answerTo(i *interaction, c *call) *Message {
	m := s.blank(i.channelID, c.at)
	m.WebhookID, m.ApplicationID = s.cfg.AppID, s.cfg.AppID
	if i.kind == interactionCommand {
		m.Type = 20
	}
	m.Interaction = &InteractionMetadata{ID: i.id, Type: i.kind, User: i.user, Name: i.name}
	return m
}

// webhook returns the interaction whose token c calls. It needs s.mu.
func (s *Server) webhook(c *call) (*interaction, *apiError) {
	i := s.interactions[c.vars["webhook_token"]]
	switch {
	case i == nil, c.vars["webhook_id"] != s.cfg.AppID, i.response == 0:
		return nil, fail(10015)
	case c.at.Sub(i.bornAt) > s.cfg.TokenLife:
		return nil, fail(50027)
	}
	return i, nil
}

// postFollowup adds a message to an answer. One that follows a deferral fills
// the deferred answer instead.
func (s *Server) postFollowup(c *call) (reply, *apiError) {
	m, event, e := s.follow(c)
	if e != nil {
		return reply{}, e
	}
	s.announce(event, *m)
	return reply{body: m}, nil
}

func (s *Server) follow(c *call) (*Message, string, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, e := s.webhook(c)
	if e != nil {
		return nil, "", e
	}
	if original := s.world.message(i.channelID, i.originalID); original != nil && original.Loading() {
		m, e := s.edit(original, c)
		if e == nil {
			i.finish(c.at)
		}
		return &m, "MESSAGE_UPDATE", e
	}
	if i.userOnly && i.followups >= maxUserFollowups {
		return nil, "", fail(40094)
	}
	m, e := s.reply(i, c)
	if e != nil {
		return nil, "", e
	}
	i.followups++
	return m, "MESSAGE_CREATE", nil
}

// followup returns the message of an interaction that c is about. It needs
// s.mu.
func (s *Server) followup(c *call) (*interaction, *Message, *apiError) {
	i, e := s.webhook(c)
	if e != nil {
		return nil, nil, e
	}
	id := orElse(c.vars["message_id"], i.originalID)
	if id != i.originalID && !slices.Contains(i.messages, id) {
		return nil, nil, fail(10008)
	}
	m := s.world.message(i.channelID, id)
	if m == nil {
		return nil, nil, fail(10008)
	}
	return i, m, nil
}

func (s *Server) getFollowup(c *call) (reply, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, m, e := s.followup(c)
	if e != nil {
		return reply{}, e
	}
	return reply{body: *m}, nil
}

func (s *Server) patchFollowup(c *call) (reply, *apiError) {
	s.mu.Lock()
	i, m, e := s.followup(c)
	var out Message
	if e == nil {
		out, e = s.edit(m, c)
	}
	if e == nil && out.ID == i.originalID {
		i.finish(c.at)
	}
	s.mu.Unlock()
	if e != nil {
		return reply{}, e
	}
	s.announce("MESSAGE_UPDATE", out)
	return reply{body: out}, nil
}

func (s *Server) deleteFollowup(c *call) (reply, *apiError) {
	s.mu.Lock()
	i, m, e := s.followup(c)
	if e != nil {
		s.mu.Unlock()
		return reply{}, e
	}
	gone := *m
	s.world.remove(m.ChannelID, m.ID)
	if gone.ID == i.originalID {
		i.finish(c.at)
	}
	s.mu.Unlock()
	s.announce("MESSAGE_DELETE", gone)
	return reply{status: http.StatusNoContent}, nil
}
