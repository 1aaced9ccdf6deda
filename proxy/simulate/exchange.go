package simulate

import (
	"fmt"
	"strings"

	"github.com/valyala/fasthttp"
)

// maxMessage is the API's limit on a request to messages or count_tokens, in bytes.
const maxMessage = 32 << 20

// exchange is one request being answered. It lives on the goroutine of its connection and must not be kept after handle returns.
type exchange struct {
	p    *Provider
	ctx  *fasthttp.RequestCtx
	conn *conn
	req  *Request

	fault    fault
	wrong    error // with the fault that the request wished for
	verbatim *verbatim
	headers  []Header // as SetHeader left them when the request came
	unified  *unified
	asked    *asked // nil: the API itself is asked
}

func (p *Provider) handle(ctx *fasthttp.RequestCtx) {
	x := p.begin(ctx)
	latency := p.opts.Latency
	if x.fault.name == "latency" {
		latency = x.fault.wait
	}
	if err := x.conn.wait(latency); err != nil {
		x.hangUp(endOf(err))
		return
	}
	switch {
	case x.req.probe():
		x.empty(fasthttp.StatusOK)
	case x.wrong != nil:
		x.fail(400, "invalid_request_error", x.wrong.Error())
	case x.verbatim != nil && x.verbatim.headers == nil:
		x.sayVerbatim()
	case x.refuse():
	case !x.credited():
	case x.verbatim != nil:
		x.sayReply()
	case x.p.opts.Kind == KindOpenAI:
		x.chat()
	case x.p.opts.Kind != KindAnthropic:
		x.inCloud()
	default:
		x.route()
	}
}

// credited reports whether the request carries a credential that counts, and refuses it if not.
func (x *exchange) credited() bool {
	switch x.p.opts.Kind {
	case KindAnthropic:
		return x.authorized()
	case KindOpenAI:
		return x.hasBearer()
	}
	return x.signed()
}

// probe tells a client's look whether anything is there from a use of the API.
func (r *Request) probe() bool {
	return r.Path == "/api/hello" || r.Path == "/" && r.Method == "HEAD"
}

func (x *exchange) authorized() bool {
	key := x.req.Header("x-api-key")
	scheme, bearer, _ := strings.Cut(x.req.Header("authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		bearer = ""
	}
	want := x.p.opts.Key
	switch {
	case x.p.opts.Secret != "" && !x.req.sigV4(x.p.opts.Secret, services[KindAnthropic]):
		x.fail(403, "permission_error", "The request signature we calculated does not match the signature you provided.")
	case x.p.opts.Secret != "" && x.req.Header("anthropic-workspace-id") == "":
		x.fail(400, "invalid_request_error", "anthropic-workspace-id: header is required")
	case x.p.opts.Secret != "":
		return true
	case key == "" && bearer == "":
		x.fail(401, "authentication_error", "x-api-key header is required")
	case want != "" && key != "" && key != want:
		x.fail(401, "authentication_error", "invalid x-api-key")
	case want != "" && key == "" && bearer != want:
		x.fail(401, "authentication_error", "Invalid bearer token")
	case x.req.Header("anthropic-version") == "":
		x.fail(400, "invalid_request_error", "anthropic-version: header is required")
	default:
		return true
	}
	return false
}

func (x *exchange) route() {
	path := x.req.Path
	switch {
	case path == "/v1/messages":
		x.only("POST", x.messages)
	case path == "/v1/messages/count_tokens":
		x.only("POST", x.countTokens)
	case under(path, "/v1/messages/batches"):
		x.batches(strings.TrimPrefix(path, "/v1/messages/batches"))
	case under(path, "/v1/models"):
		x.only("GET", x.models)
	case under(path, "/v1/files"):
		x.files(strings.TrimPrefix(path, "/v1/files"))
	default:
		x.fail(404, "not_found_error", "Not Found")
	}
}

func under(path, root string) bool {
	return path == root || strings.HasPrefix(path, root+"/")
}

func (x *exchange) only(method string, answer func()) {
	if x.req.Method != method {
		x.fail(405, "invalid_request_error", "Method Not Allowed")
		return
	}
	answer()
}

// requestID is the request-id of an answer, the same for the same number.
func (p *Provider) requestID(number int) string {
	return fmt.Sprintf("req_%s_%06d", p.opts.Name, number)
}

// id makes an id like "msg_sim_000007" for the nth thing of a request, n from 0.
func (x *exchange) id(prefix string, n int) string {
	id := fmt.Sprintf("%s_%s_%06d", prefix, x.p.opts.Name, x.req.Number)
	if n > 0 {
		id += fmt.Sprintf("_%d", n)
	}
	return id
}

// problem is the envelope of every error of the API.
type problem struct {
	Type      string `json:"type"`
	Error     cause  `json:"error"`
	RequestID string `json:"request_id"`
}

type cause struct {
	Type    string `json:"type"`
	Message string `json:"message"`
}

// fail answers with an error of the API. The extra headers replace what the answer would carry.
func (x *exchange) fail(status int, kind, message string, extra ...Header) {
	switch x.p.opts.Kind {
	case KindAnthropic:
		x.send(status, problem{"error", cause{kind, message}, x.p.requestID(x.req.Number)}, extra...)
	case KindOpenAI:
		x.failInChat(status, kind, message, extra)
	default:
		x.failInCloud(status, kind, message, extra)
	}
}

// handleBroken answers what could not be read as a request, which is not recorded. fasthttp closes the connection after it.
func (p *Provider) handleBroken(ctx *fasthttp.RequestCtx, err error) {
	status, e := 400, cause{"invalid_request_error", "the request cannot be read"}
	if err == fasthttp.ErrBodyTooLarge {
		status, e = 413, tooLarge
	}
	id := p.requestID(0)
	ctx.SetStatusCode(status) // on the response as it is: a Reset would bring the default Date back
	ctx.SetContentType("application/json")
	ctx.Response.Header.Set("request-id", id)
	ctx.Response.SetBodyRaw(marshal(problem{"error", e, id}))
}

var tooLarge = cause{"request_too_large", "Request exceeds the maximum size"}
