package simulate

import (
	"net/url"
	"strings"
)

type model struct {
	Type        string `json:"type"`
	ID          string `json:"id"`
	DisplayName string `json:"display_name"`
	CreatedAt   string `json:"created_at"`
}

func modelObjects(ids []string) []object {
	if ids == nil {
		ids = []string{"claude-opus-5-5", "claude-sonnet-5", "claude-haiku-4-5"}
	}
	out := make([]object, len(ids))
	for i, id := range ids {
		out[i] = object{id: id, view: model{"model", id, displayName(id), "2026-02-04T00:00:00Z"}}
	}
	return out
}

// displayName makes "Claude Opus 5 5" of "claude-opus-5-5".
func displayName(id string) string {
	words := strings.FieldsFunc(id, func(c rune) bool { return c == '-' })
	for i, w := range words {
		words[i] = strings.ToUpper(w[:1]) + w[1:]
	}
	return strings.Join(words, " ")
}

func (x *exchange) models() {
	id := strings.TrimPrefix(strings.TrimPrefix(x.req.Path, "/v1/models"), "/")
	if id == "" {
		x.list(x.p.models)
		return
	}
	if unescaped, err := url.PathUnescape(id); err == nil {
		id = unescaped
	}
	if m, ok := find(x.p.models, id); ok {
		x.send(200, m.view)
		return
	}
	x.fail(404, "not_found_error", "model: "+id)
}
