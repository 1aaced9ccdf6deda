package runtimes

import (
	"fmt"
	"strings"

	"sluice/engine"
)

// Plugin is what a script says of itself.
type Plugin struct {
	Name, Version, Description string
	Events                     []string // further kinds of events that observe asks for
	Paths                      []string // of a dialect: those that its wire has, nil = all of the upstream's kind
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
	switch key {
	case "events":
		return putTexts(&p.Events, key, "kind of event", v, knownEvent)
	case "paths":
		return putTexts(&p.Paths, key, "path such as /v1/messages", v, func(s string) bool { return strings.HasPrefix(s, "/") })
	}
	return fmt.Errorf("plugin has no %q%s", engine.Cut(key, maxQuoted),
		Suggest(key, []string{"name", "version", "description", "events", "paths"}))
}

// maxListed bounds a list in plugin: it is looked through for each request.
const maxListed = 100

// putTexts takes a list of texts, each of which is to be good.
func putTexts(to *[]string, key, want string, v Value, good func(string) bool) error {
	list, ok := asList(v)
	if !ok {
		return fmt.Errorf("plugin.%s is %s, want a list, each a %s", key, describeKind(v), want)
	}
	if list.Len() > maxListed {
		return fmt.Errorf("plugin.%s has %d elements, want at most %d", key, list.Len(), maxListed)
	}
	for i := range list.Len() {
		one := list.At(i)
		if !good(one.Str) {
			return fmt.Errorf("plugin.%s names %s, want a %s", key, describe(one), want)
		}
		*to = append(*to, one.Str)
	}
	return nil
}

// PluginList is a list of texts in what a script says of itself, nil = it says nothing under this key.
func PluginList(plugin Value, key string) []string {
	m, ok := plugin.Ref.(Mapper)
	if !ok {
		return nil
	}
	v, _ := m.Get(key)
	list, ok := asList(v)
	if !ok {
		return nil
	}
	out := make([]string, list.Len())
	for i := range out {
		out[i] = list.At(i).Str
	}
	return out
}
