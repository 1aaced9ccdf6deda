package simulate_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"sluice/proxy/simulate"
)

// refused asks and checks that the answer is the API's error envelope with the same id in header and body.
func refused(t *testing.T, p *simulate.Provider, status int, kind, message, method, path, body string, lines ...string) {
	t.Helper()
	resp, out := do(t, p, method, path, body, lines...)
	var e struct {
		Type      string
		Error     struct{ Type, Message string }
		RequestID string `json:"request_id"`
	}
	if err := json.Unmarshal([]byte(out), &e); err != nil {
		t.Fatalf("%s %s: %v in %q", method, path, err, out)
	}
	what := fmt.Sprintf("%s %s with %q and %.200s", method, path, lines, body)
	equal(t, what, fmt.Sprintf("%d %s: %s: %s", resp.StatusCode, e.Type, e.Error.Type, e.Error.Message),
		fmt.Sprintf("%d error: %s: %s", status, kind, message))
	if id := resp.Header.Get("request-id"); id == "" || id != e.RequestID {
		t.Errorf("%s: request-id %q in the header, %q in the body", what, id, e.RequestID)
	}
}

func TestWrongRequestsGetTheErrorsOfTheAPI(t *testing.T) {
	t.Parallel()
	p := start(t, simulate.Options{})
	f := func(body, message string, lines ...string) {
		t.Helper()
		refused(t, p, 400, "invalid_request_error", message, "POST", "/v1/messages", body, lines...)
	}
	const user = `"messages":[{"role":"user","content":"x"}]`
	f(`{"model":"m","max_tokens":1,`+user+`}`, "anthropic-version: header is required", "anthropic-version:")
	f(`{"model":`, "The request body is not valid JSON: unexpected end of JSON input")
	f(``, "The request body is not valid JSON: unexpected end of JSON input")
	f(`[]`, "Input should be an object")
	f(`{"max_tokens":1,`+user+`}`, "model: Field required")
	f(`{"model":"m",`+user+`}`, "max_tokens: Field required")
	f(`{"model":"m","max_tokens":0,`+user+`}`, "max_tokens: Input should be greater than or equal to 1")
	f(`{"model":"m","max_tokens":"9",`+user+`}`, "max_tokens: Input should be a valid integer")
	f(`{"model":5}`, "model: Input should be a valid string")
	f(`{"model":"m","stream":"yes"}`, "stream: Input should be a valid boolean")
	f(`{"model":"m","messages":{}}`, "messages: Input should be a valid list")
	f(`{"model":"m","thinking":"deep"}`, "thinking: Input should be a valid dictionary")
	f(`{"model":"m","max_tokens":1}`, "messages: Field required")
	f(`{"model":"m","max_tokens":1,"messages":[]}`, "messages: at least one message is required")
	f(`{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"x"},{"role":"tool","content":"x"}]}`,
		"messages.1.role: Input should be 'user', 'assistant' or 'system'")
	f(`{"model":"m","max_tokens":1,"messages":[{"role":"user"}]}`, "messages.0.content: Field required")

	resp, _ := do(t, p, "POST", "/v1/messages", hello, "anthropic-version: 2026-10-21")
	equal(t, "status under 2026-10-21", resp.StatusCode, 200)
	for _, name := range []string{"temperature", "top_p", "top_k"} {
		body := `{"model":"m","max_tokens":1,"` + name + `":1,` + user + `}`
		f(body, name+": Extra inputs are not permitted", "anthropic-version: 2026-10-21")
		resp, _ := do(t, p, "POST", "/v1/messages", body)
		equal(t, name+" under 2023-06-01", resp.StatusCode, 200)
	}
}

func TestOtherErrorsOfTheAPI(t *testing.T) {
	t.Parallel()
	p := start(t, simulate.Options{})
	f := func(status int, kind, message, method, path, body string) {
		t.Helper()
		refused(t, p, status, kind, message, method, path, body)
	}
	f(404, "not_found_error", "Not Found", "GET", "/v1/nothing", "")
	f(404, "not_found_error", "Not Found", "GET", "/", "")
	f(404, "not_found_error", "Not Found", "GET", "/v1/messagesx", "")
	f(405, "invalid_request_error", "Method Not Allowed", "GET", "/v1/messages", "")
	f(405, "invalid_request_error", "Method Not Allowed", "DELETE", "/v1/models", "")
	f(405, "invalid_request_error", "Method Not Allowed", "PUT", "/v1/files", "")
	f(413, "request_too_large", "Request exceeds the maximum size", "POST", "/v1/messages", strings.Repeat(" ", 32<<20+1))
}

func TestWhatCannotBeReadIsAnsweredAndClosed(t *testing.T) {
	t.Parallel()
	p := start(t, simulate.Options{})
	f := func(text, status, kind string) {
		t.Helper()
		answer, err := talk(t, p, text)
		if err != nil {
			t.Fatal(err)
		}
		resp, out := parse(t, answer, "GET")
		equal(t, text, resp.Status, status)
		equal(t, text, out, `{"type":"error","error":{"type":"`+kind+`},"request_id":"req_sim_000000"}`)
		equal(t, "request-id", resp.Header.Get("request-id"), "req_sim_000000")
	}
	f("GET\r\n\r\n", "400 Bad Request", `invalid_request_error","message":"the request cannot be read"`)
	f("POST /v1/files HTTP/1.1\r\nhost: x\r\ncontent-length: 67108865\r\n\r\n", "413 Request Entity Too Large",
		`request_too_large","message":"Request exceeds the maximum size"`)
	equal(t, "recorded", len(p.Requests()), 0)
}

func TestACredentialIsWanted(t *testing.T) {
	t.Parallel()
	open, closed := start(t, simulate.Options{}), start(t, simulate.Options{Key: "sk-right"})
	f := func(p *simulate.Provider, message string, lines ...string) {
		t.Helper()
		if message != "" {
			refused(t, p, 401, "authentication_error", message, "POST", "/v1/messages", hello, lines...)
			return
		}
		resp, _ := do(t, p, "POST", "/v1/messages", hello, lines...)
		equal(t, strings.Join(lines, ","), resp.StatusCode, 200)
	}
	f(open, "x-api-key header is required", "x-api-key:")
	f(open, "x-api-key header is required", "Authorization: Bearer ")
	f(open, "", "X-API-KEY: any")
	f(open, "", "authorization: Bearer any")
	f(closed, "", "x-api-key: sk-right")
	f(closed, "", "Authorization: Bearer sk-right")
	f(closed, "", "Authorization: Bearer wrong", "x-api-key: sk-right")
	f(closed, "invalid x-api-key", "x-api-key: wrong")
	f(closed, "invalid x-api-key", "x-api-key: wrong", "Authorization: Bearer sk-right")
	f(closed, "Invalid bearer token", "Authorization: Bearer wrong")
}

func TestTheProbesOfClientsNeedNothing(t *testing.T) {
	t.Parallel()
	p := start(t, simulate.Options{Fault: "500", Key: "k"})
	f := func(method, path string, status int) {
		t.Helper()
		answer, err := talk(t, p, method+" "+path+" HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
		if err != nil {
			t.Fatal(err)
		}
		resp, _ := parse(t, answer, method)
		equal(t, method+" "+path, resp.StatusCode, status)
	}
	f("HEAD", "/", 200)
	f("HEAD", "/api/hello", 200)
	f("GET", "/api/hello", 200)
	f("GET", "/", 500)
}

func TestTokensAreCounted(t *testing.T) {
	t.Parallel()
	p := start(t, simulate.Options{})
	const body = `{"model":"m","messages":[{"role":"user","content":"0123456789"}]}`
	_, out := do(t, p, "POST", "/v1/messages/count_tokens?beta=true", body)
	equal(t, "answer", out, `{"input_tokens":4}`)
}

func TestOnlyTheModelsOfTheOptionsCanBeNamed(t *testing.T) {
	t.Parallel()
	p := start(t, simulate.Options{Models: []string{"claude-x"}})
	resp, _ := do(t, p, "POST", "/v1/messages", hello)
	equal(t, "status", resp.StatusCode, 200)
	refused(t, p, 404, "not_found_error", "model: m", "POST", "/v1/messages", ask("x", ""))
	refused(t, p, 404, "not_found_error", "model: m", "POST", "/v1/messages/count_tokens", ask("x", ""))
	refused(t, p, 404, "not_found_error", "model: m", "GET", "/v1/models/m", "")
}

func TestModelsAreListedInPages(t *testing.T) {
	t.Parallel()
	var ids []string
	for i := range 25 {
		ids = append(ids, fmt.Sprintf("m%02d", i))
	}
	p := start(t, simulate.Options{Models: ids})
	f := func(query, first, last string, n int, more bool) {
		t.Helper()
		_, out := do(t, p, "GET", "/v1/models"+query, "")
		var l struct {
			Data    []struct{ ID string }
			HasMore bool   `json:"has_more"`
			FirstID string `json:"first_id"`
			LastID  string `json:"last_id"`
		}
		if err := json.Unmarshal([]byte(out), &l); err != nil {
			t.Fatal(err)
		}
		equal(t, query, fmt.Sprint(l.FirstID, l.LastID, len(l.Data), l.HasMore), fmt.Sprint(first, last, n, more))
		if n > 0 && (l.Data[0].ID != first || l.Data[n-1].ID != last) {
			t.Errorf("%s: got %s", query, out)
		}
	}
	f("", "m00", "m19", 20, true)
	f("?limit=25", "m00", "m24", 25, false)
	f("?limit=1000", "m00", "m24", 25, false)
	f("?after_id=m19", "m20", "m24", 5, false)
	f("?after_id=m19&limit=4", "m20", "m23", 4, true)
	f("?after_id=m24", "", "", 0, false)
	f("?before_id=m05&limit=2", "m03", "m04", 2, true)
	f("?before_id=m02&limit=2", "m00", "m01", 2, false)
	f("?before_id=m02", "m00", "m01", 2, false)
	f("?before_id=m00", "", "", 0, false)
	f("?after_id=m03&before_id=m06", "m04", "m05", 2, false)

	g := func(query, message string) {
		t.Helper()
		refused(t, p, 400, "invalid_request_error", message, "GET", "/v1/models"+query, "")
	}
	g("?limit=0", "limit: Input should be an integer from 1 to 1000")
	g("?limit=1001", "limit: Input should be an integer from 1 to 1000")
	g("?limit=x", "limit: Input should be an integer from 1 to 1000")
	g("?after_id=no", "after_id: no is not in the list")
	g("?before_id=no", "before_id: no is not in the list")
	g("?a=%zz", `invalid URL escape "%zz"`)
}

func TestAModelIsExactlyThis(t *testing.T) {
	t.Parallel()
	p := start(t, simulate.Options{Models: []string{"claude-opus-5-5", "a/b"}})
	const opus = `{"type":"model","id":"claude-opus-5-5","display_name":"Claude Opus 5 5","created_at":"2026-02-04T00:00:00Z"}`
	_, out := do(t, p, "GET", "/v1/models/claude-opus-5-5", "")
	equal(t, "model", out, opus)
	_, out = do(t, p, "GET", "/v1/models/a%2Fb", "")
	equal(t, "model", out, `{"type":"model","id":"a/b","display_name":"A/b","created_at":"2026-02-04T00:00:00Z"}`)
	_, out = do(t, p, "GET", "/v1/models?limit=1", "")
	equal(t, "list", out, `{"data":[`+opus+`],"has_more":true,"first_id":"claude-opus-5-5","last_id":"claude-opus-5-5"}`)
}

const form = "--x\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\nuser_data\r\n" +
	"--x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\ncontent-type: text/plain\r\n\r\n" +
	"ab\x00c\r\n--x--\r\n"

func TestAFileCanBeMadeListedReadAndDeleted(t *testing.T) {
	t.Parallel()
	p := start(t, simulate.Options{Name: "s"})
	f := func(method, path, want string) {
		t.Helper()
		_, out := do(t, p, method, path, "")
		equal(t, method+" "+path, out, want)
	}
	file := func(number int) string {
		return fmt.Sprintf(`{"id":"file_s_%06d","type":"file","filename":"a.txt","mime_type":"text/plain","size_bytes":4,`+
			`"created_at":"2026-11-23T12:00:00Z","downloadable":true}`, number)
	}
	f("GET", "/v1/files", `{"data":[],"has_more":false,"first_id":null,"last_id":null}`)
	for _, number := range []int{2, 3} {
		_, out := do(t, p, "POST", "/v1/files", form, "content-type: multipart/form-data; boundary=x")
		equal(t, "created", out, file(number))
	}
	f("GET", "/v1/files", `{"data":[`+file(3)+","+file(2)+`],"has_more":false,"first_id":"file_s_000003","last_id":"file_s_000002"}`)
	f("GET", "/v1/files?limit=1&after_id=file_s_000003", `{"data":[`+file(2)+
		`],"has_more":false,"first_id":"file_s_000002","last_id":"file_s_000002"}`)
	f("GET", "/v1/files/file_s_000002", file(2))
	f("GET", "/v1/files/file_s_000002/content", "ab\x00c")
	f("DELETE", "/v1/files/file_s_000002", `{"id":"file_s_000002","type":"file_deleted"}`)
	refused(t, p, 404, "not_found_error", "Not found: file_s_000002", "GET", "/v1/files/file_s_000002", "")
	refused(t, p, 405, "invalid_request_error", "Method Not Allowed", "GET", "/v1/files/file_s_000003/nothing", "")

	g := func(body, contentType, message string) {
		t.Helper()
		refused(t, p, 400, "invalid_request_error", message, "POST", "/v1/files", body, "content-type: "+contentType)
	}
	g(form, "application/json", "content-type: want multipart/form-data with a boundary")
	g("--y--\r\n", "multipart/form-data; boundary=y", "file: Field required")
	g("nothing", "multipart/form-data; boundary=y", "file: Field required")
}

func TestTheOldestOfTooManyFilesGoes(t *testing.T) {
	t.Parallel()
	p := start(t, simulate.Options{})
	for range 1001 {
		do(t, p, "POST", "/v1/files", form, "content-type: multipart/form-data; boundary=x")
	}
	refused(t, p, 404, "not_found_error", "Not found: file_sim_000001", "GET", "/v1/files/file_sim_000001", "")
	resp, _ := do(t, p, "GET", "/v1/files/file_sim_000002", "")
	equal(t, "status of the second", resp.StatusCode, 200)
}

func TestABatchCanBeMadeListedReadAndDeleted(t *testing.T) {
	t.Parallel()
	p := start(t, simulate.Options{Name: "s"})
	const id = "msgbatch_s_000001"
	const view = `{"id":"` + id + `","type":"message_batch","processing_status":"ended",` +
		`"request_counts":{"canceled":0,"errored":0,"expired":0,"processing":0,"succeeded":2},"created_at":"2026-11-23T12:00:00Z",` +
		`"ended_at":"2026-11-23T12:00:00Z","expires_at":"2026-11-24T12:00:00Z","cancel_initiated_at":null,` +
		`"results_url":"https://api.anthropic.com/v1/messages/batches/` + id + `/results"}`
	_, out := do(t, p, "POST", "/v1/messages/batches", `{"requests":[{"custom_id":"a","params":`+ask("one", "")+
		`},{"custom_id":"b","params":`+ask("two", "")+`}]}`)
	equal(t, "created", out, view)
	_, out = do(t, p, "GET", "/v1/messages/batches/"+id, "")
	equal(t, "got", out, view)
	_, out = do(t, p, "POST", "/v1/messages/batches/"+id+"/cancel", "")
	equal(t, "cancelled", out, view)
	_, out = do(t, p, "GET", "/v1/messages/batches", "")
	equal(t, "listed", out, `{"data":[`+view+`],"has_more":false,"first_id":"`+id+`","last_id":"`+id+`"}`)

	resp, out := do(t, p, "GET", "/v1/messages/batches/"+id+"/results", "")
	equal(t, "type of the results", resp.Header.Get("content-type"), "application/x-jsonl")
	lines := strings.SplitAfter(out, "\n")
	const result = `,"result":{"type":"succeeded","message":{"id":"msg_s_000001`
	if len(lines) != 3 || !strings.HasPrefix(lines[0], `{"custom_id":"a"`+result+`",`) ||
		!strings.HasPrefix(lines[1], `{"custom_id":"b"`+result+`_1",`) ||
		!strings.Contains(lines[1], "You said: two") {
		t.Errorf("results %q", out)
	}
	_, out = do(t, p, "DELETE", "/v1/messages/batches/"+id, "")
	equal(t, "deleted", out, `{"id":"`+id+`","type":"message_batch_deleted"}`)
	refused(t, p, 404, "not_found_error", "Not found: "+id, "POST", "/v1/messages/batches/"+id+"/cancel", "")
	const all = "/v1/messages/batches"
	refused(t, p, 400, "invalid_request_error", "requests: Field required", "POST", all, `{}`)
	refused(t, p, 400, "invalid_request_error", "requests.0.params.model: Field required", "POST", all,
		`{"requests":[{"params":{}}]}`)
	refused(t, p, 400, "invalid_request_error", "requests.1.params.max_tokens: Input should be greater than or equal to 1",
		"POST", all, `{"requests":[{"params":`+hello+`},{"params":`+strings.Replace(hello, "100", "-1", 1)+`}]}`)
	refused(t, p, 400, "invalid_request_error", "requests: Input should be a valid list", "POST", all, `{"requests":1}`)
}

func FuzzAnyBodyIsAnsweredWithJSON(f *testing.F) {
	p := start(f, simulate.Options{Keep: -1})
	client := &http.Client{Transport: &http.Transport{}}
	f.Cleanup(client.CloseIdleConnections)
	f.Add(false, hello)
	f.Add(true, `{"requests":[{"custom_id":"a","params":`+hello+`}]}`)
	f.Add(false, ask("use the tools", `,"tools":[{"name":"A","input_schema":{"required":["a"],"properties":{"a":{"enum":[]}}}}]`))
	f.Add(false, `{"model":"m","max_tokens":1,"messages":[{"role":"user","content":[{"type":"tool_result"}]}],"stop_sequences":["I"]}`)
	f.Fuzz(func(t *testing.T, batch bool, body string) {
		path := "/v1/messages"
		if batch {
			path += "/batches"
		}
		req, err := http.NewRequest("POST", p.URL()+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("x-api-key", "k")
		req.Header.Set("anthropic-version", "2023-06-01")
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		out, err := io.ReadAll(resp.Body)
		if err = errors.Join(err, resp.Body.Close()); err != nil {
			t.Fatal(err)
		}
		isJSON := json.Valid(out) || bytes.HasPrefix(out, []byte("event: message_start\n"))
		if resp.StatusCode != 200 && resp.StatusCode != 400 || !isJSON {
			t.Errorf("%d %q for %q", resp.StatusCode, out, body)
		}
	})
}
