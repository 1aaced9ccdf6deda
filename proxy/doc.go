// Package proxy is the data plane: it takes requests off the wire, lets the engine decide who answers them, and relays the
// answer byte for byte.
//
//	client -> conn -> gate -> exchange -> engine.Generation.Serve -> Transport -> upstream
//	client <- relay <------------------------------------------------------------/
//
// One goroutine carries a request from its head to its last byte. Beside it there is at most a watcher that waits for the
// client to leave. Nothing below the exchange sees a fasthttp.RequestCtx.
package proxy
