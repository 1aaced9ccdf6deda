package proxy

import (
	"bytes"
	"io"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/valyala/fasthttp"

	"sluice/engine"
	"sluice/engine/body"
)

// wire is what a client speaks. The path decides. Inside there is the API alone: scripts, limits and the ledger see its path, and the
// model in the body.
type wire uint8

const (
	wireAPI wire = iota
	wireBedrock
	wireBedrockStream
	wireVertex
	wireVertexStream
	wireVertexCount
)

const (
	messagesPath = "/v1/messages"
	countPath    = "/v1/messages/count_tokens"
)

// vertexModels stands before the model in the path of a request to Vertex.
const vertexModels = "/publishers/anthropic/models/"

// wireOf tells what a client speaks that asks a raw path, and the model that the path names.
func wireOf(path string) (w wire, model string) {
	if rest, ok := strings.CutPrefix(path, "/model/"); ok {
		segment, action, _ := strings.Cut(rest, "/")
		switch action {
		case "invoke":
			w = wireBedrock
		case "invoke-with-response-stream":
			w = wireBedrockStream
		}
		model = segment
	} else if _, rest, ok := strings.Cut(path, vertexModels); ok {
		name, action, _ := strings.Cut(rest, ":")
		switch action {
		case "rawPredict":
			w = wireVertex
		case "streamRawPredict":
			w = wireVertexStream
		}
		if w == wireVertex && name == "count-tokens" {
			return wireVertexCount, ""
		}
		model = name
	}
	plain, err := url.PathUnescape(model)
	if w == wireAPI || err != nil || plain == "" || strings.ContainsFunc(plain, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return wireAPI, ""
	}
	return w, plain
}

// canonical is the path of the API for what a client asks.
func (w wire) canonical(path string) string {
	switch w {
	case wireAPI:
		return path
	case wireVertexCount:
		return countPath
	}
	return messagesPath
}

func (w wire) bedrock() bool { return w == wireBedrock || w == wireBedrockStream }

// kind is that of the upstreams which speak the wire.
func (w wire) kind() engine.UpstreamKind {
	if w.bedrock() {
		return engine.KindBedrockRuntime
	}
	return engine.KindVertex
}

// translate makes a request in the shape of Bedrock or Vertex one of the API: the model and whether it streams are in the path, the
// betas may be in the body. What came is kept for upstreams that speak the same.
func (h *head) translate(r *engine.RequestContext) *engine.Refusal {
	if h.wire == wireAPI {
		return nil
	}
	doc := body.New(r.Body)
	if doc.Err() != nil || doc.Type(nil) != "object" {
		return nil // told by whoever reads the body next
	}
	r.Native = &engine.Native{Kind: h.wire.kind(), Headers: r.Headers, Body: r.Body}
	r.Headers = r.Headers.Clone(2)
	var edits []error
	set := func(key string, text []byte) { edits = append(edits, doc.Set(body.Path{key}, text)) }
	if h.model != "" {
		set("model", body.AppendString(nil, h.model))
	}
	if h.wire == wireBedrockStream || h.wire == wireVertexStream {
		set("stream", []byte("true"))
	}
	if v, ok := doc.Get(body.Path{"anthropic_beta"}); ok {
		addBetas(&r.Headers, v)
		edits = append(edits, doc.Remove(body.Path{"anthropic_beta"}))
	}
	version := "2023-06-01"
	if v, ok := doc.Get(body.Path{"anthropic_version"}); ok {
		if text, _ := v.Text(); apiVersion.MatchString(text) {
			version = text
		}
		edits = append(edits, doc.Remove(body.Path{"anthropic_version"}))
	}
	for _, err := range edits {
		if err != nil {
			return refuse(engine.CodeBadBody, "the body is not valid: %v", err)
		}
	}
	r.Headers.Set("anthropic-version", version)
	r.Body = doc.Bytes()
	return nil
}

// apiVersion is a version of the API, which new clients name to clouds as well, and none of a cloud's own.
var apiVersion = regexp.MustCompile(`^20[0-9]{2}-[0-9]{2}-[0-9]{2}$`)

// addBetas puts the betas of a body into the header, after those that are there.
func addBetas(h *engine.Headers, v body.Value) {
	var names []string
	add := func(text string) {
		for name := range strings.SplitSeq(text, ",") {
			if name = strings.TrimSpace(name); name != "" && !slices.Contains(names, name) && !strings.ContainsAny(name, "\r\n\x00") {
				names = append(names, name)
			}
		}
	}
	for line := range h.All("anthropic-beta") {
		add(line)
	}
	for e := range v.Elements() {
		text, _ := e.Text()
		add(text)
	}
	if len(names) > 0 {
		h.Set("anthropic-beta", strings.Join(names, ","))
	}
}

// errorTypes are what Bedrock calls the errors of a status.
var errorTypes = map[int]string{
	400: "ValidationException", 401: "UnrecognizedClientException", 403: "AccessDeniedException", 404: "ResourceNotFoundException",
	408: "ModelTimeoutException", 413: "ValidationException", 424: "ModelErrorException", 429: "ThrottlingException",
	503: "ServiceUnavailableException", 504: "ModelTimeoutException", 529: "ServiceUnavailableException",
}

func errorTypeOf(status int) string {
	if t, ok := errorTypes[status]; ok {
		return t
	}
	return "InternalServerException"
}

const amznErrorType = "x-amzn-ErrorType"

// bedrockError puts an error answer into the shape that a client of Bedrock reads.
func bedrockError(a *engine.Answer) {
	text, err := io.ReadAll(io.LimitReader(a.Body, engine.MaxErrorBody))
	_ = a.Body.Close()
	if err != nil {
		text = nil
	}
	out := appendBedrockError(nil, errorMessageOf(text))
	h := a.Headers.Clone(2)
	for _, name := range []string{"content-type", "content-length", "content-encoding"} {
		h.Remove(name)
	}
	h.Set("content-type", "application/json")
	h.Set(amznErrorType, errorTypeOf(a.Status))
	a.Response = &engine.Response{Status: a.Status, Headers: h, Length: int64(len(out)), Body: io.NopCloser(bytes.NewReader(out))}
}

func appendBedrockError(b []byte, message string) []byte {
	return append(body.AppendString(append(b, `{"message":`...), message), '}')
}

// errorMessageOf is the message of an error of the API, or of a cloud, or the text as it is.
func errorMessageOf(text []byte) string {
	top, err := body.Scan(text)
	if err != nil {
		return engine.Cut(string(text), engine.MaxErrorMessage)
	}
	for _, path := range []body.Path{{"error", "message"}, {"message"}} {
		if v, ok := top.Value().Get(path); ok {
			if message, ok := v.Text(); ok {
				return message
			}
		}
	}
	return engine.Cut(string(text), engine.MaxErrorMessage)
}

// reword puts an error of our own into the shape that the client reads.
func (w wire) reword(to *fasthttp.Response, message string) {
	if w.bedrock() {
		to.Header.Set(amznErrorType, errorTypeOf(to.StatusCode()))
		to.SetBodyRaw(appendBedrockError(nil, message))
	}
}
