package main

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"dunning/internal/pgtest"
	"dunning/jobs"
)

// What one replica has at hand in [BenchmarkReplicas]: so little that it spends
// its time waiting for others, as a replica does whose rate limits and hands are
// those of a real installation, and that this machine can carry several.
const replicaHands = 4

// BenchmarkReplicas runs 1, 2, 4 and 8 real processes on one PostgreSQL in a
// world whose every answer takes 20 ms, each over as many due invoices for every
// process, and reports
//
//   - times-one: the throughput against that of one process, from the first link
//     that was wanted to the last letter that was sent;
//   - least-share: what the replica that sent the fewest letters sent, of what
//     it would have sent had all sent as many: 0 is a replica that starves.
//
// No customer gets a second letter, and no step of an invoice is lost.
// DUNNING_BENCH_REPLICAS sets the number of invoices for each process.
func BenchmarkReplicas(b *testing.B) {
	each := asked(b, "DUNNING_BENCH_REPLICAS", 160)
	one := 0.0
	for _, replicas := range []int{1, 2, 4, 8} {
		b.Run(fmt.Sprint("processes=", replicas), func(b *testing.B) {
			for b.Loop() {
				n, url := each*replicas, pgtest.Database(b)
				w := newFarTown(b, url, n, replicaHands, replicaHands)
				w.run("job", "import")
				w.goFar()
				w.replicas(replicas)
				w.oneEach(n)
				took, sent := w.shares(url)
				speed := perSecond(n, took)
				if replicas == 1 {
					one = speed
				}
				for len(sent) < replicas { // it came to nothing
					sent = append(sent, 0)
				}
				b.Logf("%v; letters of each replica %v", took, sent)
				b.ReportMetric(speed, "invoices/s")
				b.ReportMetric(speed/one, "times-one")
				b.ReportMetric(float64(slices.Min(sent))/float64(each), "least-share")
			}
		})
	}
}

// replicas runs so many processes until none finds anything to do.
func (w *farTown) replicas(n int) {
	w.t.Helper()
	var running sync.WaitGroup
	for range n {
		running.Go(func() {
			var out bytes.Buffer
			cmd := w.command("job", "email-links")
			cmd.Stdout, cmd.Stderr = &out, &out
			if err := cmd.Run(); err != nil {
				w.t.Errorf("%v\n%s", err, out.String())
			}
		})
	}
	running.Wait()
}

// shares reads from the books how long the letters took and how many each
// replica sent.
func (w *farTown) shares(url string) (took time.Duration, sent []int) {
	w.t.Helper()
	db, err := sql.Open("postgres", url)
	if err != nil {
		w.t.Fatal(err)
	}
	defer db.Close()
	var seconds float64
	err = db.QueryRow(`SELECT EXTRACT(EPOCH FROM (SELECT MAX(at) FROM events WHERE kind = 'letter_sent') - (SELECT MIN(at) FROM events WHERE kind = 'link_wanted'))`).Scan(&seconds)
	if err != nil {
		w.t.Fatal(err)
	}
	rows, err := db.Query(`SELECT COUNT(*) FROM events WHERE kind = 'letter_sent' GROUP BY actor ORDER BY 1`)
	if err != nil {
		w.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var n int
		if err := rows.Scan(&n); err != nil {
			w.t.Fatal(err)
		}
		sent = append(sent, n)
	}
	if err := rows.Err(); err != nil {
		w.t.Fatal(err)
	}
	return time.Duration(seconds * float64(time.Second)), sent
}

// BenchmarkBloat lives many rounds of looking at links, an hour of business time
// apart, on a PostgreSQL whose autovacuum looks every second because a month
// passes in moments here. It reports how much the tables and indexes that
// a look writes grew from a fifth of the rounds to their end, although nothing
// was added to them, and the largest share of dead rows that was seen. A table
// that is kept tidy does not grow, which is 1. DUNNING_BENCH_ROUNDS sets the
// number of rounds, a month being 720, DUNNING_BENCH_BLOAT the number of
// invoices.
func BenchmarkBloat(b *testing.B) {
	n, rounds := asked(b, "DUNNING_BENCH_BLOAT", 200), asked(b, "DUNNING_BENCH_ROUNDS", 25)
	for b.Loop() {
		server := pgtest.Start(b, "autovacuum_naptime=1s")
		url := server.Database(b, "books", "")
		w := newFarTown(b, url, n, 8, 8)
		live := w.wire()
		w.timed(live, "import")
		w.timed(live, "email-links")
		db, err := sql.Open("postgres", url)
		if err != nil {
			b.Fatal(err)
		}
		poll, err := jobs.Find("poll-links")
		if err != nil {
			b.Fatal(err)
		}
		looks, lookedEarly, early, dead, start := 0, 0, sizes{}, 0.0, time.Now()
		for round := range rounds {
			ahead := time.Duration(round+1) * (time.Hour + time.Minute)
			live.worker.Now = func() time.Time { return time.Now().Add(ahead) }
			tally, err := live.worker.Chase(context.Background(), jobs.Order{Job: poll})
			if err != nil {
				b.Fatal(err)
			}
			looks += tally.Facts["links new"]
			now, share := weigh(b, db)
			dead = max(dead, share)
			if round == rounds/5 {
				early, lookedEarly = now, looks
			}
		}
		took := time.Since(start)
		end, _ := weigh(b, db)
		b.Logf("%d looks; bytes of tables and indexes after %d rounds: %v, after %d: %v", looks, rounds/5+1, early, rounds, end)
		b.ReportMetric(perSecond(looks, took), "looks/s")
		b.ReportMetric(float64(end.tables)/float64(early.tables), "times-tables")
		b.ReportMetric(float64(end.indexes)/float64(early.indexes), "times-indexes")
		b.ReportMetric(float64(end.tables+end.indexes)/float64(n), "bytes/invoice")
		b.ReportMetric(dead, "dead-share")
		b.ReportMetric(float64(end.others-early.others)/float64(looks-lookedEarly), "bytes-kept/look")
		if err := db.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// sizes are the bytes of the tables that are written again and again, of their
// indexes, and of everything else.
type sizes struct{ tables, indexes, others int64 }

// weigh returns the sizes and the largest share of dead rows in a table, as far
// as the server has counted.
func weigh(b *testing.B, db *sql.DB) (s sizes, dead float64) {
	b.Helper()
	err := db.QueryRow(`
		WITH t AS (SELECT relid, n_dead_tup AS dead, n_live_tup AS live, relname IN ('accounts', 'invoices', 'links') AS hot FROM pg_stat_user_tables)
		SELECT SUM(pg_table_size(relid)) FILTER (WHERE hot), SUM(pg_indexes_size(relid)) FILTER (WHERE hot),
			SUM(pg_total_relation_size(relid)) FILTER (WHERE NOT hot), MAX(dead::float8 / GREATEST(dead + live, 1)) FILTER (WHERE hot)
		FROM t`).Scan(&s.tables, &s.indexes, &s.others, &dead)
	if err != nil {
		b.Fatal(err)
	}
	return s, dead
}
