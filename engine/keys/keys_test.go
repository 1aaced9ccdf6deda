package keys_test

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"sluice/engine/keys"
)

func TestANewKeyIs32RandomBytesInBase64URL(t *testing.T) {
	t.Parallel()
	key, hash := keys.New()
	if !regexp.MustCompile(`^sk-sluice-[A-Za-z0-9_-]{43}$`).MatchString(key) {
		t.Errorf("a new key has the wrong form, %d bytes long", len(key))
	}
	if raw, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(key, keys.Prefix)); err != nil || len(raw) != 32 {
		t.Errorf("a new key holds %d bytes, %v, want 32", len(raw), err)
	}
	if want := fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(key))); hash != want {
		t.Errorf("hash of a new key = %s, want %s", hash, want)
	}
	if other, _ := keys.New(); other == key {
		t.Error("two new keys are the same")
	}
}

func TestAHashIsReadBackAsItWasPrinted(t *testing.T) {
	t.Parallel()
	want := keys.Sum("any text at all")
	for _, text := range []string{want.String(), "sha256:" + strings.ToUpper(want.String()[7:])} {
		if got, err := keys.ParseHash(text); got != want || err != nil {
			t.Errorf("ParseHash(%q) = %v, %v, want %v", text, got, err, want)
		}
	}
	// The published vector for "abc".
	const abc = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
	if got := keys.Sum("abc").String(); got != abc {
		t.Errorf("Sum(abc) = %s, want %s", got, abc)
	}
}

func TestABadHashIsRefusedWithoutRepeatingIt(t *testing.T) {
	t.Parallel()
	f := func(text, want string) {
		t.Helper()
		_, err := keys.ParseHash(text)
		if err == nil || err.Error() != want {
			t.Errorf("ParseHash(%q): %v, want %s", text, err, want)
		}
	}
	f("", `0 bytes that do not begin with "sha256:", want the hash that "sluice keys new" prints, not the key`)
	f("sk-sluice-secret", `16 bytes that do not begin with "sha256:", want the hash that "sluice keys new" prints, not the key`)
	f("sha256:abc", `3 characters after "sha256:", want 64 hex digits`)
	f("sha256:"+strings.Repeat("a", 65), `65 characters after "sha256:", want 64 hex digits`)
	f("sha256:"+strings.Repeat("g", 64), `a character after "sha256:" that is no hex digit, want 64 hex digits`)
	f("SHA256:"+strings.Repeat("a", 64), `71 bytes that do not begin with "sha256:", want the hash that "sluice keys new" prints, not the key`)
}

func TestARingKnowsWhoseAKeyIs(t *testing.T) {
	t.Parallel()
	now := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	ring := ringOf(t,
		keys.Entry[string]{Hash: keys.Sum("plain"), Principal: "alice", Name: "laptop"},
		keys.Entry[string]{Hash: keys.Sum("off"), Principal: "bob", Disabled: true},
		keys.Entry[string]{Hash: keys.Sum("ends now"), Principal: "carol", Expires: now},
		keys.Entry[string]{Hash: keys.Sum("ends soon"), Principal: "dave", Expires: now.Add(time.Nanosecond)},
		keys.Entry[string]{Hash: keys.Sum("both"), Principal: "erin", Expires: now, Disabled: true},
		keys.Entry[string]{Hash: keys.Sum(""), Principal: "nobody"},
	)
	f := func(presented, principal string, want error) {
		t.Helper()
		e, err := ring.Lookup([]byte(presented), now)
		if e.Principal != principal || !errors.Is(err, want) || (want == nil && err != nil) {
			t.Errorf("Lookup(%q) = %q, %v, want %q, %v", presented, e.Principal, err, principal, want)
		}
	}
	f("plain", "alice", nil)
	f("Plain", "", keys.ErrUnknown)
	f("plain ", "", keys.ErrUnknown)
	f(keys.Sum("plain").String(), "", keys.ErrUnknown)
	f("off", "bob", keys.ErrDisabled)
	f("ends now", "carol", keys.ErrExpired)
	f("ends soon", "dave", nil)
	f("both", "erin", keys.ErrExpired)
	f("", "nobody", nil)
	if e, _ := ring.Lookup([]byte("plain"), now); e.Name != "laptop" {
		t.Errorf("name of the key = %q, want laptop", e.Name)
	}
}

func TestAnEmptyRingKnowsNoKey(t *testing.T) {
	t.Parallel()
	if _, err := ringOf(t).Lookup(nil, time.Time{}); err != keys.ErrUnknown {
		t.Errorf("Lookup in an empty ring: %v, want ErrUnknown", err)
	}
}

func TestARingRefusesAHashThatIsThereTwice(t *testing.T) {
	t.Parallel()
	_, err := keys.NewRing([]keys.Entry[int]{{Hash: keys.Sum("a")}, {Hash: keys.Sum("b")}, {Hash: keys.Sum("a")}})
	const want = "make key ring: entries 0 and 2 have the same hash, want each key once"
	if err == nil || err.Error() != want {
		t.Errorf("NewRing: %v, want %s", err, want)
	}
}

func TestARingDoesNotChangeWithTheSliceItWasMadeFrom(t *testing.T) {
	t.Parallel()
	entries := []keys.Entry[string]{{Hash: keys.Sum("k"), Principal: "alice"}}
	ring := ringOf(t, entries...)
	entries[0].Principal = "mallory"
	if e, err := ring.Lookup([]byte("k"), time.Time{}); e.Principal != "alice" || err != nil {
		t.Errorf("Lookup = %q, %v, want alice", e.Principal, err)
	}
}

func TestNeitherARingNorItsErrorsPrintAKey(t *testing.T) {
	t.Parallel()
	key, _ := keys.New()
	ring := ringOf(t, keys.Entry[string]{Hash: keys.Sum(key), Disabled: true})
	_, err := ring.Lookup([]byte(key), time.Time{})
	_, unknown := ring.Lookup([]byte(key+"x"), time.Time{})
	if out := fmt.Sprintf("%v %+v %#v %v %v", ring, ring, ring, err, unknown); strings.Contains(out, key[:14]) {
		t.Error("a key was printed")
	}
}

func TestLookupAllocatesNothing(t *testing.T) {
	key, _ := keys.New()
	ring := ringOf(t, keys.Entry[string]{Hash: keys.Sum(key), Principal: "alice"})
	known, unknown, now := []byte(key), []byte("no such key, and rather a long one, longer than any buffer on a stack"), time.Now()
	n := testing.AllocsPerRun(100, func() {
		if _, err := ring.Lookup(known, now); err != nil {
			t.Error(err)
		}
		if _, err := ring.Lookup(unknown, now); err == nil {
			t.Error("an unknown key was accepted")
		}
	})
	if n != 0 {
		t.Errorf("Lookup allocates %v times, want 0", n)
	}
}

func BenchmarkLookup(b *testing.B) {
	entries := make([]keys.Entry[int], 1000)
	for i := range entries {
		entries[i] = keys.Entry[int]{Hash: keys.Sum(fmt.Sprint(i)), Principal: i}
	}
	ring, err := keys.NewRing(entries)
	if err != nil {
		b.Fatal(err)
	}
	key, now := []byte("500"), time.Now()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ring.Lookup(key, now); err != nil {
			b.Fatal(err)
		}
	}
}

// Whatever is read as a hash prints back as itself, in lower case, and an error never repeats the text.
func FuzzParseHash(f *testing.F) {
	f.Add("sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
	f.Add("sk-sluice-abcdefghijkl")
	f.Fuzz(func(t *testing.T, text string) {
		h, err := keys.ParseHash(text)
		if err == nil && h.String() != strings.ToLower(text) {
			t.Errorf("ParseHash(%q) prints back as %s", text, h)
		}
		if err != nil && h != (keys.Hash{}) {
			t.Errorf("ParseHash(%q) returns a hash with its error", text)
		}
	})
}

func ringOf(t *testing.T, entries ...keys.Entry[string]) *keys.Ring[string] {
	t.Helper()
	ring, err := keys.NewRing(entries)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}
