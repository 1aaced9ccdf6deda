package proxy

import (
	"maps"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
)

// judgement is by what the gate let a request in.
type judgement struct {
	gen uint64 // the generation that it went by
	at  time.Time
}

// stillGood is how long the handler goes by the gate's judgement: a client may let its body wait.
const stillGood = time.Second

// judgements are the exchanges that the gate let in, with their heads, which wait for the handler, by the head that the server reads into:
// each request passes the gate first, and then the handler unless its client left in between. What such clients leave behind would hold
// their heads, and the memory of their connections, for ever: it is swept when it has doubled.
type judgements struct {
	mu    sync.Mutex
	of    map[*fasthttp.RequestHeader]*exchange // guarded by mu
	sweep int                                   // how many there may be before the old ones go; guarded by mu
}

// fewJudgements are not worth a sweep.
const fewJudgements = 64

func (j *judgements) put(h *fasthttp.RequestHeader, x *exchange) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.of == nil {
		j.of, j.sweep = make(map[*fasthttp.RequestHeader]*exchange), fewJudgements
	}
	if len(j.of) >= j.sweep {
		maps.DeleteFunc(j.of, func(_ *fasthttp.RequestHeader, old *exchange) bool {
			return x.judged.at.Sub(old.judged.at) >= stillGood
		})
		j.sweep = max(fewJudgements, 2*len(j.of))
	}
	j.of[h] = x
}

// take returns the exchange of a head, once; nil = there is none.
func (j *judgements) take(h *fasthttp.RequestHeader) *exchange {
	j.mu.Lock()
	defer j.mu.Unlock()
	x := j.of[h]
	delete(j.of, h)
	return x
}
