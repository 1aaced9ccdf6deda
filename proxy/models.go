package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"sluice/engine"
	"sluice/engine/body"
)

const (
	modelsPath = "/v1/models"
	// maxModelList is the largest list of models that is cut to an allow-list, in bytes.
	maxModelList = 4 << 20
)

// askedModel returns the model that a GET /v1/models/{id} asks for, "" = the list, or another path.
func askedModel(path string) string {
	id, _ := strings.CutPrefix(path, modelsPath+"/")
	if id == path {
		return ""
	}
	return id
}

// checkModelPath holds the model that the path names against the allow-list.
func checkModelPath(r *engine.RequestContext, p *engine.Principal) *engine.Refusal {
	if id := askedModel(r.Path); id != "" && !p.MayAskModel(id) {
		return modelNotAllowed(p, id)
	}
	return nil
}

// cutModels leaves of an upstream's list what the principal may ask for.
func (x *exchange) cutModels(a *engine.Answer) (*engine.Answer, error) {
	if strings.TrimSuffix(x.req.Path, "/") != modelsPath || x.req.Method != "GET" || x.head.principal.Models == nil || a.Status != 200 {
		return a, nil
	}
	list, err := io.ReadAll(io.LimitReader(a.Body, maxModelList+1))
	_ = a.Body.Close()
	if err == nil && len(list) > maxModelList {
		err = fmt.Errorf("it is larger than %d bytes", maxModelList)
	}
	if err == nil {
		list, err = cutList(list, x.head.principal)
	}
	if err != nil {
		r := refuse(engine.CodeUpstreamUnreachable, "upstream %q: its list of models could not be read", a.Upstream.Name)
		r.Cause = err
		return nil, r
	}
	resp := *a.Response
	resp.Body, resp.Length = io.NopCloser(bytes.NewReader(list)), int64(len(list))
	return &engine.Answer{Response: &resp, Upstream: a.Upstream, Dialect: a.Dialect}, nil
}

// cutList drops the models that p may not ask for. All other bytes stay, but for the ids of the first and the last in the list.
func cutList(list []byte, p *engine.Principal) ([]byte, error) {
	doc := body.New(list)
	data, ok := doc.Get(body.Path{"data"})
	if !ok || data.Kind() != body.List {
		return nil, errors.New("it has no list of data")
	}
	var kept [][]byte
	var ids []string
	for model := range data.Elements() {
		v, _ := model.Get(body.Path{"id"})
		if id, ok := v.Text(); ok && p.MayAskModel(id) {
			kept = append(kept, model.Raw())
			ids = append(ids, id)
		}
	}
	first, last := []byte("null"), []byte("null")
	if len(ids) > 0 {
		first, last = body.AppendString(nil, ids[0]), body.AppendString(nil, ids[len(ids)-1])
	}
	cut := append(append([]byte{'['}, bytes.Join(kept, []byte{','})...), ']')
	for _, edit := range []struct {
		key  string
		text []byte
	}{{"data", cut}, {"first_id", first}, {"last_id", last}} {
		if err := doc.Set(body.Path{edit.key}, edit.text); err != nil {
			return nil, err
		}
	}
	return doc.Bytes(), nil
}

// modelsFromConfig answers a question for models that no upstream can be asked, nil = this was another question.
func (x *exchange) modelsFromConfig(err error) *engine.Answer {
	asked := askedModel(x.req.Path)
	if refusalOf(err).Code != engine.CodePathNotServed || x.req.Method != "GET" && x.req.Method != "HEAD" || x.req.Path != modelsPath && asked == "" {
		return nil
	}
	known := x.configuredModels()
	var text []byte
	switch {
	case asked == "":
		text = appendModelList(nil, known)
	case slices.Contains(known, asked):
		text = appendModel(nil, asked)
	default:
		return nil
	}
	headers := engine.Headers{{Name: "content-type", Value: "application/json"}}
	return &engine.Answer{Response: &engine.Response{Status: 200, Headers: headers, Length: int64(len(text)),
		Body: io.NopCloser(bytes.NewReader(text))}}
}

// configuredModels are the names that the config mentions and the principal may ask for, sorted.
func (x *exchange) configuredModels() []string {
	p := x.head.principal
	var names []string
	for _, u := range x.gen.Upstreams {
		if !p.MayUse(u.ID) {
			continue
		}
		for name := range u.Models {
			if p.MayAskModel(name) {
				names = append(names, name)
			}
		}
	}
	for _, glob := range p.Models {
		if !strings.ContainsAny(glob, "*?") {
			names = append(names, glob)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func appendModelList(b []byte, names []string) []byte {
	b = append(b, `{"data":[`...)
	for i, name := range names {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendModel(b, name)
	}
	first, last := []byte("null"), []byte("null")
	if len(names) > 0 {
		first, last = body.AppendString(nil, names[0]), body.AppendString(nil, names[len(names)-1])
	}
	return fmt.Appendf(b, `],"has_more":false,"first_id":%s,"last_id":%s}`, first, last)
}

func appendModel(b []byte, name string) []byte {
	id := body.AppendString(nil, name)
	return fmt.Appendf(b, `{"type":"model","id":%s,"display_name":%s,"created_at":"1970-01-01T00:00:00Z"}`, id, id)
}
