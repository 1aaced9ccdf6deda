package proxy

import (
	"sluice/engine"
	"sluice/engine/body"
)

// maxCreated is the largest answer in which the id of something new is looked for, in bytes.
const maxCreated = 64 << 10

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
		if id := createdID(a.Peek(maxCreated)); id != "" {
			err = known.Bind(id, engine.Binding{Principal: x.head.principal.ID, Upstream: a.Upstream.ID})
		}
	case x.req.Method == "DELETE" && id != "" && rest == "":
		err = known.Forget(id)
	}
	if err != nil {
		x.server.logf("request %s: %v; it is known until the gateway ends", x.req.RequestID, err)
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
