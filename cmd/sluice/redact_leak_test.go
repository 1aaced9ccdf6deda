package main

import (
	"net/http"
	"strings"
	"testing"

	"sluice/proxy/simulate"
)

const (
	leakKey  = "sk-ant-0123456789abcdef"
	leakMail = "me@example.org"
)

func leaks(text string) bool {
	return strings.Contains(text, leakKey) || strings.Contains(text, leakMail) || strings.Contains(text, "me%40example.org")
}

// An answer is looked at whatever it is: JSON anywhere in it, or any other text.
func TestNoAnswerLeaksBesideItsContent(t *testing.T) {
	l, providers := serveRedacting(t)
	escaped := `\u0073` + leakKey[1:]
	for name, p := range providers {
		f := func(status int, kind, body, want string) {
			t.Helper()
			p.NextReply(status, []simulate.Header{{Name: "content-type", Value: kind}, {Name: "x-odd", Value: "for " + leakMail}}, body)
			resp, got := l.post(t, name, "/v1/messages", plainQuestion)
			if status == 200 && resp.StatusCode == 200 && leaks(resp.Header.Get("x-odd")) || leaks(got) || strings.Contains(got, escaped) || !strings.Contains(got, want) {
				t.Errorf("%s: %d %s %s: got %d %s, want %s", name, status, kind, body, resp.StatusCode, got, want)
			}
		}
		for _, status := range []int{200, 400, 529} {
			f(status, "application/json", `{"type":"error","error":{"type":"x","message":"`+leakKey+`"},"id":"`+leakMail+`"}`, `"id":"[email]"`)
			f(status, "application/json", `{"error":{"type":"`+leakKey+`","type":"a"},"`+leakMail+`":1.0}`, `{"error":{"type":"[key]","type":"a"},"[email]":1.0}`)
			f(status, "application/json", `{"error":{"type":"`+escaped+`"}}`, "[key]")
		}
		f(200, "text/plain", "write to "+leakMail, "write to [email]")
		f(200, "text/html", "<a href='mailto:"+leakMail+"'>"+leakKey, "<a href='mailto:[email]'>[key]")
		f(200, "application/json", `"`+escaped+`"`, `"[key]"`)
		f(200, "application/json", "\ufeff{\"content\":[],\"id\":\""+escaped+`"}`, `"id":"[key]"`)
		f(200, "application/json", `{"content":[],"stop_sequence":"`+leakKey+`","usage":{"input_tokens":1.50}}`, `"stop_sequence":"[key]","usage":{"input_tokens":1.50}`)
		f(200, "application/json", `{"content":[{"type":"thinking","thinking":"`+leakMail+`","signature":"a+/="}]}`, `"thinking":"[email]","signature":"a+/="`)
		f(502, "text/html", "<p>"+leakKey, "no error of the API")
		f(200, "text/plain", "data: sk-ant-01\n\ndata: 23456789abcdef\n\n", "could not be translated")
		f(400, "application/json", `{"error":{"type":"x"},"pad":"`+strings.Repeat("x", 300<<10)+leakKey+`"}`, "could not be translated")
	}
}

// What looks like an address in a file of bytes is a part of something else. A file of text is looked at, up and down.
func TestAFileOfBytesPassesARedactingUpstream(t *testing.T) {
	const head = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x\"\r\n\r\n"
	l, providers := serveRedacting(t)
	for name, p := range providers {
		for _, file := range []string{"\x89PNG\x00\xff" + leakMail, "to " + leakMail} {
			upload, want := head+file+"\r\n--b--\r\n", file
			if !strings.Contains(file, "\x00") {
				want = "to [email]"
			}
			p.NextReply(200, []simulate.Header{{Name: "content-type", Value: "application/octet-stream"}}, file)
			_, got := l.post(t, name, "/v1/files", upload)
			if got != want {
				t.Errorf("%s: an answer of %q: got %q, want %q", name, file, got, want)
			}
			if sent := string(p.Requests()[len(p.Requests())-1].Body); sent != head+want+"\r\n--b--\r\n" {
				t.Errorf("%s: an upload of %q: the upstream saw %q", name, file, sent)
			}
		}
	}
}

// A request is looked at whatever it says, and wherever.
func TestNoRequestLeaksBesideItsMessages(t *testing.T) {
	l, providers := serveRedacting(t)
	for name, p := range providers {
		secret := `"` + leakKey + ` of \u006de@example.org"`
		body := `{"model":"claude-sonnet-4-5","max_tokens":9,"temperature":1.0,"messages":[{"role":"user","content":"hi","name":` + secret + `}],"metadata":{"user_id":` + secret +
			`,"user_id":` + secret + `},"stop_sequences":[` + secret + `],"output_config":{"format":{` + secret + `:1}},"mcp_servers":[{"url":` + secret + `}],` + secret + `:` + secret + `}`
		req, err := http.NewRequest("POST", "http://"+l.listen[0].Addr().String()+"/v1/messages?beta=true&to=me%40example.org&"+leakKey+"=1&c=%20x", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("x-api-key", liveKey+name)
		req.Header.Add("x-note", "a")
		req.Header.Add("x-note", "for "+leakMail)
		resp, err := l.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		for _, r := range p.Requests() {
			head := r.Path + " " + r.Query
			for _, h := range r.Headers {
				head += "\n" + h.Name + ": " + h.Value
			}
			if sent := string(r.Body); leaks(head) || leaks(sent) || strings.Contains(sent, `\u006de`) || !strings.Contains(sent, `"temperature":1.0`) {
				t.Errorf("%s: the upstream saw %s\n%s", name, head, sent)
			}
			if !strings.Contains(head, "beta=true&to=%5Bemail%5D&%5Bkey%5D=1&c=%20x") || !strings.Contains(head, "for [email]") {
				t.Errorf("%s: the upstream saw %s", name, head)
			}
		}
		if len(p.Requests()) != 1 {
			t.Errorf("%s: %d requests", name, len(p.Requests()))
		}
	}
}

// The frames of a stream carry nothing that was not looked at.
func TestNoFrameOfAStreamLeaks(t *testing.T) {
	l, providers := serveRedacting(t)
	const stop = "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"
	for name, p := range providers {
		f := func(stream, want string) {
			t.Helper()
			p.NextAnswer(200, "text/event-stream", stream)
			if _, got := l.post(t, name, "/v1/messages", streamQuestion); leaks(got) || !strings.Contains(got, want) {
				t.Errorf("%s: %s: got %s, want %s", name, stream, got, want)
			}
		}
		f(": "+leakKey+"\n\n"+stop, stop)
		f("id: "+leakKey+"\nretry: 1\nevent: "+leakMail+"\ndata: {\"a\":\""+leakKey+"\"}\n\n"+stop, "event: [email]\ndata: {\"a\":\"[key]\"}\n\n"+stop)
		f("event: "+leakKey+"\nevent: x\ndata: "+leakMail+"\n\n"+stop, "event: x\ndata: [email]\n\n"+stop)
		f(stop+": "+leakKey, stop)
		failure := ": " + leakKey + "\nevent: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"" + leakMail + "\"}}\n\n"
		told := "{\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"[email]\"},\"request_id\":\""
		f(failure, told) // it is the whole answer
		f("event: ping\ndata: {}\n\n"+failure, "event: error\ndata: "+told)
	}
}
