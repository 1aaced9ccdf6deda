package proxy

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"sluice/engine"
	"sluice/proxy/eventstream"
)

const framePrelude, frameOverhead = 12, 16

func chunkFrame(data string) []byte {
	payload := `{"p":"abcd","bytes":"` + base64.StdEncoding.EncodeToString([]byte(data)) + `"}`
	return eventstream.Append(nil, []byte(payload), ":event-type", "chunk", ":content-type", "application/json", ":message-type", "event")
}

func exceptionFrame(kind, payload string) []byte {
	return eventstream.Append(nil, []byte(payload), ":message-type", "exception", ":exception-type", kind)
}

// unframed reads all of what frames say.
func unframed(r io.Reader) (string, error) {
	resp := &engine.Response{Status: 200, Headers: engine.Headers{{Name: "Content-Type", Value: eventStreamType}}, Body: io.NopCloser(r)}
	unframe(resp)
	if !resp.IsEventStream() {
		return "", errors.New("it is no event stream")
	}
	b, err := io.ReadAll(resp.Body)
	return string(b), err
}

const (
	startData = `{"type":"message_start","message":{}}`
	stopData  = `{"type":"message_stop","amazon-bedrock-invocationMetrics":{"inputTokenCount":1}}`
)

func TestFramesBecomeEvents(t *testing.T) {
	f := func(want string, frames ...[]byte) {
		t.Helper()
		all := bytes.Join(frames, nil)
		for _, r := range []io.Reader{bytes.NewReader(all), iotest.OneByteReader(bytes.NewReader(all)), iotest.DataErrReader(bytes.NewReader(all))} {
			if got, err := unframed(r); got != want || err != nil {
				t.Errorf("got %q, %v, want %q", got, err, want)
			}
		}
	}
	start, stop := "event: message_start\ndata: "+startData+"\n\n", "event: message_stop\ndata: "+stopData+"\n\n"
	f("")
	f(start+stop, chunkFrame(startData), chunkFrame(stopData))
	f(start, eventstream.Append(nil, []byte("{}"), ":message-type", "event", ":event-type", "initial-response"), chunkFrame(startData))
	f(start+"event: error\ndata: {\"exception\":\"throttlingException\",\"message\":\"slow down\"}\n\n",
		chunkFrame(startData), exceptionFrame("throttlingException", `{"message":"slow down"}`))
	f("event: error\ndata: {\"exception\":\"modelStreamErrorException\",\"message\":\"no json\"}\n\n", exceptionFrame("modelStreamErrorException", "no json"))
	f("event: error\ndata: {\"exception\":\"Internal\",\"message\":\"it broke\"}\n\n",
		eventstream.Append(nil, nil, ":message-type", "error", ":error-code", "Internal", ":error-message", "it broke"))
	large := `{"type":"x","text":"` + strings.Repeat("y", 300_000) + `"}`
	f("event: x\ndata: "+large+"\n\n", chunkFrame(large))
	// Headers of every other type are passed over: bools, numbers, bytes, a timestamp, a uuid.
	payload := `{"bytes":"` + base64.StdEncoding.EncodeToString([]byte(startData)) + `"}`
	odd := "\x01a\x00\x01b\x01\x01c\x02.\x01d\x03..\x01e\x04....\x01f\x05........\x01g\x06\x00\x02..\x01h\x08........\x01i\x09................"
	f(start, rawFrame(odd+"\x0d:message-type\x07\x00\x05event\x0b:event-type\x07\x00\x05chunk", payload))
}

// rawFrame is a frame with a header block as it is.
func rawFrame(headers, payload string) []byte {
	whole := eventstream.Append(nil, []byte(headers+payload))
	fixed := append([]byte(nil), whole[:framePrelude]...)
	fixed[7] = byte(len(headers))
	fixed[6] = byte(len(headers) >> 8)
	return resum(append(fixed, whole[framePrelude:]...))
}

// resum writes the checksums of a frame anew.
func resum(b []byte) []byte {
	binary.BigEndian.PutUint32(b[8:], crc32.ChecksumIEEE(b[:8]))
	end := len(b) - 4
	binary.BigEndian.PutUint32(b[end:], crc32.ChecksumIEEE(b[:end]))
	return b
}

// sized is the head of a frame that says these lengths.
func sized(total, headers uint32) []byte {
	b := make([]byte, frameOverhead)
	binary.BigEndian.PutUint32(b, total)
	binary.BigEndian.PutUint32(b[4:], headers)
	return resum(b)
}

func TestWhatIsNoFrameIsAnError(t *testing.T) {
	good := chunkFrame(startData)
	f := func(message string, b []byte) {
		t.Helper()
		got, err := unframed(bytes.NewReader(append(append([]byte(nil), good...), b...)))
		if !errors.Is(err, eventstream.ErrCorrupt) || !strings.Contains(err.Error(), message) || !strings.Contains(got, startData) {
			t.Errorf("got %q, %v, want %q", got, err, message)
		}
	}
	flip := func(at int) []byte {
		b := append([]byte(nil), good...)
		b[(at+len(b))%len(b)] ^= 1
		return b
	}
	for at := range framePrelude {
		f("checksum of a frame's head", flip(at))
	}
	for at := framePrelude; at < len(good); at++ {
		f("checksum of a frame is wrong", flip(at))
	}
	for n := 1; n < len(good); n++ {
		f("it ended within a frame", good[:n])
	}
	f("a chunk has no bytes", eventstream.Append(nil, []byte(`{}`), ":message-type", "event", ":event-type", "chunk"))
	f("not base64", eventstream.Append(nil, []byte(`{"bytes":"??"}`), ":message-type", "event", ":event-type", "chunk"))
	f("not JSON", chunkFrame("<html>"))
	f("not JSON", chunkFrame(`{"type":"ping"`))
	f("not JSON", chunkFrame(""))
	f("the type of an event is", chunkFrame(`{"type":"a\nb"}`))
	f("no known type", rawFrame("\x01a\x0a", ""))
	f("ends early", rawFrame("\x01a\x07\x00\x09x", ""))
	f("no known type", rawFrame("\x09a", ""))
	f("want at most", sized(eventstream.MaxFrame+1, 0))
	f("bytes of headers", sized(20, 90))
}

func TestEventsBecomeFrames(t *testing.T) {
	events := "event: message_start\ndata: " + startData + "\n\n: comment\n\nevent: vertex_event\n\nevent: message_stop\r\ndata: " + stopData + "\r\n\r\n"
	for size := 1; size < len(events); size += 7 {
		var out bytes.Buffer
		w := &framer{to: &out}
		for rest := events; rest != ""; rest = rest[min(size, len(rest)):] {
			if n, err := w.Write([]byte(rest[:min(size, len(rest))])); err != nil || n != min(size, len(rest)) {
				t.Fatal(n, err)
			}
		}
		got, err := unframed(&out)
		if want := "event: message_start\ndata: " + startData + "\n\nevent: message_stop\ndata: " + stopData + "\n\n"; got != want || err != nil {
			t.Errorf("%d: got %q, %v, want %q", size, got, err, want)
		}
	}
	var out bytes.Buffer
	_, _ = (&framer{to: &out}).Write([]byte("event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"full\"}}\n\n"))
	got, err := unframed(&out)
	if want := "event: error\ndata: {\"exception\":\"serviceUnavailableException\",\"message\":\"full\"}\n\n"; got != want || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

func FuzzFrames(f *testing.F) {
	f.Add(chunkFrame(startData))
	f.Add(append(chunkFrame(startData), exceptionFrame("x", "{}")...))
	f.Add([]byte("\x00\x00\x00\x10\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		whole, err := unframed(bytes.NewReader(b))
		pieces, err2 := unframed(iotest.HalfReader(bytes.NewReader(b)))
		if whole != pieces || (err == nil) != (err2 == nil) {
			t.Errorf("in one piece %q, %v; in several %q, %v", whole, err, pieces, err2)
		}
		// What is framed again says the same.
		data := `{"type":"x","n":"` + base64.StdEncoding.EncodeToString(b) + `"}`
		if got, err := unframed(bytes.NewReader(chunkFrame(data))); got != "event: x\ndata: "+data+"\n\n" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
	})
}
