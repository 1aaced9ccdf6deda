// Package engine holds every noun and every boundary of Sluice, and the order of a request:
//
//	filters -> router -> strategy -> shape -> sign -> round trip -> (401: refresh once)
//
// It knows no HTTP server, no interpreter and no disk. Scripts reach it as Filter, Router, Dialect and Observer made by a
// PluginRuntime; the network as a Transport; what was observed of upstreams as Vitals. One immutable Generation carries all that was
// loaded together; a request leases it once and keeps it to its end.
package engine
