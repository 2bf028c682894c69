package templates

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"dunning/internal/civil"
	"dunning/internal/money"
)

// words is what the program itself must know of a language. Everything else
// stands in the language's files.
type words struct {
	months [12]string
	date   string // day, month, year
	moment string // date, time of day, place
	clock  string // layout of the time of day
	place  string // whose clock: the city
	and    string
	more   string // how many more
	day    string
	days   string
	list   string            // the name of a list of invoices, as a file's
	heads  []string          // the columns of that list
	comma  bool              // amounts have a decimal comma, and spreadsheets semicolons between cells
	cities map[string]string // names that differ from those of the IANA time zones
}

var languages = map[string]*words{
	"en": {
		months: [12]string{"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"},
		date:   "%d %s %d", moment: "%s, %s (%s)", clock: "15:04", place: "time in %s",
		and: "and", more: "%d more", day: "1 day", days: "%d days",
		list:  "invoices",
		heads: []string{"Invoice", "Description", "Invoice date", "Due date", "Days overdue", "Invoice amount", "Amount due", "Currency", "Pay online", "Link works until"},
	},
	"nl": {
		months: [12]string{"januari", "februari", "maart", "april", "mei", "juni", "juli", "augustus", "september", "oktober", "november", "december"},
		date:   "%d %s %d", moment: "%s om %s uur (%s)", clock: "15.04", place: "tijd in %s",
		and: "en", more: "nog %d", day: "1 dag", days: "%d dagen",
		list: "facturen", comma: true,
		heads: []string{"Factuur", "Omschrijving", "Factuurdatum", "Vervaldatum", "Dagen te laat", "Factuurbedrag", "Te betalen", "Valuta", "Online betalen", "Link werkt tot"},
		cities: map[string]string{
			"Athens": "Athene", "Berlin": "Berlijn", "Brussels": "Brussel", "Bucharest": "Boekarest", "Budapest": "Boedapest",
			"Copenhagen": "Kopenhagen", "Lisbon": "Lissabon", "London": "Londen", "Luxembourg": "Luxemburg", "Paris": "Parijs",
			"Prague": "Praag", "Vienna": "Wenen", "Warsaw": "Warschau", "Zurich": "Zürich",
		},
	},
	"de": {
		months: [12]string{"Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober", "November", "Dezember"},
		date:   "%d. %s %d", moment: "%s, %s Uhr (%s)", clock: "15:04", place: "Ortszeit %s",
		and: "und", more: "%d weitere", day: "1 Tag", days: "%d Tage",
		list: "rechnungen", comma: true,
		heads: []string{"Rechnung", "Beschreibung", "Rechnungsdatum", "Fällig am", "Tage überfällig", "Rechnungsbetrag", "Offener Betrag", "Währung", "Online bezahlen", "Link funktioniert bis"},
		cities: map[string]string{
			"Athens": "Athen", "Brussels": "Brüssel", "Bucharest": "Bukarest", "Copenhagen": "Kopenhagen", "Lisbon": "Lissabon",
			"Luxembourg": "Luxemburg", "Prague": "Prag", "Rome": "Rom", "Vienna": "Wien", "Warsaw": "Warschau", "Zurich": "Zürich",
		},
	},
}

// functions returns what templates of a language may call besides what Go's
// text/template brings along; they are documented at [Letter].
func functions(lang string) map[string]any {
	w := languages[base(lang)]
	return map[string]any{
		"money": func(a money.Amount) string { return a.Format(lang) },
		"date":  w.writeDate,
		"time":  w.writeTime,
		"days":  w.writeDays,
		"join": func(list any) (string, error) {
			items, err := listed(list, lang)
			return w.join(items), err
		},
		"brief": func(list any) (string, error) {
			items, err := listed(list, lang)
			return w.brief(items), err
		},
	}
}

func (w *words) writeDate(d civil.Date) (string, error) {
	if d.Month < 1 || d.Month > 12 {
		return "", errors.New("there is no date")
	}
	return fmt.Sprintf(w.date, d.Day, w.months[d.Month-1], d.Year), nil
}

// writeTime cuts seconds off: a link may work a little longer than promised,
// never shorter.
func (w *words) writeTime(t time.Time) (string, error) {
	if t.IsZero() {
		return "", errors.New("there is no time")
	}
	day, err := w.writeDate(civil.Of(t))
	return fmt.Sprintf(w.moment, day, t.Format(w.clock), w.zone(t)), err
}

// zone says whose clock a time is on: the city the IANA zone is named after,
// else the distance from UTC. Letters such as CET mean nothing to many people,
// and IST means three things.
func (w *words) zone(t time.Time) string {
	name := t.Location().String()
	if i := strings.LastIndexByte(name, '/'); i > 0 && !strings.HasPrefix(name, "Etc/") {
		city := strings.ReplaceAll(name[i+1:], "_", " ")
		if own, ok := w.cities[city]; ok {
			city = own
		}
		return fmt.Sprintf(w.place, city)
	}
	_, seconds := t.Zone()
	if seconds == 0 {
		return "UTC"
	}
	return "UTC" + t.Format("-07:00")
}

func (w *words) writeDays(n int) string {
	if n = max(n, -n); n == 1 {
		return w.day
	}
	return fmt.Sprintf(w.days, n)
}

// listed writes the items of a list: texts, or amounts in a language.
func listed(list any, lang string) ([]string, error) {
	switch list := list.(type) {
	case []string:
		return list, nil
	case []money.Amount:
		items := make([]string, len(list))
		for i, a := range list {
			items[i] = a.Format(lang)
		}
		return items, nil
	}
	return nil, errors.New("only numbers and amounts can be listed, such as .Numbers or .Totals")
}

func (w *words) join(items []string) string {
	if len(items) < 2 {
		return strings.Join(items, "")
	}
	last := len(items) - 1
	return strings.Join(items[:last], ", ") + " " + w.and + " " + items[last]
}

// briefly is how many characters a brief list may have before the rest of it
// is counted instead. With it no subject exceeds maxSubject.
const briefly = 48

func (w *words) brief(items []string) string {
	if utf8.RuneCountInString(w.join(items)) <= briefly {
		return w.join(items)
	}
	n := 1
	for n < len(items) && utf8.RuneCountInString(strings.Join(items[:n+1], ", ")) <= briefly {
		n++
	}
	if n == len(items) {
		return w.join(items)
	}
	return strings.Join(items[:n], ", ") + " " + w.and + " " + fmt.Sprintf(w.more, len(items)-n)
}
