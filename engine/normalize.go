package engine

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// MaxErrorBody caps the error body that a dialect is asked to normalize, in bytes. A longer one passes as it is, and so does one whose
// encoding cannot be read, unless the dialect's policy is FailClosed.
const MaxErrorBody = 256 << 10

// normalize lets the dialect put an error answer into Anthropic's shape. Under FailClosed what it could not look at is withheld: the client
// gets the status with an error of ours.
func (a *Answer) normalize(x *Exchange) {
	if a.Dialect.Script == "" {
		return
	}
	head, err := io.ReadAll(io.LimitReader(a.Body, MaxErrorBody+1))
	closed := a.Dialect.Policy == FailClosed
	if err != nil || len(head) > MaxErrorBody || closed && a.encoded() {
		if a.unread(head, err); closed {
			x.Trace.fail(InternalError{Stage: StageShape, Kind: InternalUnavailable, Code: CodeDialectFailed, Message: fmt.Sprintf(
				"an error of upstream %q was withheld: it is encoded, cut or larger than %d KiB", a.Upstream.Name, MaxErrorBody>>10)})
			a.setBody(a.withheld(x))
		}
		return
	}
	n := (*NormalizedError)(nil)
	if text := a.Plain(head, MaxErrorBody+1); len(text) <= MaxErrorBody && (len(text) > 0 || len(head) == 0) {
		n = a.normalized(x, a.Status, a.Headers, text)
	}
	if n == nil {
		a.Body = rest{bytes.NewReader(head), a.Body}
		return
	}
	if n.Status != 0 {
		a.Status = n.Status
	}
	a.setBody(n.Body)
}

// NormalizeEvent lets the dialect put the data of a stream's error event into Anthropic's shape. Nil passes the original.
func (a *Answer) NormalizeEvent(x *Exchange, data []byte) []byte {
	if a.Dialect.Script == "" {
		return nil
	}
	if n := a.normalized(x, 0, nil, data); n != nil {
		return n.Body
	}
	return nil
}

// normalized is what the dialect makes of an error, nil = the original passes.
func (a *Answer) normalized(x *Exchange, status int, h Headers, body []byte) *NormalizedError {
	d, start := a.Dialect, time.Now()
	n, err := d.normalized(x, status, x.veil.headers(h), x.veil.text(body))
	d.Meter.observe(start, err)
	if err != nil {
		x.Trace.failed(StageShape, CodeDialectFailed, d.Meter, err)
		if n = nil; d.Policy == FailClosed {
			n = &NormalizedError{Body: a.withheld(x)}
		}
	}
	if n != nil {
		n = &NormalizedError{Status: n.Status, Body: identified(n.Body, x.Request.RequestID)}
	}
	return n
}

// identified is an error that a dialect worded, with the id of its request: an error of Anthropic's shape has one. What has another shape, or
// an id already, stays.
func identified(text []byte, id string) []byte {
	var e struct {
		Type      string          `json:"type"`
		RequestID json.RawMessage `json:"request_id"`
	}
	if json.Unmarshal(text, &e) != nil || e.Type != "error" || e.RequestID != nil {
		return text
	}
	end := bytes.LastIndexByte(text, '}')
	return fmt.Appendf(text[:end:end], `,"request_id":%q%s`, id, text[end:])
}

// withheld is the error that stands for one that must not pass.
func (a *Answer) withheld(x *Exchange) []byte {
	a.Withheld = true
	message, _ := json.Marshal(fmt.Sprintf("an error of upstream %q could not be translated", a.Upstream.Name)) // a text always has JSON
	return fmt.Appendf(nil, `{"type":"error","error":{"type":"api_error","message":%s},"request_id":%q}`, message, x.Request.RequestID)
}

// setBody replaces the answer's body. The old one is closed.
func (r *Response) setBody(b []byte) {
	r.Body, r.Length = r.replaced(b)
	h := r.Headers.Clone(0)
	h.Remove("content-encoding")
	h.Remove("content-length")
	h.Remove("content-type")
	h.Add("content-type", "application/json")
	r.Headers = h
}

// Peek returns the first n bytes of the body, or all there is until it ends or breaks off. They can be read again.
func (r *Response) Peek(n int64) []byte {
	head, err := io.ReadAll(io.LimitReader(r.Body, n))
	r.unread(head, err)
	return head
}

// replaced closes the body and returns b as one, with its length.
func (r *Response) replaced(b []byte) (io.ReadCloser, int64) {
	r.Body.Close()
	return io.NopCloser(bytes.NewReader(b)), int64(len(b))
}

// unread puts back what was read of the body, and how reading it ended.
func (r *Response) unread(head []byte, err error) {
	r.Body = rest{io.MultiReader(bytes.NewReader(head), failing{r.Body, err}), r.Body}
}

// rest reads from one place and closes another.
type rest struct {
	io.Reader
	io.Closer
}

// failing yields err where the part before it ended in one.
type failing struct {
	io.Reader
	err error
}

func (f failing) Read(p []byte) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	return f.Reader.Read(p)
}
