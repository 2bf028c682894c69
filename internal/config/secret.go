package config

// A Secret is a value that is never printed: fmt, JSON and logs show ***.
type Secret struct{ value string }

// Reveal returns the secret itself. Whoever calls it must not print it.
func (s Secret) Reveal() string { return s.value }

// String hides the secret.
func (s Secret) String() string {
	if s.value == "" {
		return ""
	}
	return "***"
}

// GoString hides the secret from %#v.
func (s Secret) GoString() string { return s.String() }

// MarshalText hides the secret from JSON and YAML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
