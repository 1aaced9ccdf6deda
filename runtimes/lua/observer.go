package lua

import (
	"slices"

	"sluice/engine"
	"sluice/runtimes"
)

// observer is a bound observer.
type observer struct {
	*instance
	observe *hook
	chunks  bool
	watch   engine.Watch // who bounds a call from outside; nil = nobody does
}

var _ engine.WatchedObserver = (*observer)(nil)

// InstantiateObservability makes an observer of a script that defines observe. The observer has a method Wants(kind string) bool that
// tells which events it is to be called with: all but chunk, and that as well where the script's plugin.events lists it.
func (rt *Runtime) InstantiateObservability(m *engine.PluginManifest) (engine.Observer, error) {
	i, err := rt.instantiate(m)
	if err != nil {
		return nil, err
	}
	o := &observer{instance: i}
	if o.observe, err = i.hook("observe"); err != nil {
		return nil, err
	}
	if o.observe == nil {
		return nil, i.missing(m.Name, "observe")
	}
	o.chunks = slices.Contains(i.events, "chunk")
	return o, nil
}

// Wants reports whether events of a kind are to be observed.
func (o *observer) Wants(kind string) bool { return kind != "chunk" || o.chunks }

// WatchedBy returns the observer for one event.
func (o *observer) WatchedBy(w engine.Watch) engine.Observer {
	watched := *o
	watched.watch = w
	return &watched
}

// Observe shows the script an event. An error is an *engine.ObservabilityError.
func (o *observer) Observe(event engine.ObserveEvent) error {
	c, err := o.begin("observe", nil, o.watch)
	if err != nil {
		return observerError(err)
	}
	defer c.end()
	c.Now = event.Head().At
	v, err := c.run(o.observe, c.lift(&c.Call, runtimes.OfEvent(event)))
	if err != nil {
		return observerError(err)
	}
	if err := runtimes.DecodeNothing("observe", v); err != nil {
		return observerError(o.observe.placed(err))
	}
	return nil
}

func observerError(err error) error {
	return &engine.ObservabilityError{Variant: engine.ObservabilityDropped, Reason: reasonOf(err), Cause: err}
}
