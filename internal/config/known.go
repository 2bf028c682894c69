package config

import (
	"strings"
	_ "time/tzdata" // zones are known where the system has no list of them
)

// What a file may name. Long lists that serve hints only hold what is likely.

// jobs are what cron may wake, in the order of a day's work, with the lines
// that hold if the file says nothing.
var jobs = []struct{ name, cron string }{
	{"import", "*/15 * * * *"},
	{"create-links", "*/10 * * * *"},
	{"email-links", "*/10 8-17 * * mon-fri"},
	{"poll-links", "*/5 * * * *"},
	{"send-reminders", "*/15 8-17 * * mon-fri"},
	{"renew-links", "7 * * * *"},
}

// builtIn are the letters that the program brings along.
var builtIn = []string{"broken_promise", "expiring", "failed_attempt", "final", "firm", "friendly", "new_link", "request", "upcoming"}

// languages are those that amounts, dates and letters can be written in.
var languages = []string{"en", "nl", "de"}

// columns are our names of what a source tells of an invoice.
var columns = []string{
	"number", "customer_id", "customer_name", "customer_email", "currency", "total", "paid", "credited",
	"issued_on", "due_on", "status", "description", "language", "country", "timezone", "policy",
	"invoice_policy", "tags",
}

// weekdays in the order of time.Weekday.
var weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// currencies that are likely, for hints.
var currencies = strings.Fields("EUR GBP USD CHF SEK NOK DKK ISK PLN CZK HUF RON BGN TRY UAH RSD MKD ALL " +
	"AUD NZD CAD JPY CNY HKD SGD KRW INR IDR MYR THB PHP VND AED SAR QAR KWD BHD ILS EGP MAD TND ZAR NGN KES BRL MXN ARS CLP COP PEN")

// zones that are likely, for hints.
var zones = strings.Fields("UTC Europe/Amsterdam Europe/Andorra Europe/Athens Europe/Belgrade Europe/Berlin Europe/Bratislava " +
	"Europe/Brussels Europe/Bucharest Europe/Budapest Europe/Copenhagen Europe/Dublin Europe/Helsinki Europe/Istanbul Europe/Kyiv " +
	"Europe/Lisbon Europe/Ljubljana Europe/London Europe/Luxembourg Europe/Madrid Europe/Malta Europe/Monaco Europe/Oslo Europe/Paris " +
	"Europe/Prague Europe/Riga Europe/Rome Europe/Sofia Europe/Stockholm Europe/Tallinn Europe/Vienna Europe/Vilnius Europe/Warsaw " +
	"Europe/Zagreb Europe/Zurich Atlantic/Reykjavik Atlantic/Canary America/New_York America/Chicago America/Denver America/Los_Angeles " +
	"America/Toronto America/Sao_Paulo America/Mexico_City Africa/Cairo Africa/Casablanca Africa/Johannesburg Africa/Lagos " +
	"Asia/Dubai Asia/Hong_Kong Asia/Jerusalem Asia/Kolkata Asia/Shanghai Asia/Singapore Asia/Tokyo Australia/Sydney Pacific/Auckland")

// countries are the codes of ISO 3166-1 alpha-2.
var countries = strings.Fields("AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ " +
	"CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR " +
	"GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP " +
	"KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ " +
	"NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ " +
	"TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW")
