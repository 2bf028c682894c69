package templates

import (
	"strconv"
	"strings"

	"dunning/internal/money"
	"dunning/internal/sheet"
	"dunning/invoices"
)

// list returns all invoices of a letter as a table that opens in a spreadsheet of
// the letter's language: UTF-8 with the mark that tells Excel so, dates as ISO
// 8601, the currency in a column of its own (RFC 4180). No cell is taken for a
// formula.
func (l *Letter) list() invoices.File {
	w := languages[base(l.Language)]
	body := sheet.AppendLineWith([]byte("\ufeff"), w.delimiter(), w.heads)
	for _, inv := range l.all {
		issued, until, late := "", "", ""
		if inv.Issued {
			issued = inv.IssuedOn.String()
		}
		if inv.Expires {
			until = inv.Until.Format("2006-01-02 15:04 -07:00")
		}
		if inv.Late {
			late = strconv.Itoa(inv.DaysLate)
		}
		body = sheet.AppendLineWith(body, w.delimiter(), []string{
			unisolated(inv.Number), unisolated(inv.Description), issued, inv.DueOn.String(), late,
			w.decimal(inv.Total), w.decimal(inv.Open), inv.Open.Currency, inv.URL, until,
		})
	}
	return invoices.File{Name: w.list + "-" + l.Today.String() + ".csv", Type: "text/csv; charset=utf-8", Body: body}
}

func (w *words) delimiter() byte {
	if w.comma {
		return ';'
	}
	return ','
}

// decimal writes an amount as a spreadsheet of the language reads it.
func (w *words) decimal(a money.Amount) string {
	if w.comma {
		return strings.Replace(a.Decimal(), ".", ",", 1)
	}
	return a.Decimal()
}
