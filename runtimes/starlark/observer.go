package starlark

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

// InstantiateObservability makes an observer of a script that defines observe. It has a method Wants(kind string) bool that tells which
// events it is to be called with: all but chunk, and that as well where the script's plugin["events"] lists it.
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
	plugin, _ := i.Global("plugin")
	o.chunks = slices.Contains(runtimes.PluginList(plugin, "events"), "chunk")
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
	c := o.begin("observe", nil, nil, o.watch)
	defer o.rt.end(c.runner)
	c.Now = event.Head().At
	c.room[0] = lift(&c.Call, runtimes.OfEvent(event))
	v, err := c.run(o.observe, c.room[:1])
	if err == nil {
		if err = runtimes.DecodeNothing("observe", v); err != nil {
			err = o.observe.placed(err)
		}
	}
	if err != nil {
		return &engine.ObservabilityError{Variant: engine.ObservabilityDropped, Reason: reasonOf(err), Cause: err}
	}
	return nil
}
