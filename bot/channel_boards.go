package bot

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"slices"
	"strconv"
	"sync"
	"time"

	"muster/alert"
	"muster/internal/catalogue"
)

// A standing remembers what a board or a tracker shows, so that Discord is asked to
// change only what has changed. Losing it costs one edit more.
type standing struct {
	mu    sync.Mutex
	shown map[alert.Key]shownAs
}

type shownAs struct {
	digest [sha256.Size]byte
	at     time.Time
}

// maxStanding bounds what is remembered; beyond it the count begins anew.
const maxStanding = 10_000

// same reports whether what is shown under k is content, since less than age ago.
func (s *standing) same(k alert.Key, content any, now time.Time, age time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	was, ok := s.shown[k]
	return ok && was.digest == digest(content) && now.Sub(was.at) < age
}

// note remembers that content is shown under k.
func (s *standing) note(k alert.Key, content any, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shown == nil || len(s.shown) >= maxStanding {
		s.shown = map[alert.Key]shownAs{}
	}
	s.shown[k] = shownAs{digest(content), now}
}

func (s *standing) forget(k alert.Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.shown, k)
}

func digest(content any) [sha256.Size]byte {
	b, _ := json.Marshal(content) // plain data
	return sha256.Sum256(b)
}

// board makes what a board shows now, without the time.
func (b *Bot) board(ctx context.Context, s alert.Subscription) (embed, error) {
	var m message
	var err error
	asked := &interaction{lang: b.in(s.Locale)}
	switch s.Topic {
	case alert.BoardOnline:
		m, err = b.onlineIn(ctx, asked.lang, s.Of)
	case alert.BoardPopulation:
		m, err = b.population(ctx, asked)
	case alert.BoardAlerts:
		m, err = b.alertRuns(ctx, asked)
	default:
		m, err = b.status(ctx, asked)
	}
	if err != nil || len(m.Embeds) == 0 {
		return embed{}, err
	}
	return m.Embeds[0], nil
}

// showBoard sends or edits a board, if it shows something else than it should.
func (l *channelLoop) showBoard(r request) (alert.PostResult, string, error) {
	p := r.post
	e, err := l.b.board(r.until, r.Subscription)
	if err != nil {
		l.b.log.Warn("board not made, trying again", "topic", r.Topic, "err", err)
		return l.later(p, 0), "retry", err
	}
	now := l.b.now()
	next := now.Add(alert.RefreshPost)
	if p.Message != 0 && l.standing.same(p.Key, e, now, alert.RefreshBoard) {
		return alert.PostResult{Message: p.Message, Next: next}, "unchanged", nil
	}
	shown := e
	shown.Description = cut(joinLines(e.Description, l.b.in(r.Locale).T("board.as_of", "when", moment(now, now))), maxDescription+200)
	out, label, err := l.show(r, message{Embeds: []embed{shown}}, next)
	switch label {
	case "sent", "edited":
		l.standing.note(p.Key, e, now)
	case "gone": // or too old to be edited so often: a new one takes its place
		ctx, done := context.WithTimeout(context.WithoutCancel(r.until), sendWithin)
		defer done()
		l.b.dropMessage(ctx, r.Channel, p.Message)
		l.standing.forget(p.Key)
	}
	return out, label, err
}

// dropMessage deletes a message as well as can be.
func (b *Bot) dropMessage(ctx context.Context, channel, id alert.Snowflake) {
	if err := b.rest.deleteMessage(ctx, channel.String(), id.String()); err != nil && decide(err).do != repost && decide(err).do != reopen {
		b.log.Info("message not deleted", "err", b.redact.err(err))
	}
}

// showName changes the name of a channel, if it has changed.
func (l *channelLoop) showName(r request) (alert.PostResult, string, error) {
	name, err := l.b.trackedName(r.until, r.Subscription)
	if err != nil {
		l.b.log.Warn("name of a channel not made, trying again", "topic", r.Topic, "err", err)
		return l.later(r.post, 0), "retry", err
	}
	now := l.b.now()
	out := alert.PostResult{Message: r.Channel, Next: now.Add(alert.RefreshName)}
	if l.standing.same(nameKey(r.Channel), name, now, 24*time.Hour) {
		return out, "unchanged", nil
	}
	ctx, done, err := l.pay(r)
	if err != nil {
		return out, "", err
	}
	defer done()
	if err := l.b.rest.renameChannel(ctx, r.Channel.String(), name); err != nil {
		return l.refused(r.post, err)
	}
	l.standing.note(nameKey(r.Channel), name, now)
	return out, "renamed", nil
}

// nameKey is what a standing knows the name of a channel by.
func nameKey(channel alert.Snowflake) alert.Key {
	return alert.News{Topic: alert.TrackOnline, Subject: int64(channel)}.Key(0)
}

// trackedName is the name of a channel that a tracker keeps, at most 100 characters.
func (b *Bot) trackedName(ctx context.Context, s alert.Subscription) (string, error) {
	in := b.in(s.Locale)
	if s.Topic == alert.TrackOnline {
		on, err := b.cfg.Store.OnlineInOutfit(ctx, s.Outfit)
		name := s.Of.Tag
		if name == "" {
			name = s.Of.Name
		}
		return clip(in.T("tracker.name", "name", bare(clip(name, 40)), "n", len(on)), 100), err
	}
	worlds, err := b.cfg.Store.Population(ctx)
	if err != nil {
		return "", err
	}
	if s.World != 0 {
		return in.T("tracker.name", "name", s.World, "n", all(worlds[s.World])), nil
	}
	total := 0
	for _, w := range worlds {
		total += all(w)
	}
	return in.T("tracker.name", "name", "PlanetSide 2", "n", total), nil
}

// boardCommand makes a board or a tracker.
func (b *Bot) boardCommand(ctx context.Context, i *interaction, topics []alert.Topic) (message, error) {
	guild, err := i.leader()
	if err != nil {
		return message{}, err
	}
	s, err := b.wish(ctx, i, guild)
	if err != nil {
		return message{}, err
	}
	if !slices.Contains(topics, s.Topic) {
		return message{}, tell("board.choose")
	}
	if s.Topic.Tracks() {
		others, err := b.cfg.Store.Subscriptions(ctx, guild)
		if err != nil {
			return message{}, err
		}
		for _, o := range others {
			if o.Channel == s.Channel && o.Topic.Tracks() {
				return message{}, tell("board.taken", "channel", mention(s.Channel))
			}
		}
		// The right to rename is asked by doing it once.
		name, err := b.trackedName(ctx, s)
		if err == nil {
			err = b.rest.renameChannel(ctx, s.Channel.String(), name)
		}
		if decide(err).shut() {
			return message{}, tell("cannot.rename", "channel", mention(s.Channel), "reason", renameReason(codeOf(err)))
		}
		if err == nil {
			b.channels.standing.note(nameKey(s.Channel), name, b.now())
		}
	} else if err := b.mayPost(ctx, s.Channel); err != nil {
		return message{}, err
	}
	saved, _, err := b.cfg.Store.Subscribe(ctx, s)
	if err != nil {
		return message{}, limited(err)
	}
	head := i.lang.T("board.done", "channel", mention(saved.Channel), "what", i.lang.wish(saved))
	if s.Topic.Tracks() {
		head = i.lang.T("board.named", "channel", mention(saved.Channel), "what", i.lang.wish(saved))
	}
	m := plain(head)
	m.Components = buttons(button{Label: i.lang.T("subscribe.stop"), Style: styleDanger, CustomID: controlVersion + "unsub:" + strconv.FormatInt(saved.ID, 10)})
	return m, nil
}

func (b *Bot) makeBoard(ctx context.Context, i *interaction) (message, error) {
	return b.boardCommand(ctx, i, alert.Boards())
}

func (b *Bot) makeTracker(ctx context.Context, i *interaction) (message, error) {
	return b.boardCommand(ctx, i, alert.Trackers())
}

// renameReason is pauseReason for a tracker.
func renameReason(code string) catalogue.Message {
	if code == "50013" {
		return catalogue.Say("refusal.rename")
	}
	return pauseReason(code)
}

// boardOptions are those of /board and /tracker.
func boardOptions(topics []alert.Topic, channels []int) []optionDef {
	options := []optionDef{
		{Type: optionString, Name: "topic", Description: "about.topic_shown", Required: true, Choices: topicChoices(topics)},
		{Type: optionChannel, Name: "channel", Description: "about.channel", ChannelTypes: channels},
		{Type: optionString, Name: "outfit", Description: "about.outfit_here", Autocomplete: true},
	}
	if topics[0].Tracks() {
		options = append(options, optionDef{Type: optionString, Name: "world", Description: "about.world_only", Choices: worldChoices()})
	}
	return options
}
