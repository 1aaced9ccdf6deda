package config

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// value reads a single value with parse, whose error says what was wanted and holds nothing of the text. The report shows the text
// as it is in the file, before substitution.
func value[T any](d *decoder, into *T, parse func(string) (T, error)) decode {
	return single(d, into, parse, true)
}

// hidden is value for what may be a credential: the report shows nothing of it but a "${...}" that stands alone.
func hidden[T any](d *decoder, into *T, parse func(string) (T, error)) decode {
	return single(d, into, parse, false)
}

func single[T any](d *decoder, into *T, parse func(string) (T, error), show bool) decode {
	return func(n *yaml.Node) {
		text, ok := d.text(n)
		if !ok {
			return
		}
		v, err := parse(text)
		switch {
		case err == nil:
			*into = v
		case show || reference.MatchString(n.Value):
			d.fail(n, "%s %s: %v", d.key, shown(n), err)
		default:
			d.fail(n, "%s: %v", d.key, err)
		}
	}
}

var reference = regexp.MustCompile(`^\$\{[^${}]*\}$`)

// text returns a single value after substitution, or reports n.
func (d *decoder) text(n *yaml.Node) (string, bool) {
	if isNull(n) {
		d.fail(n, "%swant a value, got nothing", prefix(d.key))
		return "", false
	}
	if !d.is(n, yaml.ScalarNode) {
		return "", false
	}
	return d.expand(n)
}

// enum is value for a fixed set of words.
func enum[T ~string](d *decoder, into *T, words ...T) decode { return value(d, into, oneOf(words...)) }

func oneOf[T ~string](words ...T) func(string) (T, error) {
	return func(s string) (T, error) {
		if slices.Contains(words, T(s)) {
			return T(s), nil
		}
		names := make([]string, len(words))
		for i, w := range words {
			names[i] = string(w)
		}
		return "", errors.New("want " + wanted(s, names))
	}
}

// shown is the text of n as an error may repeat it: as it is in the file, in quotes.
func shown(n *yaml.Node) string { return shownText(n.Value) }

// shownText quotes s unless it may be a key in the wrong place.
func shownText(s string) string {
	if len(s) > 64 || strings.HasPrefix(s, "sk-") {
		return fmt.Sprintf("(a text of %d bytes)", len(s))
	}
	return strconv.Quote(s)
}

func parseText(s string) (string, error) {
	if s == "" {
		return "", errors.New("want a text that is not empty")
	}
	return s, nil
}

// parseFile returns the path of a file that may hold a credential. A variable may hold that file's content in its place, which no error
// that names the path shall repeat.
func parseFile(s string) (string, error) {
	if len(s) > maxFile || strings.ContainsAny(s, "{\r\n") {
		return "", fmt.Errorf("want the path of a file, not what is in it: a text of %d bytes", len(s))
	}
	return parseText(s)
}

// maxFile is the longest path of such a file, in bytes.
const maxFile = 512

func parseSecret(s string) (Secret, error) {
	if s == "" {
		return Secret{}, errors.New("want a secret that is not empty")
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return Secret{}, errors.New("want a secret of visible ASCII characters, without spaces and line breaks")
		}
	}
	return newSecret(s), nil
}

// maxName bounds a name, in bytes. An expression with such a count has as many states, each with its own memory.
const maxName = 64

var namePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// ParseName is s if it is a name of a principal, an upstream or a binding. The error says what was wanted.
func ParseName(s string) (string, error) {
	if len(s) > maxName || !namePattern.MatchString(s) {
		return "", errors.New(`want 1 to 64 letters, digits, ".", "_" or "-", the first a letter or digit`)
	}
	return s, nil
}

func parseBool(s string) (bool, error) {
	if s != "true" && s != "false" {
		return false, errors.New("want true or false")
	}
	return s == "true", nil
}

func parseWhole[T int | int64 | uint64](lowest, highest T) func(string) (T, error) {
	return func(s string) (T, error) {
		v, err := strconv.ParseInt(s, 10, 64)
		if err != nil || v < int64(lowest) || v > int64(highest) {
			return 0, fmt.Errorf("want a whole number from %d to %d", lowest, highest)
		}
		return T(v), nil
	}
}

// ParseDuration reads what time.ParseDuration does, and days before it: 30d, 1d12h. It is not negative. The error says what was wanted.
func ParseDuration(s string) (time.Duration, error) {
	const most = 3650 // days
	days, rest, found := strings.Cut(s, "d")
	if !found {
		days, rest = "0", s
	}
	n, err := strconv.ParseUint(days, 10, 16)
	var d time.Duration
	if err == nil && (rest != "" || !found) {
		d, err = time.ParseDuration(rest)
	}
	if err != nil || d < 0 || n > most || d > most*24*time.Hour {
		return 0, errors.New("want a duration such as 500ms, 30s, 5m or 1d, up to 3650d")
	}
	return time.Duration(n)*24*time.Hour + d, nil
}

func parseSomeTime(s string) (time.Duration, error) {
	d, err := ParseDuration(s)
	if err == nil && d == 0 {
		err = errors.New("want a duration longer than 0")
	}
	return d, err
}

var sizeUnits = map[string]int64{
	"": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30,
}

// parseSize reads a number of bytes with or without a unit.
func parseSize(s string) (int64, error) {
	digits := s[:len(s)-len(strings.TrimLeft(s, "0123456789"))]
	unit, known := sizeUnits[s[len(digits):]]
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || !known || n < 1 || n > math.MaxInt64/unit {
		return 0, errors.New("want a size from 1 such as 1048576, 512KiB, 32MiB, 100MB or 1GiB")
	}
	return n * unit, nil
}

// parseExpiry reads a date, which is its first moment in UTC, or an RFC 3339 timestamp.
func parseExpiry(s string) (time.Time, error) {
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, errors.New("want a date such as 2027-01-31 or a time such as 2027-01-31T18:00:00Z")
}
