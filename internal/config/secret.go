package config

import "fmt"

// A Secret is a value that nothing prints: fmt in every verb, JSON, YAML and
// logs show *** in its place. The zero Secret is no value.
type Secret struct{ value string }

// Reveal returns the value itself. Whoever calls it hands it to the one place
// that needs it, and neither logs it nor puts it into an error.
func (s Secret) Reveal() string { return s.value }

// String returns ***, or nothing when there is no value.
func (s Secret) String() string {
	if s.value == "" {
		return ""
	}
	return "***"
}

// Format keeps the value out of every verb of fmt, %#v and %x among them.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = fmt.Fprint(f, s.String()) }

// MarshalText keeps the value out of JSON, and of loggers that reflect.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalYAML keeps the value out of YAML.
func (s Secret) MarshalYAML() (any, error) { return s.String(), nil }
