package config

import (
	"cmp"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"sluice/engine"
)

// bindingKeys are the keys that a binding takes in each place.
var bindingKeys = map[string][]string{
	"filters[]":              {"name", "script", "experiment", "config", "on_error", "budgets", "isolation"},
	"observers[]":            {"name", "script", "config", "budgets", "isolation"},
	"router":                 {"name", "script", "config", "budgets"},
	"dialect":                {"script", "experiment", "config", "on_error", "budgets"},
	"experiments[].arms[]":   {"name", "script", "config", "budgets", "weight"},
	"experiments[].shadow[]": {"name", "script", "config", "budgets"},
}

// bindings reads a list of bindings, whose names differ. what calls one of them in messages.
func (d *decoder) bindings(into *[]Binding, place, what string) decode {
	var names, trials seen
	return list(d, into, func(b *Binding) decode {
		read := d.bindingAs(b, place, what, &names)
		return func(n *yaml.Node) {
			read(n)
			d.uniqueName(&trials, keyed(n, "experiment"), b.Experiment, "experiment")
		}
	})
}

// keyed is the value of a key in a mapping, nil = it has none.
func keyed(n *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Kind == yaml.MappingNode && n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// binding reads a mapping, which may have more keys. named, if not nil, gets the node that the name came from.
func (d *decoder) binding(b *Binding, place string, named func(*yaml.Node), more ...field) decode {
	slot := engine.SlotFilter
	if place == "dialect" {
		slot = engine.SlotDialect
	}
	all := []field{
		opt("name", value(d, &b.Name, ParseName)),
		opt("script", placed(&b.Pos, value(d, &b.Script, parseScript))),
		opt("experiment", d.experimentName(b, slot)),
		opt("config", d.free(&b.Config)),
		opt("on_error", value(d, &b.Policy, parsePolicy)),
		opt("budgets", d.budgets(&b.Budget, nil)),
		opt("isolation", value(d, &b.Fresh, parseIsolation)),
	}
	all = append(all, more...)
	fields := slices.DeleteFunc(all, func(f field) bool { return !slices.Contains(bindingKeys[place], f.name) })
	return func(n *yaml.Node) {
		b.Config = &engine.Object{}
		d.fillBudget(b)
		got := d.object(n, fields...)
		if got == nil {
			return
		}
		if got["script"] == nil && got["experiment"] == nil {
			d.fail(n, "%smissing key %q", prefix(d.key), "script")
		}
		if got["experiment"] != nil {
			d.ownKeys(got)
		}
		at := got["name"]
		switch {
		case at == nil && got["experiment"] != nil:
			at, b.Name = got["experiment"], b.Experiment
		case at == nil:
			at = got["script"]
			d.nameAfterScript(b, at)
		}
		if named != nil && at != nil {
			named(at)
		}
	}
}

// ownKeys refuses beside an experiment what each of its arms says for itself.
func (d *decoder) ownKeys(got map[string]*yaml.Node) {
	for _, key := range []string{"script", "config", "budgets"} {
		if got[key] != nil {
			d.fail(got[key], "%s: the binding names an experiment, whose arms have their own, want one of the two", key)
		}
	}
}

// bindPath reads a binding that is only the path of its script.
func (d *decoder) bindPath(b *Binding, n *yaml.Node) {
	b.Pos, b.Config = posOf(n), &engine.Object{}
	d.fillBudget(b)
	value(d, &b.Script, parseScript)(n)
	d.nameAfterScript(b, n)
}

func (d *decoder) nameAfterScript(b *Binding, n *yaml.Node) {
	if b.Script == "" {
		return // reported
	}
	name, err := ParseName(strings.TrimSuffix(path.Base(b.Script), path.Ext(b.Script)))
	if err != nil {
		d.fail(n, "script %s: its file name makes no name for the binding, %v", shown(n), err)
	}
	b.Name = name
}

// fillBudget gives b what its own budgets leave open, once those of the whole file are known.
func (d *decoder) fillBudget(b *Binding) {
	d.later = append(d.later, func() {
		own, whole := &b.Budget, &d.cfg.Budget
		own.Time, own.TimePerMiB = cmp.Or(own.Time, whole.Time), cmp.Or(own.TimePerMiB, whole.TimePerMiB)
		own.Steps, own.StepsPerMiB = cmp.Or(own.Steps, whole.Steps), cmp.Or(own.StepsPerMiB, whole.StepsPerMiB)
		own.Memory, own.MemoryPerMiB = cmp.Or(own.Memory, whole.Memory), cmp.Or(own.MemoryPerMiB, whole.MemoryPerMiB)
	})
}

func parseScript(s string) (string, error) {
	if !fs.ValidPath(s) || strings.Contains(s, `\`) {
		return "", errors.New(`want a path below the scripts root, with "/" and without "." and ".."`)
	}
	if ext := path.Ext(s); ext != ".star" && ext != ".lua" {
		return "", errors.New("want a script that ends in .star or .lua")
	}
	return s, nil
}

func parsePolicy(s string) (engine.FailurePolicy, error) {
	word, err := oneOf("open", "closed")(s)
	return engine.FailurePolicy(word == "closed"), err
}

func parseIsolation(s string) (bool, error) {
	word, err := oneOf("state", "call")(s)
	return word == "call", err
}
