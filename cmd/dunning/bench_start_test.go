package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"dunning/internal/pgtest"
)

// What is promised of the program as it is delivered.
const (
	mostBytes = 25_000_000             // of the static binary
	mostStart = 50 * time.Millisecond  // until it has said its version
	mostIdle  = 200 * time.Millisecond // of a one-off job that finds nothing to do
)

// BenchmarkStart builds the program as a release is built, static and without
// symbols, and reports its size, how long it takes to say its version, and how
// long a one-off job takes over an empty queue. Each is the median of so many
// runs, and each is also reported as a share of what is promised: 1 is the
// limit. DUNNING_BENCH_STARTS sets the number of runs.
func BenchmarkStart(b *testing.B) {
	runs := asked(b, "DUNNING_BENCH_STARTS", 20)
	release := filepath.Join(b.TempDir(), "dunning")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", release, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("build: %v\n%s", err, out)
	}
	b.Run("version", func(b *testing.B) {
		info, err := os.Stat(release)
		if err != nil {
			b.Fatal(err)
		}
		if info.Size() > mostBytes {
			b.Errorf("the binary has %d bytes; at most %d were promised", info.Size(), int(mostBytes))
		}
		for b.Loop() {
			took := median(b, runs, release, "version")
			b.ReportMetric(float64(info.Size())/1e6, "MB")
			b.ReportMetric(float64(info.Size())/mostBytes, "share-of-size")
			b.ReportMetric(milliseconds(took), "ms-start")
			b.ReportMetric(took.Seconds()/mostStart.Seconds(), "share-of-start")
			b.ReportMetric(took.Seconds()/median(b, runs, "true").Seconds(), "times-true")
		}
	})
	for _, database := range []string{"sqlite", "postgres"} {
		b.Run("empty-job/"+database, func(b *testing.B) {
			url := "sqlite:dunning.db"
			if database == "postgres" {
				url = pgtest.Database(b)
			}
			w := newTown(b, url, 0)
			w.run("job", "import") // makes the tables
			for b.Loop() {
				took := median(b, runs, release, "--config", filepath.Join(w.dir, "config.yaml"), "job", "email-links")
				b.ReportMetric(milliseconds(took), "ms-job")
				b.ReportMetric(took.Seconds()/mostIdle.Seconds(), "share-of-job")
			}
		})
	}
}

// median runs a program to its end so many times and returns the median of how
// long it took.
func median(b *testing.B, runs int, program string, args ...string) time.Duration {
	b.Helper()
	took := make([]time.Duration, runs)
	for i := range took {
		start := time.Now()
		if out, err := exec.Command(program, args...).CombinedOutput(); err != nil {
			b.Fatalf("%s %v: %v\n%s", program, args, err, out)
		}
		took[i] = time.Since(start)
	}
	slices.Sort(took)
	return took[runs/2]
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
