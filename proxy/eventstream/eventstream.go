// Package eventstream reads and writes the frames of AWS event streams, in which Bedrock answers.
package eventstream

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// An AWS event stream is a row of frames: the length of the frame, the length of its headers and the CRC-32 of both, the headers, the
// payload, and the CRC-32 of everything before it. Numbers are big-endian.
const (
	prelude  = 12
	overhead = prelude + 4
	// MaxFrame is the largest frame that is read, in bytes: an event of 1 MiB with its base64 and padding.
	MaxFrame = 2 << 20
)

// Frame is one message of an AWS event stream. Its parts point into what it was read from.
type Frame struct {
	headers []byte
	Payload []byte
}

// ErrCorrupt: an AWS event stream holds what is no frame.
var ErrCorrupt = errors.New("the event stream is corrupt")

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrCorrupt}, args...)...)
}

// Read reads the frame at the start of b, and its length. Zero: b does not hold all of it.
func Read(b []byte) (f Frame, n int, err error) {
	if len(b) < prelude {
		return f, 0, nil
	}
	total, headers := int64(binary.BigEndian.Uint32(b)), int64(binary.BigEndian.Uint32(b[4:]))
	switch {
	case crc32.ChecksumIEEE(b[:8]) != binary.BigEndian.Uint32(b[8:]):
		return f, 0, corrupt("the checksum of a frame's head is wrong")
	case total < overhead+headers:
		return f, 0, corrupt("a frame of %d bytes has %d bytes of headers", total, headers)
	case total > MaxFrame:
		return f, 0, corrupt("a frame has %d bytes, want at most %d", total, MaxFrame)
	case int64(len(b)) < total:
		return f, 0, nil
	}
	end := total - 4
	if crc32.ChecksumIEEE(b[:end]) != binary.BigEndian.Uint32(b[end:]) {
		return f, 0, corrupt("the checksum of a frame is wrong")
	}
	f = Frame{b[prelude : prelude+headers], b[prelude+headers : end]}
	return f, int(total), f.EachHeader(func(string, string) {})
}

// headerSizes are the lengths of a header's value by its type; -1 = two bytes tell it.
var headerSizes = [...]int{0, 0, 1, 2, 4, 8, -1, -1, 8, 16}

const headerText = 7

// EachHeader calls f for each header that is a text. Those of other types are skipped.
func (f Frame) EachHeader(each func(name, value string)) error {
	for b := f.headers; len(b) > 0; {
		n := 1 + int(b[0])
		if len(b) < n+1 || int(b[n]) >= len(headerSizes) {
			return corrupt("a header has no known type")
		}
		name, kind := b[1:n], b[n]
		b = b[n+1:]
		size := headerSizes[kind]
		if size < 0 {
			if len(b) < 2 {
				return corrupt("a header ends early")
			}
			size = int(binary.BigEndian.Uint16(b))
			b = b[2:]
		}
		if len(b) < size {
			return corrupt("a header ends early")
		}
		if kind == headerText {
			each(string(name), string(b[:size]))
		}
		b = b[size:]
	}
	return nil
}

// Append writes a frame with headers of texts, name and value by turns.
func Append(b []byte, payload []byte, headers ...string) []byte {
	start := len(b)
	b = append(b, make([]byte, prelude)...)
	for i := 0; i < len(headers); i += 2 {
		b = append(append(b, byte(len(headers[i]))), headers[i]...)
		b = binary.BigEndian.AppendUint16(append(b, headerText), uint16(len(headers[i+1])))
		b = append(b, headers[i+1]...)
	}
	at := b[start:]
	binary.BigEndian.PutUint32(at[4:], uint32(len(at)-prelude))
	binary.BigEndian.PutUint32(at, uint32(len(at)+len(payload)+4))
	binary.BigEndian.PutUint32(at[8:], crc32.ChecksumIEEE(at[:8]))
	b = append(b, payload...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[start:]))
}
