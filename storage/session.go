package storage

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"
)

// sessions opens connections whose transactions end when their context does. The
// driver's own wait for the answer to COMMIT and ROLLBACK as long as for any other,
// whatever has become of the caller meanwhile.
type sessions struct{ driver.Connector }

// A conn is all that database/sql uses of a connection of the MySQL driver.
type conn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.NamedValueChecker
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

// Connect opens a connection and sets its isolation. The variable for that has
// different names on MySQL 8 and MariaDB 10; the statement has not.
func (s sessions) Connect(ctx context.Context) (driver.Conn, error) {
	made, err := s.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	c, ok := made.(conn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("the MySQL driver's connections, %T, lack a method", made), made.Close())
	}
	if _, err := c.ExecContext(ctx, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED", nil); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return session{c}, nil
}

type session struct{ conn }

// BeginTx begins a transaction for which ctx is asked also when it ends.
func (s session) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	if _, err := s.conn.BeginTx(ctx, o); err != nil {
		return nil, err
	}
	return transaction{ctx, s.conn}, nil
}

type transaction struct {
	ctx  context.Context
	conn conn
}

// Commit waits for the answer no longer than until commitLimit after the end of the
// context. Its error then says nothing of whether it was committed.
func (t transaction) Commit() error {
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.ctx))
	defer cancel()
	defer context.AfterFunc(t.ctx, func() { time.AfterFunc(commitLimit, cancel) })()
	_, err := t.conn.ExecContext(ctx, "COMMIT", nil)
	if err != nil && ctx.Err() != nil {
		return t.ctx.Err() // the driver says "canceled", though it may have been a deadline
	}
	return err
}

// Rollback waits for the answer no longer than undoLimit. A connection that has not
// given one is closed, and so ends the transaction.
func (t transaction) Rollback() error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.ctx), undoLimit)
	defer cancel()
	_, err := t.conn.ExecContext(ctx, "ROLLBACK", nil)
	return err
}
