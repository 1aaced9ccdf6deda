package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"sluice/proxy/eventstream"
)

// isFramed matches the head of an AWS event stream. In the files of testdata/exchanges its frames are lines: "chunk JSON", or
// "exception NAME JSON".
var isFramed = regexp.MustCompile(`(?i)content-type: application/vnd\.amazon\.eventstream`)

// pieces is a body as a provider sends it: an event or a frame at a time.
func pieces(head, body string) []string {
	switch {
	case isFramed.MatchString(head):
		var out []string
		for line := range strings.Lines(body) {
			out = append(out, string(frame(strings.TrimSpace(line))))
		}
		return out
	case strings.Contains(head, "text/event-stream"):
		return strings.SplitAfter(body, "\n\n")
	}
	return []string{body}
}

func frame(line string) []byte {
	what, rest, _ := strings.Cut(line, " ")
	if what == "exception" {
		name, payload, _ := strings.Cut(rest, " ")
		return eventstream.Append(nil, []byte(payload), ":exception-type", name, ":content-type", "application/json", ":message-type", "exception")
	}
	payload := `{"bytes":"` + base64.StdEncoding.EncodeToString([]byte(rest)) + `","p":"abcdefghij"}`
	return eventstream.Append(nil, []byte(payload), ":event-type", "chunk", ":content-type", "application/json", ":message-type", "event")
}

func showFrames(b []byte) string {
	var out strings.Builder
	for len(b) > 0 {
		f, n, err := eventstream.Read(b)
		if n == 0 || err != nil {
			return fmt.Sprintf("%s(then %d bytes that are no frame: %v)", out.String(), len(b), err)
		}
		b = b[n:]
		name := ""
		_ = f.EachHeader(func(key, value string) {
			if key == ":exception-type" {
				name = value
			}
		})
		if name != "" {
			fmt.Fprintf(&out, "exception %s %s\n", name, f.Payload)
			continue
		}
		var chunk struct{ Bytes []byte }
		if err := json.Unmarshal(f.Payload, &chunk); err != nil {
			fmt.Fprintf(&out, "a chunk that is none: %s\n", f.Payload)
			continue
		}
		fmt.Fprintf(&out, "chunk %s\n", chunk.Bytes)
	}
	return strings.TrimSuffix(out.String(), "\n")
}
