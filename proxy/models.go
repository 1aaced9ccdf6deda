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
	// maxModelPages is how many pages are asked for until something is left of one.
	maxModelPages = 20
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

// cutModels leaves of an upstream's list what the principal may ask for. Of a page that nothing is left of the next one is in its place:
// the clients' libraries take an empty page for the last.
func (x *exchange) cutModels(a *engine.Answer) (*engine.Answer, error) {
	if strings.TrimSuffix(x.req.Path, "/") != modelsPath || x.req.Method != "GET" || x.head.principal.Models == nil {
		return a, nil
	}
	defer func(asked string) { x.req.Query = asked }(x.req.Query)
	for page := 1; a.Status == 200; page++ {
		upstream, response, dialect := a.Upstream, *a.Response, a.Dialect
		list, left, err := readModels(response.Body, x.head.principal)
		if err != nil {
			r := refuse(engine.CodeUpstreamUnreachable, "upstream %q: its list of models could not be read", upstream.Name)
			r.Cause = err
			return nil, r
		}
		next := ""
		if left == 0 && page < maxModelPages {
			next = nextPage(list, x.req.Query)
		}
		if next == "" || next == x.req.Query {
			response.Body, response.Length = io.NopCloser(bytes.NewReader(list)), int64(len(list))
			return &engine.Answer{Response: &response, Upstream: upstream, Dialect: dialect}, nil
		}
		x.req.Query = next
		if a, err = x.gen.Ask(&x.life, &x.flow, x, upstream); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// readModels reads a list of models to its end and drops those that p may not ask for. It returns how many are left.
func readModels(from io.ReadCloser, p *engine.Principal) (list []byte, left int, err error) {
	list, err = io.ReadAll(io.LimitReader(from, maxModelList+1))
	_ = from.Close()
	if err != nil {
		return nil, 0, err
	}
	if len(list) > maxModelList {
		return nil, 0, fmt.Errorf("it is larger than %d bytes", maxModelList)
	}
	return cutList(list, p)
}

// nextPage is the query for what follows a page, "" = nothing does.
func nextPage(list []byte, query string) string {
	asked, err := url.ParseQuery(query)
	doc := body.New(list)
	if err != nil || !hasMore(doc) {
		return ""
	}
	name, from := "after_id", "last_id"
	if asked.Get("before_id") != "" {
		name, from = "before_id", "first_id"
	}
	last, _ := doc.Get(body.Path{from})
	id, _ := last.Text()
	if id == "" {
		return ""
	}
	asked.Set(name, id)
	return asked.Encode()
}

// cutList drops the models that p may not ask for. All other bytes stay, but for the ids of the first and the last in the list, which stay
// as well where nothing is left and there is more: they lead on.
func cutList(list []byte, p *engine.Principal) (_ []byte, left int, err error) {
	doc := body.New(list)
	data, ok := doc.Get(body.Path{"data"})
	if !ok || data.Kind() != body.List {
		return nil, 0, errors.New("it has no list of data")
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
	set := func(key string, text []byte) {
		if err == nil {
			err = doc.Set(body.Path{key}, text)
		}
	}
	set("data", append(append([]byte{'['}, bytes.Join(kept, []byte{','})...), ']'))
	switch {
	case len(ids) > 0:
		set("first_id", body.AppendString(nil, ids[0]))
		set("last_id", body.AppendString(nil, ids[len(ids)-1]))
	case !hasMore(doc):
		set("first_id", []byte("null"))
		set("last_id", []byte("null"))
	}
	return doc.Bytes(), len(ids), err
}

func hasMore(list *body.Doc) bool {
	v, _ := list.Get(body.Path{"has_more"})
	more, _ := v.Bool()
	return more
}

// modelsFromConfig answers a question for models that no upstream can be asked, as far as the config knows any: for want of one that serves
// them, or of the client's own credential. The error of another question stays.
func (x *exchange) modelsFromConfig(err error) (*engine.Answer, error) {
	asked := askedModel(x.req.Path)
	if x.req.Method != "GET" && x.req.Method != "HEAD" || x.req.Path != modelsPath && asked == "" {
		return nil, err
	}
	known, code := x.configuredModels(), refusalOf(err).Code
	if code != engine.CodePathNotServed && (code != engine.CodeBadKey || len(known) == 0) {
		return nil, err
	}
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
