package money

import "strings"

//go:generate sh -c "node gen/locale.js && gofmt -w table.go"

// locale is how a language writes amounts. In the patterns ¤ stands for the
// symbol and # for the digits; a symbol brings its own no-break space.
type locale struct {
	decimal, group     string
	positive, negative string
	symbols            map[string]string // by currency
}

// fallback is the language of those we have no table for.
const fallback = "en"

// Format writes the amount as people who read the language do, by Unicode CLDR:
// €1,250.00 in English, € 1.250,00 in Dutch, 1.250,00 € in German, with the
// no-break spaces that CLDR puts there. The decimals are exactly those of ISO
// 4217, even where a custom drops them. The language is a tag such as nl or
// nl-BE, of which only the first part counts; a language other than en, nl and
// de is written as English. An amount in an unknown currency is written as
// [Amount.String] does.
func (a Amount) Format(language string) string {
	l := localeOf(language)
	symbol, known := l.symbols[a.Currency]
	if !known {
		return a.String()
	}
	exponent, _ := Exponent(a.Currency)
	whole, fraction := split(a.Minor, exponent)
	digits := grouped(whole, l.group)
	if fraction != "" {
		digits += l.decimal + fraction
	}
	pattern := l.positive
	if a.Minor < 0 {
		pattern = l.negative
	}
	pattern = strings.Replace(pattern, "¤", symbol, 1)
	return strings.Replace(pattern, "#", digits, 1)
}

func localeOf(language string) locale {
	base := language
	if i := strings.IndexAny(language, "-_."); i >= 0 {
		base = language[:i]
	}
	if l, known := locales[strings.ToLower(base)]; known {
		return l
	}
	return locales[fallback]
}

// grouped puts the separator in front of every three digits.
func grouped(whole, separator string) string {
	if len(whole) <= 3 {
		return whole
	}
	var b strings.Builder
	head := len(whole) % 3
	b.WriteString(whole[:head])
	for i := head; i < len(whole); i += 3 {
		if i > 0 {
			b.WriteString(separator)
		}
		b.WriteString(whole[i : i+3])
	}
	return b.String()
}
