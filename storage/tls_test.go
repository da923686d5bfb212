package storage_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"muster/internal/testcerts"
	"muster/internal/testservers"
	"muster/internal/tlsfiles"
	"muster/storage"
)

func TestTrustInAMySQLServerIsSetUpByItsDSN(t *testing.T) {
	ca := testcerts.New(t)
	server, us := ca.Server(t, "db.example"), ca.Client(t, "muster")
	db := testservers.NewMariaDB(t, testservers.MariaDBConfig{Args: []string{
		"--ssl-ca=" + ca.File, "--ssl-cert=" + server.Cert, "--ssl-key=" + server.Key}})
	testservers.Start(t, db)
	db.Exec(t, "CREATE DATABASE muster", "CREATE USER known@'127.0.0.1' REQUIRE X509", "GRANT ALL ON muster.* TO known@'127.0.0.1'")
	dsn := func(params ...string) string {
		q := url.Values{}
		for i := 0; i < len(params); i += 2 {
			q.Set(params[i], params[i+1])
		}
		return "mysql:" + strings.Replace(db.DSN("muster"), "root@", "known@", 1) + "?" + q.Encode()
	}
	authority, name := []string{"cacertfile", ca.File}, []string{"server_name_indication", "db.example"}
	ours := []string{"certfile", us.Cert, "keyfile", us.Key}
	join := func(parts ...[]string) (all []string) {
		for _, p := range parts {
			all = append(all, p...)
		}
		return all
	}
	s, err := storage.Open(t.Context(), dsn(join(authority, name, ours)...), storage.Options{})
	if err != nil {
		t.Fatalf("with everything named: %v", err)
	}
	if err := errors.Join(s.Ping(t.Context()), s.Close()); err != nil {
		t.Error(err)
	}
	for _, test := range []struct {
		name, want string
		is         error
		params     []string
	}{
		{"an authority nobody knows", "not trusted here; cacertfile", tlsfiles.ErrTrust, join(name, ours)},
		{"another name", "is for db.example, not for 127.0.0.1", tlsfiles.ErrTrust, join(authority, ours)},
		{"no certificate of ours", "Access denied", storage.ErrRefused, join(authority, name)},
		{"a key without a certificate", "belong together", storage.ErrURL, join(authority, ours[2:])},
		{"a file that is missing", "cacertfile", storage.ErrURL, []string{"cacertfile", ca.File + "x"}},
		{"two wills", "tls=skip-verify contradicts", storage.ErrURL, join(authority, []string{"tls", "skip-verify"})},
	} {
		s, err := storage.Open(t.Context(), dsn(test.params...), storage.Options{})
		if !errors.Is(err, test.is) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %v about %q", test.name, err, test.is, test.want)
		}
		if err == nil {
			_ = s.Close()
		}
	}
}
