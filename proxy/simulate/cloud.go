package simulate

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"sluice/proxy/eventstream"
)

// The kinds of providers.
const (
	KindAnthropic = "anthropic"
	KindBedrock   = "bedrock" // InvokeModel
	KindMantle    = "mantle"  // the Messages API in Bedrock, below /anthropic
	KindVertex    = "vertex"
	KindOpenAI    = "openai" // chat completions
)

// Kinds lists the wires that a provider can speak.
var Kinds = []string{KindAnthropic, KindBedrock, KindMantle, KindVertex, KindOpenAI}

// asked is what the path of a request to a cloud names.
type asked struct {
	model  string // "" = the body names it
	stream bool
	framed bool // the answer comes in AWS frames
	count  bool
}

// inCloud answers a request to a cloud.
func (x *exchange) inCloud() {
	a, ok := askedOf(x.p.opts.Kind, x.req.Path)
	switch {
	case !ok:
		x.fail(404, "not_found_error", "Not Found")
	case x.req.Method != "POST":
		x.fail(405, "invalid_request_error", "Method Not Allowed")
	default:
		x.asked = &a
		if wrong := x.wrongInCloud(); wrong != "" {
			x.fail(400, "invalid_request_error", wrong)
		} else if a.count {
			x.countTokens()
		} else {
			x.messages()
		}
	}
}

func askedOf(kind, path string) (a asked, ok bool) {
	switch kind {
	case KindMantle:
		return asked{}, path == "/anthropic/v1/messages"
	case KindBedrock:
		rest, found := strings.CutPrefix(path, "/model/")
		model, action, _ := strings.Cut(rest, "/")
		a.model, _ = url.PathUnescape(model)
		a.stream = action == "invoke-with-response-stream"
		a.framed = a.stream
		return a, found && (a.stream || action == "invoke")
	}
	_, rest, found := strings.Cut(path, "/publishers/anthropic/models/")
	model, action, _ := strings.Cut(rest, ":")
	if model == "count-tokens" {
		return asked{count: true}, found && action == "rawPredict"
	}
	a.model, _ = url.PathUnescape(model)
	a.stream = action == "streamRawPredict"
	return a, found && strings.HasPrefix(path, "/v1/projects/") && (a.stream || action == "rawPredict")
}

// services are the names under which requests to a kind are signed. KindAnthropic with a secret is Anthropic's own platform on AWS.
var services = map[string]string{KindBedrock: "bedrock", KindMantle: "bedrock-mantle", KindAnthropic: "aws-external-anthropic"}

// signed reports whether a cloud's credential is there: a bearer token, or for AWS a signature.
func (x *exchange) signed() bool {
	credential := x.req.Header("authorization")
	scheme, token, _ := strings.Cut(credential, " ")
	service := services[x.p.opts.Kind]
	switch {
	case strings.EqualFold(scheme, "Bearer") && x.p.opts.Secret == "" && (x.p.opts.Key == "" || token == x.p.opts.Key):
		return true
	case service != "" && x.p.opts.Secret != "" && x.req.sigV4(x.p.opts.Secret, service):
		return true
	case service != "" && x.p.opts.Secret == "" && scheme == "AWS4-HMAC-SHA256" && x.req.Header("x-amz-date") != "" &&
		strings.Contains(token, "Credential=") && strings.Contains(token, "SignedHeaders=") && strings.Contains(token, "Signature="):
		return true
	}
	status := map[string]int{KindBedrock: 403, KindMantle: 403, KindVertex: 401}[x.p.opts.Kind]
	x.fail(status, "authentication_error", "The request carries no credential that counts here.")
	return false
}

// knownBetas are those that the simulated Bedrock takes.
var knownBetas = []string{"interleaved-thinking-2025-05-14", "token-efficient-tools-2025-02-19", "fine-grained-tool-streaming-2025-05-14",
	"output-128k-2025-02-19", "context-1m-2025-08-07", "computer-use-2025-01-24", "computer-use-2025-11-24", "effort-2025-11-24",
	"tool-search-tool-2025-10-19", "tool-examples-2025-10-29", "thinking-token-count-2026-05-13"}

// wrongInCloud is the message of a cloud's 400, "" if there is nothing to say against the request.
func (x *exchange) wrongInCloud() string {
	var r struct {
		Model   json.RawMessage
		Stream  json.RawMessage
		Version string          `json:"anthropic_version"`
		Betas   []string        `json:"anthropic_beta"`
		Context json.RawMessage `json:"context_management"`
	}
	if wrong := decode(x.req.Body, &r); wrong != "" {
		return wrong
	}
	want := map[string]string{KindBedrock: "bedrock-2023-05-31", KindVertex: "vertex-2023-10-16"}[x.p.opts.Kind]
	switch {
	case x.p.opts.Kind == KindMantle: // the API's own wire, with ids of its own
		return wrongMantleModel(r.Model)
	case r.Version != want && r.Version != "2026-10-21":
		return "anthropic_version: Input should be '" + want + "'"
	case x.asked.model != "" && r.Model != nil:
		return "model: Extra inputs are not permitted"
	case x.p.opts.Kind == KindBedrock && r.Stream != nil:
		return "stream: Extra inputs are not permitted"
	case x.p.opts.Kind == KindBedrock && r.Context != nil:
		return "context_management: Extra inputs are not permitted"
	}
	for _, beta := range r.Betas {
		if !slices.Contains(knownBetas, beta) {
			return "invalid beta flag"
		}
	}
	return ""
}

// mantleModel is an id without the version and the prefix of a region that ids of InvokeModel have.
var mantleModel = regexp.MustCompile(`^"anthropic\.[a-z0-9-]+"$`)

func wrongMantleModel(model json.RawMessage) string {
	if !mantleModel.Match(model) {
		return "model: " + string(model) + " is not served here"
	}
	return ""
}

// errorNames are what AWS and Google call the API's kinds of errors.
var errorNames = map[string][2]string{
	"invalid_request_error": {"ValidationException", "INVALID_ARGUMENT"},
	"permission_error":      {"AccessDeniedException", "PERMISSION_DENIED"},
	"authentication_error":  {"UnrecognizedClientException", "UNAUTHENTICATED"},
	"not_found_error":       {"ResourceNotFoundException", "NOT_FOUND"},
	"rate_limit_error":      {"ThrottlingException", "RESOURCE_EXHAUSTED"},
	"overloaded_error":      {"ServiceUnavailableException", "UNAVAILABLE"},
}

// failInCloud answers with an error in the cloud's own shape; Google's stands in a list.
func (x *exchange) failInCloud(status int, kind, message string, extra []Header) {
	name, ok := errorNames[kind]
	if !ok {
		name = [2]string{"InternalServerException", "INTERNAL"}
	}
	if services[x.p.opts.Kind] != "" {
		x.putHeaders([]Header{{"x-amzn-RequestId", x.p.requestID(x.req.Number)}, {"x-amzn-ErrorType", name[0] + ":http://internal.amazon.com/"}}, nil)
		x.body(status, "application/json", marshal(map[string]string{"message": message}))
		return
	}
	x.putHeaders(nil, extra)
	x.body(status, "application/json; charset=UTF-8",
		marshal([]any{map[string]any{"error": map[string]any{"code": status, "message": message, "status": name[1]}}}))
}

// framed puts the data of each event into a frame, as Bedrock does: no pings, an error as an exception, and metrics with the last.
func framed(events [][]byte) [][]byte {
	var out [][]byte
	for _, e := range events {
		_, data, _ := bytes.Cut(bytes.TrimSpace(e), []byte("data: "))
		switch {
		case bytes.HasPrefix(e, []byte("event: ping")):
		case bytes.HasPrefix(e, []byte("event: error")):
			out = append(out, eventstream.Append(nil, []byte(`{"message":"Bedrock is unable to process your request."}`),
				":exception-type", "serviceUnavailableException", ":content-type", "application/json", ":message-type", "exception"))
		default:
			if bytes.HasPrefix(e, []byte("event: message_stop")) {
				data = []byte(`{"type":"message_stop","amazon-bedrock-invocationMetrics":{"inputTokenCount":1,"outputTokenCount":1}}`)
			}
			payload := `{"bytes":"` + base64.StdEncoding.EncodeToString(data) + `","p":"abcdefghij"}`
			out = append(out, eventstream.Append(nil, []byte(payload), ":event-type", "chunk", ":content-type", "application/json",
				":message-type", "event"))
		}
	}
	return out
}
