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

// learn takes in what the upstream's cache did, where that can matter: among several upstreams.
func (x *exchange) learn(r *engine.Record, now time.Time) {
	if x.forecast != nil && x.served && r.Code == "" && len(x.gen.Upstreams) > 1 {
		x.forecast.Learn(x.flow.Upstream.ID, r.Usage, now)
	}
}
