package storage

import (
	"errors"
	"fmt"

	"github.com/go-sql-driver/mysql"
	"modernc.org/sqlite"
)

type dataError struct{}

func (dataError) Error() string { return "bad data" }

// Permanent says that no retry helps.
func (dataError) Permanent() bool { return true }

// refused makes errors that are about the values themselves wrap ErrData:
// a constraint, a type, a number or text that does not fit.
func (d dialect) refused(err error) error {
	var my *mysql.MySQLError
	var lite *sqlite.Error
	switch {
	case errors.As(err, &my):
		switch my.Number {
		case 1048, 1264, 1265, 1292, 1366, 1406, 1690, 3819, 4025:
			return fmt.Errorf("%w: %w", ErrData, err)
		}
	case errors.As(err, &lite):
		switch lite.Code() & 0xff {
		case 18, 19, 20: // SQLITE_TOOBIG, SQLITE_CONSTRAINT, SQLITE_MISMATCH
			return fmt.Errorf("%w: %w", ErrData, err)
		}
	}
	return err
}
