package store

import "fmt"

// The forms, in the order in which a transaction writes them.
const (
	intended     = iota // an account of which an intent is committed
	ended               // an account about which facts are committed
	released            // an account that is given back
	refused             // an address that does not exist
	replaced            // links that give way to another
	remade              // a link that was not made and is asked for again
	newLinks            // a link about to be asked for
	seenLinks           // what is known of a link
	newLetters          // a letter about to leave
	nextTries           // a letter that was put off and is about to leave
	endedLetters        // what became of a letter
	freedSteps          // the steps of a letter that surely did not leave
	newSteps            // steps under way
	stepsAgain          // steps of a letter in doubt that is sent again
	skippedSteps        // steps that a letter makes superfluous
	endedSteps          // what became of a letter's steps
	rests               // an invoice about which an act failed
	linkRests           // the end of that, where a link was the matter
	postRests           // the end of that, where a letter was
	newEvents
	forms // how many there are
)

const (
	linkFields = `(invoice, gen, ref, hook, amount, currency, key_fingerprint, state, reason,
		remote_id, url, attempts, expires_at, since, seen_at, booked, watched, replaced)`
	letterFields = `(id, try, account_id, state, at, template, language, single,
		items, recipients, cc, subject, message_id, digest, raw, reply, dialogue)`
)

// write down the forms of a dialect. What a row must be besides its key is said
// such that it is no reason to read an index of rows that are so: PostgreSQL
// would, having planned for a table that was empty, and find there whatever was
// so once.
func formsOf(on *dialect) [forms]form {
	until := fmt.Sprintf(on.leaseEnd, `$5`)
	leaseType := number
	if on.clock == "" {
		leaseType = moment
	}
	linkTypes := columns(times(1, text), times(1, number), times(2, text), times(1, number), times(6, text),
		times(1, number), times(3, moment), times(1, number), times(2, truth))
	letterTypes := columns(times(1, text), times(1, number), times(2, text), times(1, moment), times(2, text), times(1, truth),
		times(6, text), times(1, octets), times(2, text))
	list := [forms]form{
		// An account that is due already stays so since then: its place in the
		// index of those that are due needs no change. The lease outlasts the
		// mail server, where one is to be waited for.
		intended: {
			verb: `UPDATE accounts SET version = version + 1, claims = 0, wants_at = NULL, next_act = 'look',
				next_at = CASE WHEN next_act = 'look' AND next_at <= $4 THEN next_at ELSE $4 END,
				lease_until = CASE WHEN $5 IS NULL OR lease_until > ` + until + ` THEN lease_until ELSE ` + until + ` END`,
			where: `id = $1 AND version = $2 AND lease_id = $3 AND lease_id <> ''`,
			types: columns(times(1, text), times(1, number), times(1, text), times(1, moment), []column{leaseType}),
		},
		ended: {
			verb:  `UPDATE accounts SET version = version + 1`,
			where: `id = $1 AND version = $2 AND lease_id = $3`,
			types: columns(times(1, text), times(1, number), times(1, text)),
		},
		released: {
			verb: `UPDATE accounts SET version = version + $10, lease_id = '', lease_until = NULL,
				claims = CASE WHEN $6 = 'broken' THEN claims ELSE 0 END,
				wants_at = CASE WHEN $9 THEN COALESCE(wants_at, $5) WHEN $6 IN ('pacing', 'resting', 'needs_approval') THEN wants_at END,
				next_act = $4, next_at = $5, next_code = $6, next_why = $7, next_person = $8`,
			where: `id = $1 AND version = $2 AND lease_id = $3`,
			types: columns(times(1, text), times(1, number), times(2, text), times(1, moment), times(2, text), times(2, truth), times(1, number)),
		},
		refused: {
			verb: `UPDATE accounts SET suppressed = $2`, where: `id = $1`, types: times(2, text), exact: true,
		},
		replaced: {
			verb: `UPDATE links SET replaced = TRUE,
				state = CASE WHEN state = 'wanted' THEN 'lost' ELSE state END,
				since = CASE WHEN state = 'wanted' THEN $2 ELSE since END`,
			where: `invoice = $1 AND NOT replaced
				AND NOT (state IN ('new', 'processing', 'all_unsuccessful') AND attempts < 25)`,
			types: columns(times(1, text), times(1, moment)),
		},
		remade: {
			verb:  `UPDATE links SET ` + linkFields + ` = (` + placeholders(len(linkTypes)) + `)`,
			where: `invoice = $1 AND gen = $2 AND state = 'unmade'`, types: linkTypes, exact: true, wrong: wrongLink,
		},
		newLinks: {
			verb: `INSERT INTO links ` + linkFields, types: linkTypes, exact: true, wrong: wrongLink,
		},
		seenLinks: {
			verb: `UPDATE links SET state = $3, reason = $4, remote_id = $5, url = $6, attempts = $7,
				expires_at = $8, since = $9, seen_at = $10, booked = $11, watched = $12`,
			where: `invoice = $1 AND gen = $2`,
			types: columns(times(1, text), times(1, number), times(4, text), times(1, number), times(3, moment), times(1, number), times(1, truth)),
		},
		newLetters: {
			verb: `INSERT INTO letters ` + letterFields, types: letterTypes, exact: true,
			wrong: func(row []any) string { return fmt.Sprintf("letter %s exists already", row[0]) },
		},
		nextTries: {
			verb:  `UPDATE letters SET ` + letterFields + ` = (` + placeholders(len(letterTypes)) + `)`,
			where: `id = $1 AND try = $2 - 1 AND state NOT IN ('sending', 'sent', 'skipped', 'failed', 'uncertain')`, types: letterTypes, exact: true,
			wrong: func(row []any) string { return fmt.Sprintf("letter %s cannot be started as try %d", row[0], row[1]) },
		},
		endedLetters: {
			verb: `UPDATE letters SET state = $2, at = $3, reply = $4, dialogue = $5`, where: `id = $1`,
			types: columns(times(2, text), times(1, moment), times(2, text)), exact: true,
		},
		freedSteps: {
			verb: `DELETE FROM steps`, where: `letter_id = $1 AND result <> 'skipped'`, types: times(1, text),
		},
		newSteps: {
			verb:  `INSERT INTO steps (invoice, episode, step, result, letter_id, gen, at)`,
			types: columns(times(1, text), times(1, number), times(3, text), times(1, number), times(1, moment)), exact: true,
			wrong: func(row []any) string {
				return fmt.Sprintf("letter %s: one of its steps already has an outcome", row[4])
			},
		},
		stepsAgain: {
			verb:  `UPDATE steps SET result = 'sending', at = $5, why = ''`,
			where: `invoice = $1 AND episode = $2 AND step = $3 AND (letter_id = $4) IS TRUE AND result NOT IN ('sending', 'sent', 'skipped', 'failed', 'uncertain')`,
			types: columns(times(1, text), times(1, number), times(2, text), times(1, moment)), exact: true,
			wrong: func(row []any) string {
				return fmt.Sprintf("letter %s: not all of its steps are to be sent again", row[3])
			},
		},
		skippedSteps: {
			verb: `INSERT INTO steps (invoice, episode, step, result, letter_id, at, why)`,
			tail: `ON CONFLICT (invoice, episode, step) DO UPDATE SET letter_id = excluded.letter_id, at = excluded.at, why = excluded.why
				WHERE steps.result = 'skipped'`,
			types: columns(times(1, text), times(1, number), times(3, text), times(1, moment), times(1, text)), exact: true,
			wrong: func(row []any) string {
				return fmt.Sprintf("letter %s: a step that it is to make superfluous has another outcome", row[4])
			},
		},
		endedSteps: {
			verb:  `UPDATE steps SET result = $5, at = $6, why = $7`,
			where: `invoice = $1 AND episode = $2 AND step = $3 AND (letter_id = $4) IS TRUE AND result NOT IN ('sent', 'skipped', 'failed')`,
			types: columns(times(1, text), times(1, number), times(3, text), times(1, moment), times(1, text)),
		},
		rests: {
			verb: `UPDATE invoices SET rest_act = $2, rest_until = $3, rest_tries = $4, rest_why = $5`, where: `number = $1`,
			types: columns(times(2, text), times(1, moment), times(1, number), times(1, text)),
		},
		linkRests: {
			verb:  `UPDATE invoices SET rest_act = 'look', rest_until = NULL, rest_tries = 0, rest_why = ''`,
			where: `number = $1 AND rest_tries > 0 AND rest_act IN ('check', 'make_link', 'renew_link')`, types: times(1, text),
		},
		postRests: {
			verb:  `UPDATE invoices SET rest_act = 'look', rest_until = NULL, rest_tries = 0, rest_why = ''`,
			where: `number = $1 AND rest_tries > 0 AND rest_act IN ('email', 'remind', 'again')`, types: times(1, text),
		},
		newEvents: {
			verb:  `INSERT INTO events (id, at, actor, kind, account_id, invoice, letter_id, detail, config)`,
			types: columns(times(1, text), times(1, moment), times(7, text)), exact: true,
		},
	}
	for i := range list {
		if list[i].text = list[i].many(0); on.oneWriter {
			list[i].text, list[i].order = list[i].single()
		}
	}
	return list
}

func wrongLink(row []any) string {
	return fmt.Sprintf("invoice %s already has a link that can be paid for as much, or one named %s, or its generation %d is no longer one that was not made", row[0], row[2], row[1])
}
