package simulate

import (
	"slices"
	"strings"
	"time"
)

// maxObjects bounds how many files, and how many batches, a provider keeps; the oldest goes first.
const maxObjects = 1000

// shelf is where a provider keeps the objects of a kind, oldest first.
type shelf struct {
	objects     *[]object // guarded by Provider.mu; replaced, its elements never written
	deleted     string    // the type of the answer to a DELETE
	content     string    // the last part of the path to an object's content
	contentType string
}

// objects lists, gets and deletes what is on a shelf; rest is the path after that of the list.
func (x *exchange) objects(s shelf, method, rest string) {
	x.p.mu.Lock()
	all := slices.Clone(*s.objects)
	x.p.mu.Unlock()
	id, action, _ := strings.Cut(strings.TrimPrefix(rest, "/"), "/")
	o, found := find(all, id)
	switch {
	case id == "" && method == "GET":
		slices.Reverse(all)
		x.list(all)
	case id != "" && !found:
		x.fail(404, "not_found_error", "Not found: "+id)
	case found && method == "GET" && action == "":
		x.send(200, o.view)
	case found && method == "GET" && action == s.content:
		x.dress()
		x.body(200, s.contentType, o.content)
	case found && method == "DELETE" && action == "":
		x.remove(s, id)
	default:
		x.fail(405, "invalid_request_error", "Method Not Allowed")
	}
}

// keep puts o on the shelf and answers with it.
func (x *exchange) keep(objects *[]object, o object) {
	x.p.mu.Lock()
	*objects = append(*objects, o)
	if len(*objects) > maxObjects {
		*objects = slices.Clone((*objects)[1:])
	}
	x.p.mu.Unlock()
	x.send(200, o.view)
}

func (x *exchange) remove(s shelf, id string) {
	x.p.mu.Lock()
	*s.objects = slices.DeleteFunc(slices.Clone(*s.objects), func(o object) bool { return o.id == id })
	x.p.mu.Unlock()
	x.send(200, map[string]string{"id": id, "type": s.deleted})
}

func (x *exchange) now() string {
	return x.req.Arrived.UTC().Format(time.RFC3339)
}
