package web

import (
	"sync"
	"time"

	"go.uber.org/zap"
)

// silence is how long a murmur is not repeated.
const silence = time.Minute

// A murmur is a line of the log that strangers can cause: it is written at most
// once a minute, with the number of times it would have been.
type murmur struct {
	text string
	log  *zap.Logger
	now  func() time.Time

	mu    sync.Mutex
	last  time.Time
	times int // since last
}

func (m *murmur) note(fields ...zap.Field) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.times++
	now := m.now()
	if !m.last.IsZero() && now.Sub(m.last) < silence {
		return
	}
	m.log.Warn(m.text, append(fields, zap.Int("times", m.times))...)
	m.last, m.times = now, 0
}
