package simulate

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
)

// object is a model, a file or a batch.
type object struct {
	id      string
	view    any    // as JSON
	content []byte // of a file, or the results of a batch
}

func find(all []object, id string) (object, bool) {
	i := indexOf(all, id)
	if i < 0 {
		return object{}, false
	}
	return all[i], true
}

// page is the API's list of anything.
type page struct {
	Data    []any   `json:"data"`
	HasMore bool    `json:"has_more"`
	FirstID *string `json:"first_id"`
	LastID  *string `json:"last_id"`
}

// list answers with the page of all that limit, after_id and before_id of the query ask for.
func (x *exchange) list(all []object) {
	p, err := paginate(all, x.req.Query)
	if err != nil {
		x.fail(400, "invalid_request_error", err.Error())
		return
	}
	x.send(200, p)
}

func paginate(all []object, query string) (page, error) {
	q, err := url.ParseQuery(query)
	if err != nil {
		return page{}, err
	}
	limit := 20
	if s := q.Get("limit"); s != "" {
		if limit, err = strconv.Atoi(s); err != nil || limit < 1 || limit > 1000 {
			return page{}, errors.New("limit: Input should be an integer from 1 to 1000")
		}
	}
	if id := q.Get("after_id"); id != "" {
		i := indexOf(all, id)
		if i < 0 {
			return page{}, fmt.Errorf("after_id: %s is not in the list", id)
		}
		all = all[i+1:]
	}
	if id := q.Get("before_id"); id != "" {
		i := indexOf(all, id)
		if i < 0 {
			return page{}, fmt.Errorf("before_id: %s is not in the list", id)
		}
		return pageOf(all[max(0, i-limit):i], i > limit), nil
	}
	return pageOf(all[:min(limit, len(all))], len(all) > limit), nil
}

func pageOf(some []object, more bool) page {
	p := page{Data: []any{}, HasMore: more}
	for _, o := range some {
		p.Data = append(p.Data, o.view)
	}
	if len(some) > 0 {
		p.FirstID, p.LastID = &some[0].id, &some[len(some)-1].id
	}
	return p
}

// indexOf is where the object of that id is, -1 if it is nowhere.
func indexOf(all []object, id string) int {
	return slices.IndexFunc(all, func(o object) bool { return o.id == id })
}
