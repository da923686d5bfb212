package storagetest

import (
	"strings"

	"muster/alert"
)

var languageTests = []named{
	{"a language is learnt of whom is written to, and of nobody else", languageLearnt},
	{"a turn knows its person's language, and does not take it back", languageOfATurn},
	{"a language is among what is exported, and forgotten", languagePrivate},
}

func languageLearnt(w *world) {
	ctx := w.Context()
	locale := func(what, want string) {
		w.Helper()
		r, err := w.Recipient(ctx, ann)
		w.ok(err)
		same(w, what, r.Locale, want)
	}
	w.ok(w.SaveLocale(ctx, ann, "de"))
	locale("of a stranger", "")
	for table, n := range w.userRows(ann) {
		same(w, "rows of a stranger in "+table, n, 0)
	}
	w.ok(w.SaveRecipient(ctx, alert.Recipient{User: ann, DMChannel: "77", Locale: "fr"}))
	locale("with the first message", "fr")
	w.ok(w.SaveRecipient(ctx, alert.Recipient{User: ben, Locale: "es-419"}))
	w.ok(w.SaveLocale(ctx, ann, "ru"))
	locale("learnt later", "ru")
	w.ok(w.SaveLocale(ctx, ann, "ru"))
	locale("learnt again", "ru")
	w.ok(w.SaveLocale(ctx, ann, "de'; DROP TABLE recipients; --"))
	locale("of a hostile client", "de'; DROP TABLE ")
	w.ok(w.SaveLocale(ctx, ann, strings.Repeat("я", 300)))
	locale("too long", strings.Repeat("я", 16))
	other, err := w.Recipient(ctx, ben)
	w.ok(err)
	same(w, "another's", other, alert.Recipient{User: ben, Locale: "es-419"})
}

func languageOfATurn(w *world) {
	ctx := w.Context()
	w.called("Alice")
	w.watch(ann, alice)
	w.ok(w.SaveRecipient(ctx, alert.Recipient{User: ann, DMChannel: "77", Locale: "de"}))
	set := alert.DefaultSettings(ann)
	set.Language, set.UpdatedAt = "ru", at(0)
	w.ok(w.SaveSettings(ctx, set))
	w.record(1, login(0, alice))
	turns := w.claim(1)
	if len(turns) != 1 {
		w.Fatalf("%d turns", len(turns))
	}
	same(w, "chosen", turns[0].Settings.Language, "ru")
	same(w, "Discord's", turns[0].Recipient.Locale, "de")

	w.ok(w.SaveLocale(ctx, ann, "fr")) // while the turn goes on
	st := settlement(turns[0], alert.Result{GaveUp: alert.Closed, Detail: "50007"})
	r := turns[0].Recipient
	r.Closed, r.ClosedAt = "50007", at(2)
	st.Recipient = &r
	w.ok(w.SettleTurn(ctx, st, at(2)))
	after, err := w.Recipient(ctx, ann)
	w.ok(err)
	same(w, "after the turn", after, alert.Recipient{User: ann, DMChannel: "77", Closed: "50007", ClosedAt: at(2), Locale: "fr"})
}

func languagePrivate(w *world) {
	ctx := w.Context()
	w.ok(w.SaveRecipient(ctx, alert.Recipient{User: ann, Locale: "de"}))
	set := alert.DefaultSettings(ann)
	set.Language, set.UpdatedAt = "ru", at(0)
	w.ok(w.SaveSettings(ctx, set))
	out, err := w.Export(ctx, ann, at(5))
	w.ok(err)
	if out.Recipient == nil || out.Recipient.Locale != "de" || out.Settings == nil || out.Settings.Language != "ru" {
		w.Errorf("exported: %+v, %+v", out.Recipient, out.Settings)
	}
	_, err = w.Forget(ctx, ann)
	w.ok(err)
	w.ok(w.SaveLocale(ctx, ann, "de"))
	r, err := w.Recipient(ctx, ann)
	w.ok(err)
	same(w, "after forgetting", r, alert.Recipient{User: ann})
}
