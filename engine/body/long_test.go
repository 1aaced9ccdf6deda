package body_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"sluice/engine/body"
)

// Wherever a piece of a long text ends, within an escape or a character, the text reads as encoding/json reads it.
func TestLongTextsDecodeAsShortOnesDo(t *testing.T) {
	const long = 16 << 10 // that is read in more than one piece
	for _, unit := range []string{"a", "é", "日", "😀", `\n`, `\u00e9`, `\ud83d\ude00`, `\ud83d`, "\xff", "\x80", "\xe6\x97", "\xf0\x9f\x98", `\\`, `\"`} {
		for shift := range 12 {
			src := []byte(`{"k":["` + strings.Repeat("x", shift) + strings.Repeat(unit, 2*long/len(unit)) + `", 1]}`)
			got, err := body.Decode[any](src, goBuilder{})
			if want, ok := oracle(src); err != nil || !ok || !reflect.DeepEqual(got, want) {
				t.Errorf("%d bytes, then %q over and over: %v, and not what encoding/json reads", shift, unit, err)
			}
		}
	}
	for _, src := range []string{strings.Repeat("x", 2*long), strings.Repeat("x", long-2) + "\n", strings.Repeat(`\n`, long) + "\x00"} {
		got, err := body.Decode[any]([]byte(`"`+src), goBuilder{})
		_, want := body.Scan([]byte(`"` + src))
		if err == nil || err.Error() != want.Error() {
			t.Errorf("%d bytes: %.20v, %v, want %v", len(src), got, err, want)
		}
	}
}

// Wherever a piece of a long text ends, it is written as the whole would be.
func TestLongTextsAreWrittenAsShortOnesAre(t *testing.T) {
	const long = 64 << 10 // that is written in more than one piece
	for _, unit := range []string{"a", "é", "日", "😀", "\n", "\x80", "\xe6\x97", "\xf0\x9f\x98"} {
		for shift := range 4 {
			want := `"` + strings.Repeat("x", shift)
			one := body.AppendString(nil, unit)
			want += strings.Repeat(string(one[1:len(one)-1]), 3*long/len(unit)) + `"`
			if got := body.AppendString(nil, strings.Repeat("x", shift)+strings.Repeat(unit, 3*long/len(unit))); string(got) != want {
				t.Errorf("%d bytes, then %q over and over: it is written otherwise", shift, unit)
			}
		}
	}
}

// restless counts the pauses, and ends the decoding at one of them.
type restless struct {
	countBuilder
	pauses *int
	most   int
}

func (r restless) Pause() {
	if *r.pauses++; *r.pauses == r.most {
		panic(r)
	}
}

func TestLongTextsAreDecodedWithPauses(t *testing.T) {
	const size, piece = 1 << 20, 16 << 10
	for name, src := range map[string]string{
		"a list":               "[" + strings.Repeat("1,", size/2) + "1]",
		"lists within lists":   "[" + strings.Repeat("[[]],", size/5) + "1]",
		"an object":            `{"k":0` + strings.Repeat(`,"k":1`, size/6) + "}",
		"a string":             `"` + strings.Repeat("x", size) + `"`,
		"a string of escapes":  `"` + strings.Repeat(`\n`, size/2) + `"`,
		"a key":                `{"` + strings.Repeat("x", size) + `":1}`,
		"strings of some size": "[" + strings.Repeat(`"`+strings.Repeat("x", piece/2)+`",`, 2*size/piece) + "1]",
	} {
		n := 0
		if _, err := body.Decode[int]([]byte(src), restless{pauses: &n}); err != nil {
			t.Fatal(err)
		}
		if least := size / piece; n < 2*least*9/10 || n > 4*least { // each half of it is for checking or for building
			t.Errorf("%s of %d KiB is decoded with %d pauses, want about %d", name, size>>10, n, 2*least)
		}
		for _, most := range []int{1, n} {
			var ended any
			func() {
				defer func() { ended = recover() }()
				n = 0
				_, _ = body.Decode[int]([]byte(src), restless{pauses: &n, most: most})
			}()
			if _, ok := ended.(restless); !ok || n != most {
				t.Errorf("%s: %d pauses and %v, want it to end at pause %d", name, n, fmt.Sprintf("%T", ended), most)
			}
		}
	}
	n := 0
	if _, err := body.Decode[int]([]byte(`"`+strings.Repeat("x", piece-2)+`"`), restless{pauses: &n}); err != nil || n != 0 {
		t.Errorf("%v, %d pauses in a short text", err, n)
	}
}
