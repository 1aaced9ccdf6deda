package proxy

import (
	"time"

	"sluice/engine"
)

// foresee lets strategies and scripts ask what upstreams' prompt caches will do for the request. Nothing is read before they do.
func (x *exchange) foresee() {
	if x.server.Caches != nil && x.req.Path == "/v1/messages" {
		x.forecast = x.server.Caches.Forecast(&x.req)
		x.req.Forecast = x.forecast
	}
}

// foreseen reports whether it matters what an upstream's cache did: among several upstreams.
func (x *exchange) foreseen() bool { return x.forecast != nil && len(x.gen.Upstreams) > 1 }

// learn takes in what the upstream's cache did.
func (x *exchange) learn(r *engine.Record, now time.Time) {
	if x.foreseen() && x.served && r.Code == "" {
		x.forecast.Learn(x.flow.Upstream.ID, r.Usage, now)
	}
}
