package proxy

import (
	"sync"
	"time"

	"github.com/valyala/fasthttp"
)

// judgement is what the gate found in the head of a request that it let in.
type judgement struct {
	gen  uint64 // the generation that it went by
	at   time.Time
	head head
}

// stillGood is how long the handler goes by the gate's judgement: a client may let its body wait.
const stillGood = time.Second

// judgements wait for the handler, by the head that the server reads into: each request passes the gate first, and then the handler unless
// its client left in between.
type judgements struct {
	mu sync.Mutex
	of map[*fasthttp.RequestHeader]*judgement // guarded by mu
}

func (j *judgements) put(h *fasthttp.RequestHeader, seen *judgement) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.of == nil {
		j.of = make(map[*fasthttp.RequestHeader]*judgement)
	}
	j.of[h] = seen
}

// take returns the judgement of a head, once; nil = there is none.
func (j *judgements) take(h *fasthttp.RequestHeader) *judgement {
	j.mu.Lock()
	defer j.mu.Unlock()
	seen := j.of[h]
	delete(j.of, h)
	return seen
}
