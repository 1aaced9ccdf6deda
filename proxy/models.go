package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
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

// modelsFromConfig answers a question for models that no upstream can be asked. The error of another question stays.
func (x *exchange) modelsFromConfig(err error) (*engine.Answer, error) {
	asked := askedModel(x.req.Path)
	if refusalOf(err).Code != engine.CodePathNotServed || x.req.Method != "GET" && x.req.Method != "HEAD" || x.req.Path != modelsPath && asked == "" {
		return nil, err
	}
	known := x.configuredModels()
	var text []byte
	switch {
	case asked == "":
		page, more, err := modelPage(known, x.req.Query)
		if err != nil {
			return nil, err
		}
		text = appendModelList(nil, page, more)
	case slices.Contains(known, asked):
		text = appendModel(nil, asked)
	default:
		return nil, err
	}
	headers := engine.Headers{{Name: "content-type", Value: "application/json"}}
	return &engine.Answer{Response: &engine.Response{Status: 200, Headers: headers, Length: int64(len(text)),
		Body: io.NopCloser(bytes.NewReader(text))}}, nil
}

// modelPage is the part of a sorted list that a query asks for, and whether there is more in its direction. Without a limit it is all.
func modelPage(names []string, query string) (page []string, more bool, err error) {
	asked, err := url.ParseQuery(query)
	if err != nil {
		return nil, false, refuse(engine.CodeBadRequest, "the query cannot be read: want name=value pairs with &")
	}
	limit := len(names)
	if asked.Has("limit") {
		if limit, err = strconv.Atoi(asked.Get("limit")); err != nil || limit < 1 || limit > 1000 {
			return nil, false, refuse(engine.CodeBadRequest, "limit is %q, want a number from 1 to 1000", engine.Cut(asked.Get("limit"), 20))
		}
	}
	if before := asked.Get("before_id"); before != "" {
		end, _ := slices.BinarySearch(names, before)
		begin := max(0, end-limit)
		return names[begin:end], begin > 0, nil
	}
	begin := 0
	if after := asked.Get("after_id"); after != "" {
		i, found := slices.BinarySearch(names, after)
		if begin = i; found {
			begin++
		}
	}
	end := min(len(names), begin+limit)
	return names[begin:end], end < len(names), nil
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

func appendModelList(b []byte, names []string, more bool) []byte {
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
	return fmt.Appendf(b, `],"has_more":%t,"first_id":%s,"last_id":%s}`, more, first, last)
}

func appendModel(b []byte, name string) []byte {
	id := body.AppendString(nil, name)
	return fmt.Appendf(b, `{"type":"model","id":%s,"display_name":%s,"created_at":"1970-01-01T00:00:00Z"}`, id, id)
}
