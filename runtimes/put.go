package runtimes

import (
	"fmt"
	"time"

	"github.com/google/uuid"

	"sluice/engine"
)

// What is here gives fields their values while a test or a fixture builds a host value. Errors continue "TYPE: FIELD ".

func wrongType(v Value, want string) error {
	return fmt.Errorf("is %s, want %s", describeKind(v), want)
}

func putString[S ~string](to *S, v Value) error {
	switch v.Kind {
	case Nil:
		*to = ""
	case String:
		*to = S(v.Str)
	default:
		return wrongType(v, "a string")
	}
	return nil
}

func putBool(to *bool, v Value) error {
	if v.Kind != Bool {
		return wrongType(v, "a bool")
	}
	*to = v.Bool()
	return nil
}

func putInt[I ~int | ~int64](to *I, v Value) error {
	n, ok := wholeNumber(v)
	if !ok && v.Kind != Nil {
		return wrongType(v, "a whole number")
	}
	*to = I(n)
	return nil
}

func putFloat(to *float64, v Value) error {
	f, ok := v.Number()
	if !ok && v.Kind != Nil {
		return wrongType(v, "a number")
	}
	*to = f
	return nil
}

// putShare takes a number from 0 to 1.
func putShare(to *float64, v Value) error {
	f, ok := v.Number()
	switch {
	case !ok:
		return wrongType(v, "a number")
	case !(0 <= f && f <= 1):
		return fmt.Errorf("is %v, want 0 to 1", f)
	}
	*to = f
	return nil
}

// putMillis takes milliseconds.
func putMillis(to *time.Duration, v Value) error {
	f, ok := v.Number()
	if !ok && v.Kind != Nil {
		return wrongType(v, "a number of milliseconds")
	}
	*to = time.Duration(f * float64(time.Millisecond))
	return nil
}

// putMoment takes milliseconds from now on; nothing is the zero time.
func putMoment(to *time.Time, now time.Time, v Value) error {
	*to = time.Time{}
	var d time.Duration
	if v.Kind == Nil {
		return nil
	}
	err := putMillis(&d, v)
	*to = now.Add(d)
	return err
}

func putObject(to **engine.Object, v Value) error {
	if v.Kind != Map && v.Kind != Nil {
		return wrongType(v, "a map")
	}
	o, err := ToObject(v)
	*to = o
	return err
}

func putID(to *uuid.UUID, v Value) error {
	if v.Kind != String {
		return wrongType(v, "the text of a uuid")
	}
	id, err := uuid.Parse(v.Str)
	if err != nil {
		return fmt.Errorf("is %s, want the text of a uuid", describe(v))
	}
	*to = id
	return nil
}

// putHeaders takes a map of name to text or list of texts.
func putHeaders(to *engine.Headers, v Value) error {
	if v.Kind != Map {
		return wrongType(v, "a map of name to text")
	}
	out := engine.Headers{}
	err := eachText(v, func(name, value string) { out.Add(name, value) })
	*to = out
	return err
}

// maxTexts bounds a map of texts, in texts and what has none in their place: one long list may stand under each of many names.
const maxTexts = 1 << 14

// eachText calls f for each text of a map of name to text or list of texts, in order. An empty map under a name is an empty list, since
// one language writes both alike.
func eachText(m Value, f func(name, value string)) (err error) {
	left := maxTexts
	bad := m.Ref.(Mapper).Each(func(name string, v Value) bool {
		list, isList := asList(v)
		if left--; isList {
			left -= list.Len()
		}
		switch {
		case left < 0:
			err = fmt.Errorf("has more than %d texts", maxTexts)
			return false
		case v.Kind == Map && v.Ref.(Mapper).Len() == 0:
			return true
		case !isList:
			err = oneText(name, v, f)
			return err == nil
		}
		for i := 0; i < list.Len() && err == nil; i++ {
			err = oneText(name, list.At(i), f)
		}
		return err == nil
	})
	if bad != "" {
		return fmt.Errorf("has a key that is a %s, want a string", bad)
	}
	return err
}

func oneText(name string, v Value, f func(name, value string)) error {
	switch v.Kind {
	case Nil:
		return nil
	case String:
		f(name, v.Str)
		return nil
	case Bool, Int, Float:
		s, err := AppendJSON(nil, v, nil)
		f(name, string(s))
		return err
	case Own:
		if digits, ok := v.Ref.(engine.Number); ok {
			f(name, string(digits))
			return nil
		}
	}
	return fmt.Errorf("has %s under %s, want a text", describeKind(v), quote(name))
}

// text is s, or nothing where it is empty.
func text[S ~string](s S) Value {
	if s == "" {
		return Value{}
	}
	return OfString(string(s))
}

// positive is n, or nothing where it is not above zero.
func positive[I ~int | ~int64](n I) Value {
	if n <= 0 {
		return Value{}
	}
	return OfInt(int64(n))
}

// millis is d in milliseconds, or nothing where it is zero.
func millis(d time.Duration) Value {
	if d == 0 {
		return Value{}
	}
	return OfInt(d.Milliseconds())
}

// untilReset is how many milliseconds are left, 0 when the moment has passed, nothing when it is not known.
func untilReset(at, now time.Time) Value {
	if at.IsZero() {
		return Value{}
	}
	return OfInt(max(0, at.Sub(now).Milliseconds()))
}

// asList returns a list. A map without entries whose language has one form for both is one too.
func asList(v Value) (Lister, bool) {
	l, ok := v.Ref.(Lister)
	return l, ok && (v.Kind == List || v.Kind == Map && l.Len() == 0 && v.Ref.(Mapper).Len() == 0)
}
