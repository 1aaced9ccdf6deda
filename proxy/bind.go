package proxy

import (
	"bytes"
	"io"
	"strings"

	"sluice/engine"
	"sluice/engine/body"
)

const batchesPath = "/v1/messages/batches"

const (
	maxCreated = 64 << 10 // the largest answer in which the id of something new is looked for, in bytes
	maxBatches = 1 << 20  // the largest answer in which is looked for where batches have their results, in bytes: it has up to a thousand of them
)

// bind notes what an answer made in an upstream's account, or what is gone from it, before the client knows.
func (x *exchange) bind(a *engine.Answer) {
	known := x.gen.Bindings
	if known == nil || a.Status/100 != 2 || a.Upstream == nil || !engine.AccountBound(x.req.Path) {
		return
	}
	var err error
	id, rest := engine.AccountObject(x.req.Path)
	switch {
	case x.req.Creates():
		x.keep(createdID(a.Peek(maxCreated)))
	case x.req.Method == "DELETE" && id != "" && rest == "":
		err = known.Forget(id)
	}
	x.unbound(err)
}

// keep notes that a thing lives in the account of the upstream that answers, "" = there is none. What is bound already stays whose it is.
func (x *exchange) keep(id string) {
	known := x.gen.Bindings
	if _, is := known.Lookup(id); is || id == "" || x.flow.Hide(id) != id {
		return
	}
	x.unbound(known.Bind(id, engine.Binding{Principal: x.head.principal.ID, Upstream: x.flow.Upstream.ID}))
}

func (x *exchange) unbound(err error) {
	if err != nil {
		x.server.logf("request %s: %v; it is known until the gateway ends", x.req.RequestID, err)
	}
}

// keepMade notes what code that a message had run has left in an account, as the message or an event of it tells: the container that it ran in,
// and the files that it wrote.
func (x *exchange) keepMade(json []byte) {
	if x.gen.Bindings == nil || x.flow.Upstream == nil || x.req.Path != messagesPath || !ranCode(json) {
		return
	}
	top, err := body.Scan(json)
	if err != nil {
		return
	}
	for _, id := range made(top.Value()) {
		if !x.named(id) {
			x.keep(id)
		}
	}
}

// named reports whether the request itself names a container: that was made before, by nobody knows whom.
func (x *exchange) named(id string) bool {
	for text := range engine.Texts(x.container()) {
		if text == id {
			return true
		}
	}
	return false
}

// container is what the body says of its container, nil = nothing.
func (x *exchange) container() []byte {
	top, ok := x.req.Index.(*body.Top)
	if !ok {
		return x.ranIn
	}
	v, _ := top.Get("container")
	return v.Raw()
}

// ranCode is false for most messages, at little cost.
func ranCode(json []byte) bool {
	if bytes.Contains(json, []byte(codeResult)) {
		return true
	}
	for rest := json; ; {
		_, after, found := bytes.Cut(rest, []byte(`"container"`))
		if !found {
			return false
		}
		rest = bytes.TrimLeft(after, " \t\r\n:")
		if len(rest) > 0 && rest[0] == '{' {
			return true
		}
	}
}

// codeResult is how the types of blocks end that tell what code did. None of them is the model's own words.
const codeResult = `code_execution_tool_result"`

// made are the ids of the container and the files in a message, or in an event of one.
func made(v body.Value) (ids []string) {
	for key, part := range v.Members() {
		switch string(key) {
		case `"message"`, `"delta"`:
			ids = append(ids, made(part)...)
		case `"container"`:
			ids = appendText(ids, part, "id")
		case `"content_block"`:
			ids = append(ids, written(part)...)
		case `"content"`:
			for block := range part.Elements() {
				ids = append(ids, written(block)...)
			}
		}
	}
	return ids
}

// written are the files that a block tells of.
func written(block body.Value) (ids []string) {
	kind, _ := block.Get(body.Path{"type"})
	if !bytes.HasSuffix(kind.Raw(), []byte(codeResult)) {
		return nil
	}
	files, _ := block.Get(body.Path{"content", "content"})
	for file := range files.Elements() {
		ids = appendText(ids, file, "file_id")
	}
	return ids
}

func appendText(ids []string, v body.Value, key string) []string {
	v, _ = v.Get(body.Path{key})
	if id, ok := v.Text(); ok {
		return append(ids, id)
	}
	return ids
}

// nearResults says of batches that their results are here: clients' libraries ask at the address that stands there, with the key that they
// have for the gateway. All other bytes stay, and so does an address of any other form.
func (x *exchange) nearResults(a *engine.Answer) {
	id, rest := engine.AccountObject(x.req.Path)
	if a.Status != 200 || rest != "" && rest != "cancel" || !strings.HasPrefix(x.req.Path+"/", batchesPath+"/") {
		return
	}
	text := a.Peek(maxBatches)
	near := nearBatch
	if id == "" && x.req.Method == "GET" {
		near = nearBatches
	}
	if b := near(text); len(b) != len(text) {
		replaceHead(a.Response, len(text), b)
	}
}

// nearBatches is a list of batches whose results are here.
func nearBatches(text []byte) []byte {
	list, key := body.New(text), body.Path{"data"}
	data, _ := list.Get(key)
	left := data.Raw()
	var near []byte
	for batch := range data.Elements() {
		before, after, _ := bytes.Cut(left, batch.Raw()) // what stands before it is white space and a comma
		near = append(append(near, before...), nearBatch(batch.Raw())...)
		left = after
	}
	if list.Set(key, append(near, left...)) != nil {
		return text
	}
	return list.Bytes()
}

// nearBatch is a batch whose results are here.
func nearBatch(text []byte) []byte {
	batch, key := body.New(text), body.Path{"results_url"}
	v, _ := batch.Get(body.Path{"id"})
	id, _ := v.Text()
	v, _ = batch.Get(key)
	address, _ := v.Text()
	here := batchesPath + "/" + id + "/results"
	if !strings.HasSuffix(address, here) || batch.Set(key, body.AppendString(nil, here)) != nil {
		return text
	}
	return batch.Bytes()
}

// replaceHead puts b in the place of the first n bytes of a body, which are here already.
func replaceHead(r *engine.Response, n int, b []byte) {
	_, _ = io.CopyN(io.Discard, r.Body, int64(n))
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(b), r.Body), r.Body}
	if r.Length >= 0 {
		r.Length += int64(len(b) - n)
	}
}

// createdID is the id of the object in an answer, "" = it has none.
func createdID(text []byte) string {
	top, err := body.Scan(text)
	if err != nil {
		return ""
	}
	v, _ := top.Get("id")
	id, _ := v.Text()
	return id
}
