package config

import "fmt"

// Secret is a credential. However it is printed or encoded, it comes out as "[secret]"; only Reveal returns it.
//
// The text is behind a pointer, since fmt ignores the methods of values in unexported fields but does not follow pointers there.
type Secret struct{ text *string }

const secretText = "[secret]"

func newSecret(text string) Secret { return Secret{&text} }

// Reveal returns the credential, "" where none is configured.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// String returns "[secret]", as all its kin.
func (Secret) String() string { return secretText }

// GoString is for %#v.
func (Secret) GoString() string { return secretText }

// Format is for every other verb.
func (Secret) Format(f fmt.State, _ rune) { f.Write([]byte(secretText)) }

// MarshalText is for encodings of text.
func (Secret) MarshalText() ([]byte, error) { return []byte(secretText), nil }

// MarshalJSON is for JSON.
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + secretText + `"`), nil }
