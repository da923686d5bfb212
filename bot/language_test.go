package bot

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"muster/alert"
	"muster/event"
	"muster/internal/catalogue"
	"muster/sim/discord"
)

// texts returns the catalogues; what is missing or wrong in them fails the test.
func texts(t *testing.T) *catalogue.Set {
	t.Helper()
	set, err := catalogue.Load(func(lang, key string, err error) { t.Errorf("%s %s: %v", lang, key, err) })
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func english(t *testing.T) lang { t.Helper(); return lang{texts(t).For("en")} }

// speak has Ana use Discord in a language.
func (b *bench) speak(locale string) {
	b.t.Helper()
	if err := b.sim.SetLocale(ana.String(), locale); err != nil {
		b.t.Fatal(err)
	}
}

func TestAGermanSeesGerman(t *testing.T) {
	b, _ := newRealBench(t)
	b.speak("de")
	wants(t, b.run("/hilfe"), "Ich sage dir Bescheid", "`/verknüpfen spieler:Kestrel`", "Live-Seite: https://muster.example")
	wants(t, b.run("/verknüpfen spieler:Kestrel"), "✅ **[MUST] Kestrel** ist jetzt mit dir verknüpft.", "die 2 Freunde", "Gerade online: **[MUST] Wren**",
		"Ich habe dir gerade eine Direktnachricht geschickt")
	wants(t, readable(b.dms()[0]), "Hier ist Muster.", "`/folgen liste`")
	wants(t, b.run("/freunde zeigen"), "Freunde von Kestrel", "· seit <t:", "1 von 2 online · Liste gelesen")
	wants(t, b.run("/folgen hinzufügen outfit:MUST"), "Ich schreibe dir, wenn jemand von **[MUST] Outfit MUST** online kommt.")
	wants(t, b.run("/folgen hinzufügen führung:MUST"), "der Anführer von **[MUST] Outfit MUST**")
	wants(t, b.run("/folgen gruppe name:Trupp hinzufügen:Lapwing"), "**Lapwing** ist in der Gruppe", "📋 Trupp")
	wants(t, b.run("/charakter spieler:Wren"), "Neues Konglomerat · Wainwright", "🟢 Online: Wainwright")
	// What goes wrong is said in German too.
	wants(t, b.run("/verknüpfen spieler:Wrenn"), "Kein Spieler heißt „Wrenn“. Meinst du **Wren**?")
	wants(t, b.run("/folgen hinzufügen spieler:bad!name"), "kann kein Spielername sein")
	wants(t, b.run("/folgen hinzufügen"), "Wem? Zum Beispiel")
	wants(t, b.run("/folgen entfernen wen:Niemand"), "„Niemand“ folgst du nicht.")
	wants(t, b.run("/gebiete"), "Der Abfragedienst des Spiels sagt gerade nicht")
	wants(t, b.runIn("general", "/abonnieren thema:Alerts im Spiel"), "Ich poste in <#", "Alerts im Spiel")
	wants(t, b.runIn("general", "/abonnieren thema:Alerts im Spiel kanal:"+b.sim.DMChannel("ben")), "Dieser Kanal ist nicht auf diesem Server.")
	// Buttons, menus and forms.
	c := b.talk("/folgen liste")
	wants(t, readable(c.msg), "Ich melde dir, wenn diese online kommen (4)", "Freunde von **[MUST] Kestrel**", "Wann ich dir schreibe: /einstellungen")
	c = b.talk("/einstellungen")
	wants(t, readable(c.msg), "🌙 **Ruhezeiten** — keine", "🔁 **Derselbe Spieler noch einmal** — höchstens einmal in 30 min", "🌐 **Sprache** — wie in Discord")
	c.press("Etwas davon ändern", "quiet")
	c.write("Zeiten einstellen", map[string]string{"from": "früh", "to": "07:00"})
	wants(t, readable(c.msg), "⚠️ „früh“ bis „07:00“ konnte ich nicht lesen")
	if c.form != "Ruhezeiten, Uhrzeit von UTC" {
		t.Errorf("the form is called %q", c.form)
	}
	if got, err := b.sim.Autocomplete(b.ctx(), discord.CommandInput{User: ana.String(), Text: "/folgen entfernen wen:"}); err != nil ||
		!slices.ContainsFunc(got, func(c discord.Choice) bool { return c.Name == "Freundeslisten deiner Charaktere" }) {
		t.Errorf("suggestions: %+v, %v", got, err)
	}
	wants(t, b.run("/folgen entfernen wen:Freundeslisten deiner Charaktere"), "Entfernt: **Freundeslisten deiner Charaktere**")
	// Another person, in another language, beside.
	if a, err := b.sim.Command(b.ctx(), discord.CommandInput{User: "ben", Text: "/friends show"}); err != nil || !strings.Contains(readable(*a.Message), "I do not know who you are") {
		t.Errorf("Ben: %+v, %v", a.Message, err)
	}
}

func TestARussianSeesRightPlurals(t *testing.T) {
	b := newBench(t, checked)
	b.start(nil)
	b.ready()
	b.speak("ru")
	var friends []event.CharacterID
	for i := range 21 {
		id := friend + 1000 + event.CharacterID(i)
		b.store.add(id, fmt.Sprintf("Player%d", i), "", 10)
		friends = append(friends, id)
	}
	b.store.befriend(kesID, friends[:1]...)
	b.run("/привязать игрок:Kestrel")
	wants(t, readable(b.dms()[0]), "Это Muster.")
	b.settle(b.store.queue(ana, other, alert.ByFriend))
	id := b.dms()[1].ID
	for n, want := range map[int][2]string{
		1: {"В списке 1 друг:", "1 друг в игре"}, 2: {"В списке 2 друга:", "2 друга в игре"}, 5: {"В списке 5 друзей:", "5 друзей в игре"},
		21: {"В списке 21 друг:", "21 друг в игре"},
	} {
		b.store.befriend(kesID, friends[:n]...)
		wants(t, b.run("/привязать игрок:Kestrel"), want[0])
		a, err := b.sim.Press(b.ctx(), discord.PressInput{User: ana.String(), Message: id, CustomID: pressWho})
		if err != nil || a.Message == nil {
			t.Fatal(err)
		}
		wants(t, readable(*a.Message), want[1])
	}
}

func TestOneCanChooseALanguageThatIsNotDiscords(t *testing.T) {
	b, s := newRealBench(t)
	b.speak("fr")
	c := b.talk("/paramètres")
	c.press("Changer l’un de ces réglages", "language")
	wants(t, readable(c.msg), "🌐 Langue", "Actuellement : **comme dans Discord**")
	wants(t, c.press("Quelle langue", "es"), "🌐 **Idioma** — Español")
	set, err := s.Settings(b.ctx(), ana)
	if err != nil || set.Language != "es" {
		t.Errorf("stored %q, %v", set.Language, err)
	}
	wants(t, b.run("/aide"), "Te aviso cuando se conecta")
	wants(t, b.run("/lier joueur:Nobody"), "Ningún jugador se llama «Nobody»")
	got, err := b.sim.Autocomplete(b.ctx(), discord.CommandInput{User: ana.String(), Text: "/suivre groupe nom:Amis"})
	if err != nil || len(got) != 1 || got[0].Name != "Grupo nuevo: Amis" {
		t.Errorf("suggestions: %+v, %v", got, err)
	}
	c = b.talk("/paramètres")
	c.press("Cambiar alguno", "language")
	wants(t, c.press("¿Qué idioma?", asDiscord), "🌐 **Langue** — comme dans Discord")
	wants(t, b.run("/aide"), "Je te préviens")
	// A value that was never offered changes nothing.
	for _, odd := range []string{"", "klingon", "{{.}}", "uk"} {
		set := alert.DefaultSettings(ana)
		if putLanguage(&set, odd, b.bot.now()) {
			t.Errorf("language %q is taken", odd)
		}
	}
}

func TestMessagesThatAreSentLaterAreInTheLanguageOfWhoReadsThem(t *testing.T) {
	b := newBench(t, checked)
	b.store.plain = true // one message each
	b.start(nil)
	b.ready()
	n := event.CharacterID(0)
	last := func() string { // the message about another player each time
		t.Helper()
		n++
		b.store.add(other+100+n, "Lapwing", "", 0)
		b.settle(b.store.queue(ana, other+100+n, alert.ByCharacter))
		all := b.dms()
		return readable(all[len(all)-1])
	}
	b.speak("de")
	b.run("/folgen hinzufügen spieler:Lapwing")
	wants(t, last(), "🟢 **Lapwing** ist auf Wainwright online", "Neues Konglomerat · Kampfrang 87", "Kam online <t:", "Du folgst diesem Spieler")
	b.speak("ru")
	wants(t, last(), "ist auf Wainwright online") // nothing was heard of it yet
	wants(t, b.run("/статус"), "Получаю ли я данные из игры?")
	b.until("the language is learnt", func() bool { r, _ := b.store.Recipient(b.ctx(), ana); return r.Locale == "ru" })
	wants(t, last(), "🟢 **Lapwing** в игре на Wainwright", "боевой ранг 87", "Ты отслеживаешь этого игрока")
	b.speak("uk")
	wants(t, b.run("/status"), "Does the game reach me?")
	b.until("the language is learnt", func() bool { r, _ := b.store.Recipient(b.ctx(), ana); return r.Locale == "uk" })
	wants(t, last(), "🟢 **Lapwing** is online on Wainwright")
}

// A countingStore counts what is written of languages, and can fail.
type countingStore struct {
	*fakeStore
	saves, reads atomic.Int32
	broken       atomic.Bool
}

func (s *countingStore) SaveLocale(ctx context.Context, user alert.UserID, locale string) error {
	s.saves.Add(1)
	return s.fakeStore.SaveLocale(ctx, user, locale)
}

func (s *countingStore) Recipient(ctx context.Context, user alert.UserID) (alert.Recipient, error) {
	s.reads.Add(1)
	return s.fakeStore.Recipient(ctx, user)
}

func (s *countingStore) Settings(ctx context.Context, user alert.UserID) (alert.Settings, error) {
	if s.broken.Load() {
		<-ctx.Done()
		return alert.Settings{}, errors.New("away")
	}
	return s.fakeStore.Settings(ctx, user)
}

func TestALanguageIsWrittenOnlyWhenItHasChanged(t *testing.T) {
	b := newBench(t, nil)
	store := &countingStore{fakeStore: b.store}
	b.start(func(c *Config) { c.Store = store })
	b.ready()
	// looked waits until the bot has looked what it knows of the language.
	looked := func(do func()) {
		t.Helper()
		before := store.reads.Load()
		do()
		b.until("the bot looks", func() bool { return store.reads.Load() >= before+2 }) // for messages, and for the language
	}
	b.speak("de")
	looked(func() { b.run("/status") })
	b.until("the bot rests", func() bool { return len(b.bot.serving) == 0 })
	if r, _ := b.store.Recipient(b.ctx(), ana); r.Locale != "" {
		t.Errorf("%q is stored of somebody who is never written to", r.Locale)
	}
	b.run("/folgen hinzufügen spieler:Lapwing")
	b.until("the bot rests", func() bool { return len(b.bot.serving) == 0 })
	if r, _ := b.store.Recipient(b.ctx(), ana); r.Locale != "de" {
		t.Errorf("the language of the first message is %q", r.Locale)
	}
	before := store.saves.Load()
	for range 3 {
		looked(func() { b.run("/status") })
	}
	b.until("the bot rests", func() bool { return len(b.bot.serving) == 0 })
	if n := store.saves.Load(); n != before {
		t.Errorf("%d writes of a language that is the same", n-before)
	}
	b.speak("fr")
	b.run("/statut")
	b.until("the language is learnt", func() bool { return store.saves.Load() == before+1 })
}

// A store that does not answer costs the choice of a language, and no answer.
func TestAnAnswerDoesNotWaitForTheLanguage(t *testing.T) {
	b := newBench(t, nil)
	store := &countingStore{fakeStore: b.store}
	store.broken.Store(true)
	b.start(func(c *Config) { c.Store = store })
	b.ready()
	b.speak("de")
	wants(t, b.run("/hilfe"), "Ich sage dir Bescheid")
	wants(t, b.run("/freunde zeigen"), "Ich weiß nicht, wer du im Spiel bist.")
}

func TestAChannelIsToldInTheLanguageOfItsGuild(t *testing.T) {
	b := newChannelBenchIn(t, "es-ES")
	b.speak("de")
	wants(t, b.leader("/abonnieren thema:members outfit:MUST"), "Ich poste in")
	wants(t, b.leader("/tafel thema:board.alerts kanal:operations"), "Ich halte in <#")
	b.happens(event.Login, event.Presence{Character: kesID})
	b.pass(alert.GatherMembers + 1e9)
	wants(t, readable(b.post("operations", 1)), "Alertas", "No hay alertas en ningún servidor.", "🔄 a las <t:")
	b.post("general", 1)
	b.pass(3600e9)
	b.happens(event.Logout, event.Presence{Character: kesID})
	b.pass(event.Relog + alert.GatherMembers + 2e9)
	wants(t, readable(b.post("general", 2)), "⚫ **Kestrel** · en línea durante 60 min")
}

// sampleOptions are what is given for options by their English name.
var sampleOptions = map[string]string{"player": "Kestrel", "outfit": "MUST", "leaders": "MUST", "name": "Squad", "add": "Wren", "remove": "Wren", "watch": "Wren",
	"subscription": "#1", "world": "Wainwright"}

// Every command can be typed in every language, and answers in it.
func TestEveryCommandSpeaksEveryLanguage(t *testing.T) {
	var mu sync.Mutex
	answers := map[string]map[string]string{} // by language and English path
	t.Run("in", func(t *testing.T) {          // returns once all that run at once have
		for _, l := range catalogue.Languages() {
			t.Run(l.Code, func(t *testing.T) {
				mine := everyAnswer(t, append(l.Locales, "en-US")[0])
				mu.Lock()
				defer mu.Unlock()
				answers[l.Code] = mine
			})
		}
	})
	for _, l := range catalogue.Languages()[1:] {
		if answers["en"] == nil || answers[l.Code] == nil {
			continue // not all of them are run
		}
		for _, path := range slices.Sorted(maps.Keys(answers["en"])) {
			if got := answers[l.Code][path]; got == "" || got == answers["en"][path] {
				t.Errorf("%s: /%s answers as in English: %s", l.Code, path, got)
			}
		}
	}
}

// everyAnswer types each command in a language and returns what is answered, by its
// English path.
func everyAnswer(t *testing.T, locale string) map[string]string {
	t.Helper()
	b, _ := newRealBench(t)
	b.speak(locale)
	answers := map[string]string{}
	run := func(path, typed string, options []optionDef) {
		t.Helper()
		for _, o := range options {
			value := sampleOptions[o.Name]
			if n := len(o.Choices); n > 0 {
				value = firstOf(o.Choices[n-1].NameLocalizations[locale], o.Choices[n-1].Name)
			}
			if o.Required || o.Name == "player" {
				typed += " " + firstOf(o.Names[locale], o.Name) + ":" + value
			}
		}
		answers[path] = b.runIn("general", typed)
		t.Logf("%s\n%s", typed, answers[path])
	}
	for _, d := range definitions(texts(t), true) {
		if d.Type == commandOnPerson {
			continue
		}
		typed, subs := "/"+firstOf(d.Names[locale], d.Name), 0
		for _, o := range d.Options {
			if o.Type == optionSubcommand {
				subs++
				run(d.Name+" "+o.Name, typed+" "+firstOf(o.Names[locale], o.Name), o.Options)
			}
		}
		if subs == 0 {
			run(d.Name, typed, d.Options)
		}
	}
	if n := len(answers); n < 25 {
		t.Errorf("%d commands", n)
	}
	return answers
}
