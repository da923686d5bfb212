package storage_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// oneOnly are words that only one of MySQL 8 and MariaDB 10.6 has, and one that
// both have and that loses rows without a word.
var oneOnly = map[string]string{
	`\bRETURNING\b`: "MariaDB",
	`\bFETCH (FIRST|NEXT)\b|\bFOR SYSTEM_TIME\b|\bNEXTVAL\b`:                            "MariaDB",
	`(?i)(ADD COLUMN|ADD INDEX|CREATE INDEX|DROP COLUMN|MODIFY COLUMN) IF (NOT )?EXIST`: "MariaDB",
	`\bWAIT [0-9]`:                           "MariaDB",
	`\bAS new\b|\bLATERAL\b|\bANY_VALUE\b`:   "MySQL",
	`\b(EXCEPT|INTERSECT)\b`:                 "MariaDB, and MySQL from 8.0.31",
	`utf8mb4_0900|utf8mb4_uca1400|\buca1400`: "one of them",
	`max_statement_time|max_execution_time|idle_transaction_timeout|@@tx_|@@transaction_isolation`: "one of them",
	`SHOW (REPLICA|SLAVE|MASTER|BINARY LOG)`:                                                       "one of them",
	`(INSERT|UPDATE|DELETE) IGNORE|REPLACE INTO`:                                                   "nobody who wants to keep rows",
}

// reserved are words that one of them, up to MySQL 9 and MariaDB 11, does not take
// as the name of a column or table.
var reserved = strings.Fields(`rank groups system stored virtual generated row_number lead lag of cube window recursive empty except
	function json_table nth_value ntile cume_dist dense_rank percent_rank over lateral first_value last_value optimizer_costs manual
	parallel qualify tablesample library offset rows returning intersect page_checksum range key keys index order group condition
	option release signal interval partition match usage`)

// statements returns the texts in the package's code and its migrations for MySQL.
func statements(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				text, err := strconv.Unquote(lit.Value)
				if err != nil {
					t.Fatal(err)
				}
				out[set.Position(lit.Pos()).String()] = text
			}
			return true
		})
	}
	migrations, err := filepath.Glob("migrations/mysql/*.sql")
	if err != nil || len(migrations) == 0 || len(out) < 500 {
		t.Fatalf("%d texts, %d migrations (%v)", len(out), len(migrations), err)
	}
	comment := regexp.MustCompile(`(?m)^--.*$`)
	for _, name := range migrations {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = comment.ReplaceAllString(string(text), "")
	}
	return out
}

func TestNoStatementIsForOneServerAlone(t *testing.T) {
	all := statements(t)
	for pattern, who := range oneOnly {
		re := regexp.MustCompile(pattern)
		for where, text := range all {
			if found := re.FindString(text); found != "" {
				t.Errorf("%s: %q is for %s", where, found, who)
			}
		}
	}
	column := regexp.MustCompile(`(?m)^ +([a-z_0-9]+) [A-Z]|CREATE TABLE IF NOT EXISTS ([a-z_0-9]+)`)
	for where, text := range all {
		if !strings.HasPrefix(where, "migrations/") {
			continue
		}
		for _, found := range column.FindAllStringSubmatch(text, -1) {
			for _, word := range reserved {
				if found[1] == word || found[2] == word {
					t.Errorf("%s: %s is reserved", where, word)
				}
			}
		}
	}
}
