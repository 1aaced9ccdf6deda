package proxy

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"sluice/engine"
)

// handleBroken answers what could not be read as a request.
func (s *Server) handleBroken(ctx *fasthttp.RequestCtx, err error) {
	c := connOf(ctx.Conn())
	if !c.active.Load() {
		c.mute = true // it asked nothing, and would take this for the answer to its first request
		return
	}
	r := refuse(engine.CodeBadRequest, "%s", unread(err))
	var small *fasthttp.ErrSmallBuffer
	switch {
	case c.hello:
		r.Message = "this listener speaks plain HTTP: ask it by http"
	case errors.As(err, &small):
		r.Message = "the head of the request is too large"
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, fasthttp.ErrTimeout):
		r = refuse(engine.CodeClientTimeout, "the request did not come in time")
		if s.closing.Load() {
			r = errDraining
		}
	}
	c.linger = true
	id := newRequestID()
	writeRefusal(&ctx.Response, r, id)
	row := engine.Record{RequestID: id, Started: time.Now(), Status: ctx.Response.StatusCode(), Code: r.Code}
	row.Method, row.Path = requestLine(c.start[:c.noted])
	if r.Code == engine.CodeBadRequest && (c.ended || c.failed != nil) { // it left in the middle, though it may listen still
		row.Status, row.Code = statusGone, engine.CodeClientGone
	}
	s.enter(&row)
}

// unreadable says what of a head could not be read, by how the HTTP server's words for it begin. Those may repeat the request, keys and
// all: none of them is passed on.
var unreadable = []struct{ begins, say string }{
	{"cannot find http request method", "the request line has no method"},
	{"unsupported http request method", "the method in the request line is not one"},
	{"extra whitespace in request line", "the request line has a space too many, want METHOD PATH HTTP/1.1"},
	{"cannot find whitespace in the first line", "the request line is too short, want METHOD PATH HTTP/1.1"},
	{"unsupported http version", "the request line names no version that is spoken here, want HTTP/1.1"},
	{"requesturi cannot be empty", "the request line has no path"},
	{"invalid request uri", "the path in the request line is not one"},
	{"invalid header key", "the name of a header has a character that no name may have"},
	{"invalid header value", "the value of a header has a character that no value may have"},
	{"duplicate content-length", "content-length is there twice"},
	{"cannot parse content-length", "content-length is no number"},
	{"unsupported transfer-encoding", "transfer-encoding is not what is spoken here, want chunked"},
	{"too many transfer-encoding", "transfer-encoding is there twice"},
	{"too many host headers", "host is there twice"},
	{"missing required host header", "host is missing"},
	{"contain forbidden trailer", "the trailer header names a header that may not be a trailer"},
}

func unread(err error) string {
	text := strings.TrimPrefix(strings.TrimPrefix(strings.ToLower(err.Error()), "error when reading request headers: "), "fasthttp: ")
	for _, u := range unreadable {
		if strings.HasPrefix(text, u.begins) {
			return u.say
		}
	}
	return "the head of the request could not be read"
}

// requestLine is the method and the path that a request begins with, "" each where it begins otherwise.
func requestLine(start []byte) (method, path string) {
	line, _, _ := bytes.Cut(start, []byte("\n"))
	words := strings.Split(strings.TrimSuffix(string(line), "\r"), " ")
	if len(words) != 3 || !strings.HasPrefix(words[1], "/") || !strings.HasPrefix(words[2], "HTTP/") {
		return "", ""
	}
	path, _, _ = strings.Cut(words[1], "?")
	small := func(r rune) bool { return r < 'A' || r > 'Z' }
	if words[0] == "" || strings.ContainsFunc(words[0], small) || len(words[0]) > maxMethod || !normalPath(path) {
		return "", ""
	}
	return words[0], withoutKey(path)
}
