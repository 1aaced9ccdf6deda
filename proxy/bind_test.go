package proxy_test

import (
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"sluice/engine"
	"sluice/engine/bindings"
	"sluice/proxy/simulate"
)

const upload = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x.txt\"\r\nContent-Type: text/plain\r\n\r\nhello\r\n--b--\r\n"

// TestAFileIsUsedWhereItWasMadeByWhoMadeIt has two accounts that two principals share.
func TestAFileIsUsedWhereItWasMadeByWhoMadeIt(t *testing.T) {
	a, b := simulated(t, simulate.Options{Name: "a", Key: "provider-key"}), simulated(t, simulate.Options{Name: "b", Key: "provider-key"})
	r := newRig(t, upstream("a", a.URL()), upstream("b", b.URL()))
	bob := &engine.Principal{ID: "bob", Name: "bob", Kind: engine.PrincipalAPIKey, Paths: []string{"*"}}
	r.keys["bob-key"] = bob
	r.gen.Principals = []*engine.Principal{r.alice, bob}
	known, err := bindings.Open(filepath.Join(t.TempDir(), "bindings.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { known.Close() })
	r.gen.Bindings = known
	elsewhere := 0 // where the filter sends what it may
	r.filter(func(_ *engine.RequestContext, _ *engine.Principal, c []engine.UpstreamCandidate) (engine.FilterOutput, error) {
		if len(c) == 2 {
			c = c[elsewhere : elsewhere+1]
		}
		return keepAll(c), nil
	})
	r.start()
	send := func(key, method, path, body string, headers ...string) reply {
		t.Helper()
		return r.do(request(method, path, body, append(headers, "x-api-key: "+key, "anthropic-version: 2023-06-01",
			"anthropic-beta: files-api-2025-04-14")...))
	}
	made := send("alice-key", "POST", "/v1/files", upload, "Content-Type: multipart/form-data; boundary=b")
	var file struct{ ID string }
	if err := json.Unmarshal([]byte(made.body), &file); err != nil || made.StatusCode != 200 || file.ID == "" {
		t.Fatalf("%d %s: %v", made.StatusCode, made.body, err)
	}
	f := func(key, method, path, want string) {
		t.Helper()
		if got := send(key, method, path, "").code(); got != want {
			t.Errorf("%s %s %s: %s, want %s", key, method, path, got, want)
		}
	}
	elsewhere = 1
	f("alice-key", "GET", "/v1/files/"+file.ID, "200 ")
	if got := send("alice-key", "GET", "/v1/files/"+file.ID+"/content", ""); got.body != "hello" {
		t.Errorf("%d %q", got.StatusCode, got.body)
	}
	f("bob-key", "GET", "/v1/files/"+file.ID, "404 path_not_served")
	f("bob-key", "DELETE", "/v1/files/"+file.ID, "404 path_not_served")
	f("bob-key", "GET", "/v1/files", "404 path_not_served")
	body := strings.Replace(hello, `"hi"`, `[{"type":"document","source":{"type":"file","file_id":"`+file.ID+`"}}]`, 1)
	if got := send("bob-key", "POST", "/v1/messages", body).code(); got != "404 path_not_served" {
		t.Errorf("a message with another's file: %s", got)
	}
	batch := `{"requests":[{"custom_id":"1","params":` + hello + `}]}`
	var b1 struct{ ID string }
	if got := send("bob-key", "POST", "/v1/messages/batches", batch); json.Unmarshal([]byte(got.body), &b1) != nil || got.StatusCode != 200 {
		t.Fatalf("%d %s", got.StatusCode, got.body)
	}
	elsewhere = 0
	f("bob-key", "GET", "/v1/messages/batches/"+b1.ID+"/results", "200 ")
	f("bob-key", "POST", "/v1/messages/batches/"+b1.ID+"/cancel", "200 ")
	f("alice-key", "GET", "/v1/messages/batches/"+b1.ID, "404 path_not_served")
	f("alice-key", "DELETE", "/v1/files/"+file.ID, "200 ")
	if _, still := known.Lookup(file.ID); still {
		t.Error("a file that was deleted is still bound")
	}
	if _, bound := known.Lookup(b1.ID); !bound {
		t.Error("a batch is not bound")
	}
	f("alice-key", "GET", "/v1/files/"+file.ID, "404 path_not_served")
}

// TestAnAnswerThatMakesSomethingPassesAsItCame plays answers that are not what is expected of one.
func TestAnAnswerThatMakesSomethingPassesAsItCame(t *testing.T) {
	f := func(answer, wantBody, wantBound string) {
		t.Helper()
		p := plays(t, func(s *stage) {
			s.next()
			s.say(answer)
		})
		r := newRig(t, p.upstream("a"))
		known, err := bindings.Open(filepath.Join(t.TempDir(), "bindings.jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		defer known.Close()
		r.gen.Bindings = known
		r.start()
		c := r.dial().send(post("/v1/files", "x"))
		if wantBody == "" {
			if got := c.read("POST"); got.err == nil {
				t.Errorf("%.60q: %.60q came of it, whole", answer, got.body)
			}
		} else if got := c.read("POST"); got.body != wantBody {
			t.Errorf("%.60q: %.60q (%d bytes), %v", answer, got.body, len(got.body), got.err)
		}
		if b, bound := known.Lookup("file_1"); bound != (wantBound != "") || bound && b.Principal != wantBound {
			t.Errorf("%.60q: bound to %q", answer, b.Principal)
		}
	}
	long := `{"id":"file_1","x":"` + strings.Repeat("x", 100<<10) + `"}`
	f(ok(`{"id":"file_1"}`), `{"id":"file_1"}`, "alice")
	f(ok(long), long, "")
	f(ok(`not json`), `not json`, "")
	f(ok(`{"id":7}`), `{"id":7}`, "")
	f("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nf\r\n{\"id\":\"file_1\"}\r\n0\r\n\r\n", `{"id":"file_1"}`, "alice")
	f("HTTP/1.1 400 Bad\r\nContent-Length: 15\r\n\r\n{\"id\":\"file_1\"}", `{"id":"file_1"}`, "")
	f("HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{\"id\":\"file_1\"}", "", "alice") // cut off, but made
}

// asksForABatch is what the SDK for TypeScript asks before it asks for the results, wherever the answer says that they are.
const asksForABatch = "GET /v1/messages/batches/msgbatch_1 HTTP/1.1\r\nhost: 127.0.0.1:18796\r\nconnection: keep-alive\r\nAccept: application/json\r\n" +
	"User-Agent: Anthropic/JS 1.14.0\r\nX-Stainless-Retry-Count: 0\r\nX-Stainless-Timeout: 600\r\nX-Stainless-Lang: js\r\n" +
	"X-Stainless-Package-Version: 1.14.0\r\nX-Stainless-OS: Linux\r\nX-Stainless-Arch: x64\r\nX-Stainless-Runtime: node\r\n" +
	"X-Stainless-Runtime-Version: v20.20.2\r\nanthropic-version: 2026-10-21\r\nauthorization: Bearer alice-key\r\naccept-language: *\r\n" +
	"sec-fetch-mode: cors\r\naccept-encoding: gzip, deflate\r\n\r\n"

// TestTheResultsOfABatchAreAskedForHere: a library takes a path for one of its base URL, and goes anywhere else with the key for the gateway.
func TestTheResultsOfABatchAreAskedForHere(t *testing.T) {
	f := func(what, answer, wanted string) {
		t.Helper()
		p := plays(t, func(s *stage) {
			s.next()
			s.say(answer)
		})
		c := newRig(t, p.upstream("a")).start().dial().send(asksForABatch)
		got := c.read("GET")
		if wanted == "" {
			if got.err == nil {
				t.Errorf("%s: %.80q came of it, whole", what, got.body)
			}
			return
		}
		want(t, what, got.body, wanted)
	}
	const (
		path = "/v1/messages/batches/msgbatch_1/results"
		far  = `{"id":"msgbatch_1", "results_url": "https://api.anthropic.com` + path + `","x":1.0}`
		near = `{"id":"msgbatch_1", "results_url": "` + path + `","x":1.0}`
	)
	f("ended", ok(far), near)
	f("chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"+fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(far), far), near)
	f("a path already", ok(near), near)
	f("in progress", ok(`{"id":"msgbatch_1","results_url":null}`), `{"id":"msgbatch_1","results_url":null}`)
	f("somewhere else", ok(`{"results_url":"https://x.example/1?k=v"}`), `{"results_url":"https://x.example/1?k=v"}`)
	f("no JSON", ok("not json"), "not json")
	f("an error", strings.Replace(ok(far), "200", "404", 1), far)
	f("cut off", "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"+far, "")
}

// Whoever makes a batch, or cancels one, gets its results here too.
func TestTheAnswerThatIsABatchTellsThatItsResultsAreHere(t *testing.T) {
	const path = "/v1/messages/batches"
	far := `{"id":"b1","results_url":"https://api.anthropic.com` + path + `/b1/results"}`
	r := newRig(t, plays(t, answers(ok(far))).upstream("a")).start()
	for _, asked := range []string{path, path + "/b1/cancel"} {
		got := r.do(request("POST", asked, `{"requests":[]}`, "x-api-key: alice-key"))
		want(t, asked, got.body, `{"id":"b1","results_url":"`+path+`/b1/results"}`)
	}
}

// TestAListOfBatchesTellsThatTheirResultsAreHere: all that is no address of results stays.
func TestAListOfBatchesTellsThatTheirResultsAreHere(t *testing.T) {
	const provider, path = "https://api.anthropic.com", "/v1/messages/batches"
	f := func(what, list string) {
		t.Helper()
		far, near := strings.ReplaceAll(list, "HERE", provider+path), strings.ReplaceAll(list, "HERE", path)
		r := newRig(t, plays(t, answers(ok(far))).upstream("a")).start()
		if got := r.do(request("GET", path+"?limit=3", "", "x-api-key: alice-key")); got.body != near || got.err != nil {
			t.Errorf("%s: %.200q (%d bytes), %v, want %.200q (%d bytes)", what, got.body, len(got.body), got.err, near, len(near))
		}
	}
	f("empty", `{"data": [ ],"has_more":false}`)
	f("several", `{"x":1.0,"data": [ {"id":"b1","results_url": "HERE/b1/results"} , {"id":"b2","results_url":null},{"results_url":"HERE/b3/results", "id":"b3"}`+"\n"+`], "first_id":"b1"}`)
	f("elsewhere", `{"data":[{"id":"b1","results_url":"https://x.example/1?k=v"},{"id":"b2","results_url":"`+provider+path+`/b1/results"}]}`)
	f("at another level", `{"results_url":"`+provider+path+`/b1/results","data":[{"id":"b1","x":{"id":"b2","results_url":"`+provider+path+`/b2/results"}}]}`)
	f("long", `{"data":[`+strings.Repeat(`{"id":"b1","results_url":"HERE/b1/results","x":"`+strings.Repeat("x", 400)+`"},`, 999)+`{"id":"b2","results_url":"HERE/b2/results"}]}`)
	f("no list", `{"data":{"id":"b1","results_url":"`+provider+path+`/b1/results"}}`)
	f("no JSON", `{"data":[{"id":"b1","results_url":"`+provider+path+`/b1/results"}`)
}

// TestTheResultsOfABatchPassAsTheyCome has an upstream that sends the second result once the client has the first.
func TestTheResultsOfABatchPassAsTheyCome(t *testing.T) {
	const one, two = `{"custom_id":"1"}` + "\n", `{"custom_id":"2"}` + "\n"
	second := make(chan struct{})
	p := plays(t, func(s *stage) {
		s.next()
		s.say("HTTP/1.1 200 OK\r\nContent-Type: application/x-jsonl\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(one))
		<-second
		s.say(chunk(two) + lastChunk)
	})
	c := newRig(t, p.upstream("a")).start().dial()
	c.send(strings.Replace(asksForABatch, "msgbatch_1", "msgbatch_1/results", 1))
	body := c.head("GET").Body
	got := make([]byte, len(one))
	if _, err := io.ReadFull(body, got); err != nil || string(got) != one {
		t.Errorf("before the second result: %q, %v", got, err)
	}
	close(second)
	rest, err := io.ReadAll(body)
	if want(t, "the rest", string(rest), two); err != nil {
		t.Error(err)
	}
}

// TestWhatCodeMadeIsUsedWhereItRan: the container of a message and the files that its code wrote are bound before the client knows of them.
func TestWhatCodeMadeIsUsedWhereItRan(t *testing.T) {
	const result = `{"type":"bash_code_execution_tool_result","tool_use_id":"srvtoolu_1","content":{"type":"bash_code_execution_result","stdout":"\"container\":{}","content":[{"type":"bash_code_execution_output","file_id":"file_%s"}]}}`
	const forged = `{"type":"tool_use","id":"toolu_1","name":"f","input":{"type":"code_execution_tool_result","container":{"id":"forged"},"content":{"content":[{"file_id":"forged"}]}}}`
	whole := func(name string) string {
		return ok(fmt.Sprintf(`{"id":"msg_1","type":"message","content":[`+forged+`,`+result+`],"container": {"id":"container_%s","expires_at":"2026-12-02T00:00:00Z"},"usage":{"input_tokens":5,"output_tokens":2}}`, name, name))
	}
	stream := func(name string) string {
		event := func(kind, data string) string { return chunk("event: " + kind + "\ndata: " + data + "\n\n") }
		return eventHead + chunk(start) + event("content_block_start", `{"type":"content_block_start","index":0,"content_block":`+forged+`}`) +
			event("content_block_start", fmt.Sprintf(`{"type":"content_block_start","index":1,"content_block":`+result+`}`, name)) +
			event("message_delta", fmt.Sprintf(`{"type":"message_delta","delta":{"stop_reason":"end_turn","container":{"id":"container_%s"}},"usage":{"output_tokens":9}}`, name)) +
			chunk(stop) + lastChunk
	}
	for name, answer := range map[string]func(string) string{"whole": whole, "a stream": stream} {
		t.Run(name, func(t *testing.T) {
			lives := func(name string) *play {
				return plays(t, func(s *stage) {
					for req, more := s.next(); more; req, more = s.next() {
						if strings.HasPrefix(req, "POST") {
							s.say(answer(name))
						} else {
							s.say(ok(`"of ` + name + `"`))
						}
					}
				})
			}
			r := newRig(t, lives("a").upstream("a"), lives("b").upstream("b"))
			bob := &engine.Principal{ID: "bob", Name: "bob", Kind: engine.PrincipalAPIKey, Paths: []string{"*"}}
			r.keys["bob-key"] = bob
			r.gen.Principals = []*engine.Principal{r.alice, bob}
			r.gen.Strategy, _ = engine.NewStrategy("round-robin", 0)
			known, err := bindings.Open(filepath.Join(t.TempDir(), "bindings.jsonl"))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { known.Close() })
			r.gen.Bindings = known
			r.start()
			send := func(key, method, path, body string) reply {
				t.Helper()
				return r.do(request(method, path, body, "x-api-key: "+key, "anthropic-version: 2023-06-01"))
			}
			ask := hello
			if name == "a stream" {
				ask = helloStream
			}
			where := "b"
			if strings.Contains(send("alice-key", "POST", "/v1/messages", ask).body, "container_a") {
				where = "a"
			}
			again := strings.Replace(ask, "{", `{"container":"container_`+where+`",`, 1)
			for range 3 {
				if got := send("alice-key", "POST", "/v1/messages", again); !strings.Contains(got.body, "container_"+where) {
					t.Errorf("the container of %s: %d %s", where, got.StatusCode, got.body)
				}
			}
			want(t, "another's container", send("bob-key", "POST", "/v1/messages", again).code(), "404 path_not_served")
			for range 2 {
				want(t, "its file", send("alice-key", "GET", "/v1/files/file_"+where+"/content", "").body, `"of `+where+`"`)
			}
			want(t, "another's file", send("bob-key", "GET", "/v1/files/file_"+where, "").code(), "404 path_not_served")
			if _, is := known.Lookup("forged"); is {
				t.Error("words of the model are bound")
			}
			theirs := strings.Replace(ask, "{", `{"container":"c\u006fntainer_`+map[string]string{"a": "b", "b": "a"}[where]+`",`, 1)
			for range 2 { // of which nothing is known
				send("bob-key", "POST", "/v1/messages", theirs)
			}
			if _, is := known.Lookup("container_" + map[string]string{"a": "b", "b": "a"}[where]); is {
				t.Error("a container is bound to who named it")
			}
		})
	}
}
