package runtimes

import (
	"fmt"

	"sluice/engine"
)

// Plugin is what a script says of itself.
type Plugin struct {
	Name, Version, Description string
	Events                     []string // further kinds of events that observe asks for
}

func readPlugin(m Module) (p Plugin, err error) {
	v, ok := m.Global("plugin")
	if !ok {
		return p, nil
	}
	if v.Kind != Map {
		return p, fmt.Errorf("plugin is %s, want a map", describeKind(v))
	}
	bad := v.Ref.(Mapper).Each(func(key string, v Value) bool {
		err = p.put(key, v)
		return err == nil
	})
	if err == nil && bad != "" {
		err = fmt.Errorf("plugin has a key that is a %s, want a string", bad)
	}
	return p, err
}

func (p *Plugin) put(key string, v Value) error {
	texts := map[string]*string{"name": &p.Name, "version": &p.Version, "description": &p.Description}
	if to := texts[key]; to != nil {
		if v.Kind != String {
			return fmt.Errorf("plugin.%s is %s, want a string", key, describeKind(v))
		}
		*to = v.Str
		return nil
	}
	if key != "events" {
		return fmt.Errorf("plugin has no %q%s", engine.Cut(key, maxQuoted), Suggest(key, []string{"name", "version", "description", "events"}))
	}
	events, ok := asList(v)
	if !ok {
		return fmt.Errorf("plugin.events is %s, want a list of event kinds", describeKind(v))
	}
	for i := range events.Len() {
		kind := events.At(i)
		if !knownEvent(kind.Str) {
			return fmt.Errorf("plugin.events names %s, want a kind of event", describe(kind))
		}
		p.Events = append(p.Events, kind.Str)
	}
	return nil
}
