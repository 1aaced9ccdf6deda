package body_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"sluice/engine/body"
)

func TestAppendStringEscapesOnlyWhatItMust(t *testing.T) {
	t.Parallel()
	f := func(s, want string) {
		t.Helper()
		for _, room := range []int{1, 100} { // it looks for a shorter way where there is room
			if got := string(body.AppendString(append(make([]byte, 0, room), 'x'), s)); got != "x"+want {
				t.Errorf("%q: got %s, want %s", s, got[1:], want)
			}
		}
	}
	f("", `""`)
	f("plain, and long enough for several words", `"plain, and long enough for several words"`)
	f("<a href=\"x\">&amp;</a>", `"<a href=\"x\">&amp;</a>"`)
	f("\b\f\n\r\t\\/", `"\b\f\n\r\t\\/"`)
	f("\x00\x1f\x7f", "\"\\u0000\\u001f\x7f\"")
	f("1234567\"12345678\\", `"1234567\"12345678\\"`)
	f("\u2028\u2029", "\"\u2028\u2029\"")
	f("日本 😀 \ufffd", "\"日本 😀 \ufffd\"")
	f("a\xffb\"\n\xe6\x97", `"a\ufffdb\"\n\ufffd\ufffd"`)
	f("\ufffd\xff", "\"\ufffd\\ufffd\"")
	f("\xed\xa0\x80", `"\ufffd\ufffd\ufffd"`)
}

// TestAppendStringSeesEveryByteWhereverItStands puts each byte at each place of a text of words and of what is left behind them.
func TestAppendStringSeesEveryByteWhereverItStands(t *testing.T) {
	t.Parallel()
	for at := range 19 {
		for c := range 256 {
			text := []byte("a claude-sonnet-4-5")
			text[at] = byte(c)
			got, want := body.AppendString(make([]byte, 0, 64), string(text)), body.AppendString(nil, string(text))
			if !bytes.Equal(got, want) || bytes.Equal(got[1:len(got)-1], text) != (c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf) {
				t.Fatalf("%q: %s, and %s where there is no room", text, got, want)
			}
		}
	}
}

func FuzzAppendString(f *testing.F) {
	f.Add("plain")
	f.Add("<&>\u2028\u2029 \x00\x1f\"\\ \xff 日本 \xed\xa0\x80\n\t\r\b\f\x7f")
	f.Fuzz(func(t *testing.T, s string) {
		var want bytes.Buffer
		encoder := json.NewEncoder(&want)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(s); err != nil {
			t.Fatal(err)
		}
		got, roomy := string(body.AppendString(nil, s)), string(body.AppendString(make([]byte, 0, len(s)+2), s))
		if got != roomy {
			t.Fatalf("got %s, and %s where there is room", got, roomy)
		}
		raw := strings.NewReplacer(`\\`, `\\`, `\u2028`, "\u2028", `\u2029`, "\u2029")
		oracle := raw.Replace(strings.TrimSuffix(want.String(), "\n"))
		if got != oracle {
			t.Fatalf("got %s, want %s", got, oracle)
		}
		if back, ok := value(t, got).Text(); !ok || utf8.ValidString(s) && back != s || !utf8.ValidString(back) {
			t.Fatalf("%q came back as %q", s, back)
		}
	})
}

func TestAppendIntWritesDecimals(t *testing.T) {
	t.Parallel()
	f := func(n int64, want string) {
		t.Helper()
		if got := string(body.AppendInt([]byte("x"), n)); got != "x"+want {
			t.Errorf("%d: got %s", n, got)
		}
	}
	f(0, "0")
	f(math.MinInt64, "-9223372036854775808")
	f(math.MaxInt64, "9223372036854775807")
}

func TestAppendFloatIsShortAndReadsBack(t *testing.T) {
	t.Parallel()
	f := func(x float64, want string) {
		t.Helper()
		got, err := body.AppendFloat([]byte("x"), x)
		if err != nil || string(got) != "x"+want {
			t.Errorf("%v: got %s, %v, want %s", x, got, err, want)
		}
	}
	f(0, "0")
	f(math.Copysign(0, -1), "0")
	f(3, "3")
	f(-3, "-3")
	f(0.1, "0.1")
	f(1.0/3, "0.3333333333333333")
	f(1<<53, "9007199254740992")
	f(123456789012345680000, "123456789012345680000")
	f(1e21, "1e+21")
	f(1e-6, "0.000001")
	f(-1.5e-7, "-1.5e-07")
	f(math.MaxFloat64, "1.7976931348623157e+308")
	f(math.SmallestNonzeroFloat64, "5e-324")
}

func TestAppendFloatRefusesWhatJSONHasNot(t *testing.T) {
	t.Parallel()
	f := func(x float64, want string) {
		t.Helper()
		if got, err := body.AppendFloat([]byte("x"), x); err == nil || err.Error() != want || string(got) != "x" {
			t.Errorf("%v: got %s, %v, want %s", x, got, err, want)
		}
	}
	f(math.NaN(), "JSON has no number for NaN")
	f(math.Inf(1), "JSON has no number for +Inf")
	f(math.Inf(-1), "JSON has no number for -Inf")
}

func FuzzAppendFloat(f *testing.F) {
	f.Add(uint64(0))
	f.Add(math.Float64bits(0.1))
	f.Add(math.Float64bits(1e21))
	f.Fuzz(func(t *testing.T, bits uint64) {
		x := math.Float64frombits(bits)
		got, err := body.AppendFloat(nil, x)
		if _, oracle := json.Marshal(x); (err == nil) != (oracle == nil) {
			t.Fatalf("%v: got %v, encoding/json %v", x, err, oracle)
		}
		if err != nil {
			return
		}
		if back, ok := value(t, string(got)).Float(); !ok || back != x {
			t.Fatalf("%v was written as %s and came back as %v", x, got, back)
		}
		if x == math.Trunc(x) && bytes.ContainsRune(got, '.') && !bytes.ContainsRune(got, 'e') {
			t.Fatalf("%v was written as %s", x, got)
		}
	})
}

func TestEncodingIntoRoomAllocatesNothing(t *testing.T) {
	dst := make([]byte, 0, 1024)
	text := strings.Repeat("a \"quoted\" line\n\x01 日本\xff", 10)
	if n := testing.AllocsPerRun(100, func() { body.AppendString(dst, text) }); n != 0 {
		t.Errorf("AppendString: %v allocations", n)
	}
	if n := testing.AllocsPerRun(100, func() { _, _ = body.AppendFloat(dst, 0.1) }); n != 0 {
		t.Errorf("AppendFloat: %v allocations", n)
	}
}

// A long text is written as AppendString writes it, and grown is told of it piece by piece.
func TestALongTextIsWrittenAsAShortOne(t *testing.T) {
	t.Parallel()
	for _, unit := range []string{"a", "\x01", "é\"", "\xff", "a\xc3", "日本"} {
		text := strings.Repeat(unit, 300_000/len(unit))
		told, whole := 0, errors.New("enough")
		got, err := (body.Pieces{}).AppendLong([]byte("x"), text, func(dst []byte) error { told++; return nil })
		if want := body.AppendString([]byte("x"), text); err != nil || string(got) != string(want) || told < 3 {
			t.Errorf("%q: %d bytes, %v, told %d times, want %d bytes", unit, len(got), err, told, len(want))
		}
		if got, err := (body.Pieces{}).AppendLong(nil, text, func([]byte) error { return whole }); err != whole || len(got) > 1<<20 {
			t.Errorf("%q: %d bytes, %v, want the end after a piece", unit, len(got), err)
		}
	}
}
