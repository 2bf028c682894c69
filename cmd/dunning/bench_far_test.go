package main

import (
	"os"
	"strconv"
	"testing"
)

// asked reads a size of a benchmark from the environment.
func asked(b *testing.B, name string, otherwise int) int {
	b.Helper()
	s := os.Getenv(name)
	if s == "" {
		return otherwise
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		b.Fatalf("%s=%q is no number", name, s)
	}
	return n
}
