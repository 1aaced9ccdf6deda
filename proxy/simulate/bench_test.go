package simulate_test

import (
	"bytes"
	"io"
	"testing"
	"time"

	"sluice/proxy/simulate"
)

// ends reads from a connection up to an end that stands at the end of a read.
func ends(b *testing.B, c io.Reader, buf, end []byte) {
	for {
		n, err := c.Read(buf)
		if err != nil {
			b.Fatal(err)
		}
		if bytes.HasSuffix(buf[:n], end) {
			return
		}
	}
}

func benchmark(b *testing.B, o simulate.Options, text, end string) {
	o.Keep = -1
	p := start(b, o)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		c := dial(b, p)
		_ = c.SetDeadline(time.Time{})
		buf := make([]byte, 64<<10)
		for pb.Next() {
			if _, err := io.WriteString(c, text); err != nil {
				b.Error(err)
				return
			}
			ends(b, c, buf, []byte(end))
		}
	})
}

func BenchmarkMessage(b *testing.B) {
	benchmark(b, simulate.Options{}, askHello, `"us"}}`)
}

func BenchmarkStreamOf27Events(b *testing.B) {
	benchmark(b, simulate.Options{Words: 21}, askStream, "0\r\n\r\n")
}

func BenchmarkStreamOf27EventsInOneChunk(b *testing.B) {
	benchmark(b, simulate.Options{Words: 21, Burst: 27}, askStream, "0\r\n\r\n")
}
