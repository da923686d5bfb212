package storage_test

import (
	"errors"
	"testing"

	"muster/alert"
	"muster/storage"
	"muster/storage/storagetest"
)

// TestMigrationsThatAlterTablesCanRunAgain has the process die after each change
// and before it is noted: DDL does not roll back on MySQL.
func TestMigrationsThatAlterTablesCanRunAgain(t *testing.T) {
	url := storagetest.MySQL(t)(t)
	s, err := storage.Open(t.Context(), url, storage.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := storagetest.Raw(t, url).ExecContext(t.Context(), "DELETE FROM goose_db_version WHERE version_id >= 3"); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Migrate(t.Context()), s.Close()); err != nil {
		t.Error(err)
	}
}

// TestWhatDiscordSaidOfLanguagesOutlastsTheMigration makes the tables as they were
// before version 12, and migrates.
func TestWhatDiscordSaidOfLanguagesOutlastsTheMigration(t *testing.T) {
	const ann, ben = alert.UserID(1201), alert.UserID(1202)
	for name, database := range map[string]struct {
		open func(*testing.T) func(*testing.T) string
		text string
	}{"sqlite": {storagetest.SQLite, "TEXT"}, "mysql": {storagetest.MySQL, "VARCHAR(16)"}} {
		t.Run(name, func(t *testing.T) {
			ctx, url := t.Context(), database.open(t)(t)
			must := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			old := storagetest.Open(t, url)
			must(old.SaveRecipient(ctx, alert.Recipient{User: ann, DMChannel: "77"}))
			must(old.SaveRecipient(ctx, alert.Recipient{User: ben, DMChannel: "78"}))
			must(old.SaveSettings(ctx, alert.DefaultSettings(ann)))
			db := storagetest.Raw(t, url)
			for _, statement := range []string{
				"ALTER TABLE recipients DROP COLUMN locale",
				"ALTER TABLE alert_settings DROP COLUMN language",
				"ALTER TABLE alert_settings ADD COLUMN locale " + database.text + " NOT NULL DEFAULT ''",
				"UPDATE alert_settings SET locale = 'de'",
				"DELETE FROM goose_db_version WHERE version_id >= 12",
			} {
				_, err := db.ExecContext(ctx, statement)
				must(err)
			}
			s := storagetest.Open(t, url)
			for user, want := range map[alert.UserID]string{ann: "de", ben: ""} {
				r, err := s.Recipient(ctx, user)
				must(err)
				set, err := s.Settings(ctx, user)
				must(err)
				if r.Locale != want || set.Language != "" {
					t.Errorf("%s: Discord's language %q, chosen %q; want %q and none", user, r.Locale, set.Language, want)
				}
			}
		})
	}
}
