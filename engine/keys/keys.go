// Package keys knows the keys that clients present: it makes them, hashes them, and finds whose they are.
//
//	key, hash := keys.New() // the key goes to the client, the hash into the config
//	ring, err := keys.NewRing([]keys.Entry[string]{{Hash: keys.Sum(key), Principal: "alice"}})
//	entry, err := ring.Lookup([]byte(key), time.Now())
//
// Only hashes are kept, so a ring has no key that it could print. A key may be any text; New's form is not required.
package keys

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// Prefix begins every key that New makes.
const Prefix = "sk-sluice-"

const hashPrefix = "sha256:"

// Hash is the SHA-256 of a whole key, prefix included.
type Hash [sha256.Size]byte

// New makes a key from 32 random bytes, Prefix and 43 characters of base64url, and its hash in the form that ParseHash reads.
func New() (key, hash string) {
	var b [32]byte
	rand.Read(b[:])
	key = Prefix + base64.RawURLEncoding.EncodeToString(b[:])
	return key, Sum(key).String()
}

// Sum hashes a key.
func Sum(key string) Hash {
	return sha256.Sum256([]byte(key))
}

// String is "sha256:" and 64 hex digits.
func (h Hash) String() string {
	return hashPrefix + hex.EncodeToString(h[:])
}

// ParseHash reads "sha256:" and 64 hex digits of either case. Its errors say what is wrong with the text but hold none of it,
// since the text may be a key that was put where its hash belongs.
func ParseHash(text string) (Hash, error) {
	var h Hash
	digits, ok := strings.CutPrefix(text, hashPrefix)
	switch {
	case !ok:
		return h, fmt.Errorf(`%d bytes that do not begin with "sha256:", want the hash that "sluice keys new" prints, not the key`, len(text))
	case len(digits) != hex.EncodedLen(len(h)):
		return h, fmt.Errorf(`%d characters after "sha256:", want 64 hex digits`, len(digits))
	}
	if _, err := hex.Decode(h[:], []byte(digits)); err != nil {
		return Hash{}, errors.New(`a character after "sha256:" that is no hex digit, want 64 hex digits`)
	}
	return h, nil
}

// Short tells a hash from its neighbours, for a person.
func (h Hash) Short() string { return hex.EncodeToString(h[:6]) }
