package costplus

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"
)

// object is a JSON object whose members are not read yet. Unlike a struct it
// tells "amount" from "Amount", and one odd member does not spoil the others.
type object map[string]json.RawMessage

var errNoObject = errors.New("it is not a JSON object")

func readObject(body []byte) (object, error) {
	var o object
	if err := json.Unmarshal(body, &o); err != nil || o == nil {
		return nil, errNoObject
	}
	return o, nil
}

// has reports whether a member is there and not null.
func (o object) has(name string) bool {
	raw, ok := o[name]
	return ok && string(raw) != "null"
}

// text reads a string; absent and null are "".
func (o object) text(name string) (string, error) {
	if !o.has(name) {
		return "", nil
	}
	raw := o[name]
	if plain(raw) {
		return string(raw[1 : len(raw)-1]), nil
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return "", fmt.Errorf("its %s is not a text", name)
	}
	return s, nil
}

// plain reports whether a member is a string that stands for itself: without
// escapes, and in UTF-8. That a member is JSON was checked with its object.
func plain(raw json.RawMessage) bool {
	return raw[0] == '"' && bytes.IndexByte(raw, '\\') < 0 && utf8.Valid(raw)
}

// word reads a string as far as it is one.
func (o object) word(name string) string {
	s, err := o.text(name)
	if err != nil {
		return ""
	}
	return s
}

// whole reads a whole number; absent and null are 0.
func (o object) whole(name string) (int64, error) {
	if !o.has(name) {
		return 0, nil
	}
	var n int64
	if json.Unmarshal(o[name], &n) != nil {
		return 0, fmt.Errorf("its %s is not a whole number", name)
	}
	return n, nil
}

// instant reads a time; absent, null and "" are the zero time. One answer mixes
// …000000Z with …123456+00:00; +0000 and times without a fraction occur as
// well. A time without a zone is not guessed at.
func (o object) instant(name string) (time.Time, error) {
	s, err := o.text(name)
	if err != nil || s == "" {
		return time.Time{}, err
	}
	for _, form := range []string{time.RFC3339, "2006-01-02T15:04:05Z0700"} {
		if t, err := time.Parse(form, s); err == nil && t.Year() >= 1970 && t.Year() < 2200 {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("its %s is not a time", name)
}
