package discord_test

import (
	"testing"

	"github.com/bwmarrin/discordgo"

	"muster/sim/discord"
)

// commands is a small bot's: /watch add|remove with autocomplete, and /ping.
func commands() []*discordgo.ApplicationCommand {
	player := &discordgo.ApplicationCommandOption{
		Type: discordgo.ApplicationCommandOptionString, Name: "player", Description: "whom", Required: true, Autocomplete: true,
	}
	return []*discordgo.ApplicationCommand{
		{Name: "ping", Description: "answers"},
		{Name: "watch", Description: "watch players", Options: []*discordgo.ApplicationCommandOption{
			{Type: discordgo.ApplicationCommandOptionSubCommand, Name: "add", Description: "begin", Options: []*discordgo.ApplicationCommandOption{player}},
			{Type: discordgo.ApplicationCommandOptionSubCommand, Name: "remove", Description: "end", Options: []*discordgo.ApplicationCommandOption{player}},
		}},
	}
}

// bot answers every interaction in the way its name says.
func bot(t *testing.T) func(*discordgo.Session, *discordgo.InteractionCreate) {
	respond := func(d *discordgo.Session, i *discordgo.InteractionCreate, kind discordgo.InteractionResponseType, data *discordgo.InteractionResponseData) {
		if err := d.InteractionRespond(i.Interaction, &discordgo.InteractionResponse{Type: kind, Data: data}); err != nil {
			t.Errorf("respond: %v", err)
		}
	}
	return func(d *discordgo.Session, i *discordgo.InteractionCreate) {
		switch i.Type {
		case discordgo.InteractionApplicationCommandAutocomplete:
			typed := i.ApplicationCommandData().Options[0].Options[0].StringValue()
			respond(d, i, discordgo.InteractionApplicationCommandAutocompleteResult, &discordgo.InteractionResponseData{
				Choices: []*discordgo.ApplicationCommandOptionChoice{{Name: typed + "trel [VCO]", Value: "5428000000000000001"}},
			})
		case discordgo.InteractionMessageComponent:
			respond(d, i, discordgo.InteractionResponseUpdateMessage, &discordgo.InteractionResponseData{Content: "pressed " + i.MessageComponentData().CustomID})
		case discordgo.InteractionModalSubmit:
			row := i.ModalSubmitData().Components[0].(*discordgo.ActionsRow)
			respond(d, i, discordgo.InteractionResponseChannelMessageWithSource, &discordgo.InteractionResponseData{Content: "got " + row.Components[0].(*discordgo.TextInput).Value})
		case discordgo.InteractionApplicationCommand:
			if i.ApplicationCommandData().Name == "ping" {
				respond(d, i, discordgo.InteractionResponseModal, &discordgo.InteractionResponseData{
					CustomID: "form", Title: "A form", Components: []discordgo.MessageComponent{discordgo.ActionsRow{Components: []discordgo.MessageComponent{
						discordgo.TextInput{CustomID: "text", Label: "Text", Style: discordgo.TextInputShort, Required: true},
					}}},
				})
				return
			}
			respond(d, i, discordgo.InteractionResponseDeferredChannelMessageWithSource, &discordgo.InteractionResponseData{Flags: discordgo.MessageFlagsEphemeral})
			content := "watching " + i.ApplicationCommandData().Options[0].Options[0].StringValue()
			buttons := []discordgo.MessageComponent{discordgo.ActionsRow{Components: []discordgo.MessageComponent{discordgo.Button{Label: "Stop", CustomID: "stop"}}}}
			if _, err := d.InteractionResponseEdit(i.Interaction, &discordgo.WebhookEdit{Content: &content, Components: &buttons}); err != nil {
				t.Errorf("edit: %v", err)
			}
			if _, err := d.FollowupMessageCreate(i.Interaction, true, &discordgo.WebhookParams{Content: "more"}); err != nil {
				t.Errorf("follow up: %v", err)
			}
		}
	}
}

// running returns a stand-in with the small bot connected to it.
func running(t *testing.T) *discord.Server {
	t.Helper()
	s := start(t, nil)
	d := session(t, s)
	d.AddHandler(bot(t))
	connect(t, d)
	if _, err := d.ApplicationCommandBulkOverwrite(app, "", commands()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, v := range s.Violations() {
			t.Errorf("%s: %v in %s", v.Route, v.Problems, v.Body)
		}
	})
	return s
}

func TestACommandIsDeferredEditedAndFollowedUp(t *testing.T) {
	s := running(t)
	a, err := s.Command(within(t), discord.CommandInput{User: "Ana", Channel: general, Text: "/watch add player:Kestrel of Vanu"})
	if err != nil {
		t.Fatal(err)
	}
	if a.Kind != discord.AnswerDeferred || !a.Ephemeral || a.Message.Content != "watching Kestrel of Vanu" {
		t.Fatalf("got %+v, message %+v", a, a.Message)
	}
	if a.AnsweredAt.Before(a.SentAt) || a.FinishedAt.Before(a.AnsweredAt) {
		t.Errorf("times out of order: %v %v %v", a.SentAt, a.AnsweredAt, a.FinishedAt)
	}
	if _, err := s.WaitMessage(within(t), discord.MessageFilter{Channel: general}, func(m discord.Message) bool { return m.Content == "more" }); err != nil {
		t.Fatal(err)
	}
	if got := s.Messages(discord.MessageFilter{User: "ben", Channel: "general"}); len(got) != 1 {
		t.Errorf("ben sees %d messages, want the public one", len(got))
	}
	pressed, err := s.Press(within(t), discord.PressInput{User: "Ana", Message: a.Message.ID, CustomID: "stop"})
	if err != nil {
		t.Fatal(err)
	}
	if pressed.Kind != discord.AnswerUpdate || pressed.Message.Content != "pressed stop" {
		t.Errorf("got %+v", pressed)
	}
}

func TestAutocompleteAndAPickedValueReachTheBot(t *testing.T) {
	s := running(t)
	in := discord.CommandInput{User: ana, Text: "/watch add player:Kes"}
	choices, err := s.Autocomplete(within(t), in)
	if err != nil {
		t.Fatal(err)
	}
	if len(choices) != 1 || choices[0].Name != "Kestrel [VCO]" {
		t.Fatalf("got %+v", choices)
	}
	in.Text, in.Values = "/watch add player:Kestrel [VCO]", map[string]any{"player": choices[0].Value}
	a, err := s.Command(within(t), in)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := a.Message.Content, "watching 5428000000000000001"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAModalIsOpenedFilledInAndAnswered(t *testing.T) {
	s := running(t)
	a, err := s.Command(within(t), discord.CommandInput{User: "ben", Text: "/ping"})
	if err != nil {
		t.Fatal(err)
	}
	if a.Kind != discord.AnswerModal || a.Modal.Title != "A form" {
		t.Fatalf("got %+v", a)
	}
	if _, err := s.SubmitModal(within(t), discord.ModalInput{User: "ben", Interaction: a.InteractionID}); err == nil {
		t.Error("a required text was left out and accepted")
	}
	b, err := s.SubmitModal(within(t), discord.ModalInput{User: "ben", Interaction: a.InteractionID, Values: map[string]string{"text": "hello"}})
	if err != nil {
		t.Fatal(err)
	}
	if b.Message == nil || b.Message.Content != "got hello" {
		t.Errorf("got %+v", b)
	}
}

func TestDiscordgoSendsADirectMessageWithEverythingOnIt(t *testing.T) {
	s := start(t, nil)
	d := session(t, s)
	dm, err := d.UserChannelCreate(ana)
	if err != nil {
		t.Fatal(err)
	}
	sent, err := d.ChannelMessageSendComplex(dm.ID, &discordgo.MessageSend{
		Content: "**Kestrel** is online", AllowedMentions: &discordgo.MessageAllowedMentions{},
		Embeds: []*discordgo.MessageEmbed{{Title: "Kestrel", Fields: []*discordgo.MessageEmbedField{{Name: "World", Value: "Osprey"}}}},
		Components: []discordgo.MessageComponent{discordgo.ActionsRow{Components: []discordgo.MessageComponent{
			discordgo.SelectMenu{CustomID: "mute", Options: []discordgo.SelectMenuOption{{Label: "1 h", Value: "1h"}}},
		}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	got := s.DMs("Ana")
	if len(got) != 1 || got[0].ID != sent.ID || got[0].Embeds[0].Fields[0].Value != "Osprey" || got[0].ReceivedAt.IsZero() {
		t.Errorf("got %+v", got)
	}
	if v := s.Violations(); len(v) > 0 {
		t.Errorf("violations: %+v", v)
	}
}
