package storage

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// A fault is what an error says about the server, and so what helps.
type fault int

const (
	noFault  fault = iota // the caller's: nothing to gain from another try
	conflict              // another transaction was in the way: at once again
	lost                  // connection or server are gone, or going: again when it is back
	readOnly              // the server takes no writes any more: another connection
)

func (f fault) String() string {
	return [...]string{"none", "conflict", "lost", "read-only"}[f]
}

// faults are the errors of a server, by number, after which the whole transaction
// may be run again.
var faults = map[uint16]fault{
	1205: conflict, // lock wait timeout
	1213: conflict, // deadlock; a transaction that a cluster could not certify
	1412: conflict, // table definition has changed: a partition was made or dropped
	3101: conflict, // group replication: rolled back while committing
	3572: conflict, // lock not available at once

	1040: lost, // too many connections
	1043: lost, // bad handshake: a proxy without a server behind it
	1047: lost, // cluster node is not prepared
	1053: lost, // shutdown in progress
	1077: lost, // normal shutdown
	1079: lost, // shutdown complete
	1152: lost, // aborted connection
	1158: lost, // communication: reading a packet
	1159: lost, // timeout reading a packet
	1160: lost, // writing a packet
	1161: lost, // timeout writing a packet
	1184: lost, // aborted connection
	1317: lost, // query interrupted: killed, or the server is going down
	1927: lost, // connection was killed (MariaDB)
	2006: lost, // gone away: a proxy passes it on
	2013: lost, // lost while waiting for an answer: the same
	3168: lost, // server is not available
	3169: lost, // session was killed
	4031: lost, // closed by the server for inactivity

	1290: readOnly, // running with --read-only
	1792: readOnly, // transaction is read-only
	1836: readOnly, // server is in read-only mode
}

// fault returns what err says of the server. An error of ctx, which is the
// caller's, is none.
func (d dialect) fault(ctx context.Context, err error) fault {
	if err == nil || !d.mysql || ctx.Err() != nil {
		return noFault
	}
	var my *mysql.MySQLError
	if errors.As(err, &my) {
		return faults[my.Number]
	}
	var network net.Error // also of a deadline that is not ctx's
	switch {
	case errors.Is(err, context.Canceled):
		return noFault
	case errors.Is(err, driver.ErrBadConn), errors.Is(err, mysql.ErrInvalidConn), errors.Is(err, mysql.ErrMalformPkt),
		errors.Is(err, mysql.ErrPktSync), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &network):
		return lost
	}
	return noFault
}

// refusals are errors of a server that will not have us, however often it is
// asked.
var refusals = map[uint16]bool{
	1044: true, // access to the database is denied
	1045: true, // access is denied: user or password
	1049: true, // no such database
	1130: true, // this host may not connect
	1142: true, // the command is denied for a table
	1143: true, // the same, for a column
	1227: true, // a privilege is missing
	1251: true, // the client cannot authenticate as the server wants
	1524: true, // plugin of the account is not loaded
	1698: true, // access is denied without a password
	1820: true, // password must be changed
	1862: true, // password has expired
	3118: true, // account is locked
	3159: true, // only encrypted connections
	4151: true, // account is locked (MariaDB)
}

// denial is how a server says, in English, what an account may not do. Of a column
// it speaks where the statement is an UPDATE in all but name.
var denial = regexp.MustCompile(`^(.+?) command denied to user .+ (?:for|in) table (.+)$`)

// denied makes ErrRefused of what the server says that the account may not do, and
// names what to grant if the server has said so.
func (d dialect) denied(err error) error {
	if !refusedAccess(err) || errors.Is(err, ErrRefused) {
		return err
	}
	var my *mysql.MySQLError
	errors.As(err, &my)
	if m := denial.FindStringSubmatch(my.Message); m != nil {
		return fmt.Errorf("%w: this account needs GRANT %s ON %s: %w", ErrRefused, m[1], unquote(m[2]), err)
	}
	return fmt.Errorf("%w: %w", ErrRefused, err)
}

// unquote returns a table as an operator writes it.
func unquote(table string) string {
	return strings.NewReplacer("`", "", "'", "").Replace(table)
}

// refusedAccess reports whether the server refuses the account or what it wants.
func refusedAccess(err error) bool {
	var my *mysql.MySQLError
	return errors.As(err, &my) && refusals[my.Number]
}
