package testservers

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
)

// A MariaDBConfig says what a MariaDB shall be.
type MariaDBConfig struct {
	// Binlog has the server write a binary log, so that others can replicate it.
	Binlog bool
	// Args are further arguments, as "--max-connections=20".
	Args []string
}

// A MariaDB is a MariaDB server. Its user root needs no password and may do all.
type MariaDB struct{ *Server }

// NewMariaDB returns a server that is not started yet, or skips the test. Its
// empty data directory is made with the first start.
func NewMariaDB(t testing.TB, cfg MariaDBConfig) *MariaDB {
	t.Helper()
	program := need(t, "MariaDB", "mariadbd", "mariadb-install-db")
	db := &MariaDB{newServer(t, "MariaDB")}
	_, port, _ := strings.Cut(db.addr, ":")
	args := append(db.common(), "--socket=socket", // in the data directory: a path of its own may be too long
		"--bind-address=127.0.0.1", "--port="+port, "--skip-name-resolve", "--max-connections=400", "--server-id="+port)
	if cfg.Binlog {
		args = append(args, "--log-bin=binlog", "--binlog-format=ROW", "--sync-binlog=1", "--log-slave-updates", "--gtid-strict-mode=ON")
	}
	args = append(args, cfg.Args...)
	db.command = func() *exec.Cmd { return exec.Command(program, args...) }
	db.prepare = db.install
	db.answers = db.ping
	return db
}

// common are the arguments of both programs.
func (db *MariaDB) common() []string {
	args := []string{"--no-defaults", "--datadir=" + filepath.Join(db.dir, "data")}
	if os.Getuid() == 0 {
		args = append(args, "--user=root")
	}
	return append(args, "--tmpdir="+db.dir)
}

// install makes the data directory unless it is there.
func (db *MariaDB) install(ctx context.Context) error {
	if _, err := os.Stat(filepath.Join(db.dir, "data")); err == nil {
		return nil
	}
	program, err := find("mariadb-install-db")
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, program, append(db.common(),
		"--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve")...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("mariadb-install-db: %w: %s", err, out)
	}
	return nil
}

// DSN returns the data source name of a database, or with "" of none, as
// go-sql-driver writes it.
func (db *MariaDB) DSN(database string) string { return "root@tcp(" + db.addr + ")/" + database }

func (db *MariaDB) ping(ctx context.Context) error {
	cfg, err := mysql.ParseDSN(db.DSN(""))
	if err != nil {
		return err
	}
	cfg.Logger = &mysql.NopLogger{} // it is not there yet, which is no news
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return err
	}
	conn := sql.OpenDB(connector)
	defer conn.Close()
	return conn.PingContext(ctx)
}

// Exec runs statements as root, one after the other, on one connection.
func (db *MariaDB) Exec(t testing.TB, statements ...string) {
	t.Helper()
	pool, err := sql.Open("mysql", db.DSN(""))
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	pool.SetMaxOpenConns(1)
	for _, s := range statements {
		if _, err := pool.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// Follow makes the server a replica of primary, which must write a binary log;
// both must run. What is in primary from its first day on is copied. The replica
// itself is not made read-only.
func (db *MariaDB) Follow(t testing.TB, primary *MariaDB) {
	t.Helper()
	host, port, _ := strings.Cut(primary.addr, ":")
	db.Exec(t,
		fmt.Sprintf("CHANGE MASTER TO MASTER_HOST='%s', MASTER_PORT=%s, MASTER_USER='root', MASTER_CONNECT_RETRY=1, MASTER_USE_GTID=slave_pos", host, port),
		"START SLAVE")
}

// Unfollow makes a replica a server of its own, at what it has copied so far.
func (db *MariaDB) Unfollow(t testing.TB) {
	t.Helper()
	db.Exec(t, "STOP SLAVE", "RESET SLAVE ALL")
}
