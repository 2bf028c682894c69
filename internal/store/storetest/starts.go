package storetest

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"dunning/internal/store"
)

var starts = []check{
	{"SixAtOnceOnAnEmptyDatabase", sixAtOnce},
	{"AnOlderSchemaIsRefused", olderSchema},
	{"ASecondOpenChangesNothing", secondOpen},
	{"PingAndVersion", pingAndVersion},
}

// sixAtOnce: replicas that start together on an empty database all find it
// ready, and agree on its salt.
func sixAtOnce(b *bench) {
	for range 3 {
		url := b.fresh(b)
		var wg sync.WaitGroup
		salts, errs := make([]string, 6), make([]error, 6)
		for i := range 6 {
			wg.Go(func() {
				s, err := store.Open(ctx, store.Options{URL: url, Actor: fmt.Sprint(i), Migrate: true, Connections: 2})
				if err == nil {
					salts[i] = s.Salt()
					err = s.Close()
				}
				errs[i] = err
			})
		}
		wg.Wait()
		b.must(errors.Join(errs...))
		for _, salt := range salts {
			if len(salt) != 64 || salt != salts[0] {
				b.Fatalf("the salts are %q", salts)
			}
		}
	}
}

func olderSchema(b *bench) {
	url := b.fresh(b)
	_, err := store.Open(ctx, store.Options{URL: url})
	if err == nil || !strings.Contains(err.Error(), "dunning migrate") {
		b.Fatalf("an empty database without Migrate: %v", err)
	}
}

func secondOpen(b *bench) {
	salt := b.open().Salt()
	s, err := store.Open(ctx, store.Options{URL: b.url}) // without Migrate
	b.must(err)
	defer s.Close()
	want(b, "salt", s.Salt(), salt)
	from, to, err := s.Migrate(ctx)
	b.must(err)
	if from != to || from < 1 {
		b.Errorf("a database that is up to date was migrated from %d to %d", from, to)
	}
}

func pingAndVersion(b *bench) {
	b.open()
	b.must(b.db.Ping(ctx))
	v, err := b.db.Version(ctx)
	b.must(err)
	if v < 1 {
		b.Errorf("version %d", v)
	}
}
