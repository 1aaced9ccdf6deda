package runtimes

import (
	"bytes"
	"fmt"
	"strings"

	"sluice/engine"
)

// The bounds of what one call of transform_event returns.
const (
	maxEvents     = 1000
	maxEventBytes = 2 << 20 // twice what the largest event that is seen has
	maxEventName  = 256     // bytes
)

// DecodeReply reads what transform_response returned; nil passes the original. What is not given is r's as it was edited.
func DecodeReply(r *Response, v Value) (*engine.Reply, error) {
	if v.Kind == Nil {
		return r.Reply(), nil
	}
	if v.Kind != Map {
		return nil, invalid(engine.OutputShape, "transform_response returned %s, want {status, headers, body} or nothing", describe(v))
	}
	var err error
	bad := v.Ref.(Mapper).Each(func(key string, v Value) bool {
		err = r.take(key, v)
		return err == nil
	})
	switch {
	case err != nil:
		return nil, invalid(engine.OutputShape, "transform_response returned %v", err)
	case bad != "":
		return nil, invalid(engine.OutputShape, "transform_response returned a map with a key that is a %s, want a string", bad)
	}
	return r.Reply(), nil
}

var replyKeys = []string{"status", "headers", "body"}

// take makes a part of what was returned a part of the answer. Headers are set, and those that are not named stay.
func (r *Response) take(key string, v Value) error {
	if v.Kind == Nil {
		return nil // as if it were left out
	}
	switch key {
	case "status":
		if err := r.setStatus(v); err != nil {
			return fmt.Errorf("a status that %w", err)
		}
	case "headers":
		return r.takeHeaders(v)
	case "body":
		b, err := r.call.bytesOf(v)
		if err != nil {
			return fmt.Errorf("a body that cannot be written: %w", err)
		}
		r.body.doc.Replace(b)
	default:
		return fmt.Errorf("a map with the key %s%s", quote(key), Suggest(key, replyKeys))
	}
	return nil
}

// isEmpty is true for a list and a map of nothing, which one language writes alike.
func isEmpty(v Value) bool {
	list, isList := asList(v)
	return isList && list.Len() == 0 || v.Kind == Map && v.Ref.(Mapper).Len() == 0
}

func (r *Response) takeHeaders(v Value) error {
	if isEmpty(v) {
		return nil
	}
	if v.Kind != Map {
		return fmt.Errorf("%s under headers, want a map of name to text", describe(v))
	}
	var given engine.Headers
	if err := eachText(v, func(name, value string) { given.Add(name, value) }); err != nil {
		return fmt.Errorf("headers, of which the map %w", err)
	}
	for _, line := range given {
		if !headerName(line.Name) || strings.ContainsAny(line.Value, "\r\n\x00") {
			return fmt.Errorf("header %s, whose name is no token or whose value holds CR, LF or NUL", quote(line.Name))
		}
	}
	r.headers.copied()
	for _, line := range given {
		r.headers.lines.Remove(line.Name)
	}
	*r.headers.lines = append(*r.headers.lines, given...)
	return r.headers.bounded("headers")
}

// DecodeEvents reads what transform_event returned for an event; nil passes it unchanged.
func DecodeEvents(received *StreamEvent, v Value) ([]engine.StreamEvent, error) {
	if v.Kind == Nil {
		return nil, nil
	}
	list, ok := asList(v)
	switch {
	case !ok:
		return nil, invalid(engine.OutputShape, "transform_event returned %s, %v", describe(v), errNoEvents)
	case list.Len() > maxEvents:
		return nil, invalid(engine.OutputShape, "transform_event returned %d events, want at most %d", list.Len(), maxEvents)
	}
	out := make([]engine.StreamEvent, list.Len())
	size := 0
	for i := range out {
		if err := received.decode(&out[i], list.At(i)); err != nil {
			return nil, err
		}
		if size += onWire(&out[i]); size > maxEventBytes {
			return nil, invalid(engine.OutputShape, "transform_event returned more than %d MiB of data", maxEventBytes>>20)
		}
	}
	return out, nil
}

// onWire is about what an event takes in a stream, in bytes: each of its lines is named there.
func onWire(e *engine.StreamEvent) int {
	lines := bytes.Count(e.Data, []byte{'\n'}) + bytes.Count(e.Data, []byte{'\r'})
	return max(e.Size, len(e.Name)+len(e.Data)+len("data: ")*lines)
}

// Made is about what events take, in bytes.
func Made(events []engine.StreamEvent) (size int) {
	for i := range events {
		size += max(events[i].Size, len(events[i].Data))
	}
	return size
}

// decode reads one event of a list.
func (e *StreamEvent) decode(to *engine.StreamEvent, v Value) error {
	switch {
	case v.Kind == Host && v.Ref == any(e) && e.of.End:
		return invalid(engine.OutputShape, "transform_event returned $end, which is no event of the stream")
	case v.Kind == Host && v.Ref == any(e):
		*to = e.of
		to.Received = true
		return nil
	case v.Kind != Map:
		return invalid(engine.OutputShape, "transform_event returned %s in its list, %v", describe(v), errNoEvents)
	}
	hasData := false
	var err error
	bad := v.Ref.(Mapper).Each(func(key string, v Value) bool {
		switch key {
		case "name":
			err = putEventName(&to.Name, v)
		case "data":
			hasData = true
			if to.Data, err = e.call.bytesOf(v); err != nil {
				err = invalid(engine.OutputShape, "transform_event returned an event whose data cannot be written: %v", err)
			}
		default:
			err = invalid(engine.OutputShape, "transform_event returned an event with the key %s%s", quote(key),
				Suggest(key, []string{"name", "data"}))
		}
		return err == nil
	})
	switch {
	case err != nil:
		return err
	case bad != "":
		return invalid(engine.OutputShape, "transform_event returned an event with a key that is a %s, want a string", bad)
	case !hasData:
		return invalid(engine.OutputShape, "transform_event returned an event without data, want {name, data}")
	}
	return nil
}

func putEventName(to *string, v Value) error {
	if len(v.Str) > maxEventName {
		return invalid(engine.OutputShape, "transform_event returned an event whose name has %d bytes, want at most %d", len(v.Str), maxEventName)
	}
	if v.Str == engine.EndEvent {
		return invalid(engine.OutputShape, "transform_event returned an event with the name %s, want another: it tells a script that the answer is over", describe(v))
	}
	if v.Kind != String && v.Kind != Nil || strings.ContainsAny(v.Str, "\r\n\x00") {
		return invalid(engine.OutputShape, "transform_event returned an event with the name %s, want a text without CR, LF and NUL", describe(v))
	}
	*to = v.Str
	return nil
}
