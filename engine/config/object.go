package config

import (
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"sluice/engine"
)

// free reads a mapping of any keys and values: labels, claims, a script's config.
func (d *decoder) free(into **engine.Object) decode {
	return func(n *yaml.Node) { *into = d.freeObject(n) }
}

func (d *decoder) freeObject(n *yaml.Node) *engine.Object {
	o := &engine.Object{}
	d.pairs(n, func(key, value *yaml.Node) { o.Set(key.Value, d.freeValue(value)) })
	return o
}

// freeValue returns what a node means by itself: substituted text is always a string, dates are strings.
func (d *decoder) freeValue(n *yaml.Node) any {
	switch {
	case n.Kind == yaml.MappingNode:
		return d.freeObject(n)
	case n.Kind == yaml.SequenceNode:
		items := make([]any, len(n.Content))
		for i, item := range n.Content {
			items[i] = d.freeValue(item)
		}
		return items
	case n.Tag == "!!null":
		return nil
	case n.Tag == "!!bool":
		return strings.EqualFold(n.Value, "true")
	case n.Tag == "!!int" || n.Tag == "!!float":
		return d.number(n)
	}
	text, _ := d.expand(n)
	return text
}

var decimal = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$`)

// number reads a number as JSON writes it. YAML's other forms are refused: 012 would be ten, and 1_000 is as likely meant as text.
func (d *decoder) number(n *yaml.Node) any {
	if !decimal.MatchString(n.Value) {
		d.fail(n, "%snumber %s, want plain decimal digits, or quotes if it is text", prefix(d.key), shown(n))
		return nil
	}
	if !strings.ContainsAny(n.Value, ".eE") {
		if v, err := strconv.ParseInt(n.Value, 10, 64); err == nil {
			return v
		}
		return engine.Number(n.Value)
	}
	v, _ := strconv.ParseFloat(n.Value, 64) // the YAML parser has taken what no float holds for text
	return v
}
