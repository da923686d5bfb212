package catalogue

import (
	"golang.org/x/text/number"
)

// Number writes n with the language's marks between thousands.
func (p *Printer) Number(n int) string { return p.numbers.Sprint(number.Decimal(n)) }

// Percent writes a share of 100, without decimals, as the language does: "34 %".
func (p *Printer) Percent(share float64) string {
	return p.numbers.Sprint(number.Percent(share/100, number.MaxFractionDigits(0)))
}
