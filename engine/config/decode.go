package config

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Parse reads a config file. The error is an Errors that begins each line with name. No text that came from env is in it.
func Parse(name string, data []byte, env Env) (*Config, error) {
	d := &decoder{file: name, env: env, cfg: defaults(), contents: map[string]string{}}
	if root := d.document(data); root != nil {
		d.form(root, 0)
		d.config(root)
		for _, check := range d.later {
			check()
		}
	}
	if len(d.problems) > 0 {
		d.problems.sort()
		return nil, d.problems
	}
	return d.cfg, nil
}

// decoder walks the nodes of one file into cfg. It goes on after a problem, so that one run reports all of them.
type decoder struct {
	file     string
	env      Env
	cfg      *Config
	key      string            // whose value is being read, for messages
	contents map[string]string // of each ${file:PATH} read so far
	problems Errors
	later    []func() // checks that need the whole file

	upstreams, ids, principals, hashes seen
	trials                             trials
}

// decode reads one node into wherever it was made for, or reports why it cannot.
type decode func(*yaml.Node)

// field is a key of a mapping.
type field struct {
	name     string
	required bool
	decode   decode
	unlisted bool // no hint names it
}

func req(name string, to decode) field { return field{name: name, required: true, decode: to} }
func opt(name string, to decode) field { return field{name: name, decode: to} }

func posOf(n *yaml.Node) Pos { return Pos{n.Line, n.Column} }

// placed notes where a value stands.
func placed(at *Pos, to decode) decode {
	return func(n *yaml.Node) {
		*at = posOf(n)
		to(n)
	}
}

func (d *decoder) failAt(p Pos, message string) {
	d.problems = append(d.problems, Error{d.file, p, message})
}

func (d *decoder) fail(n *yaml.Node, format string, args ...any) {
	d.failAt(posOf(n), fmt.Sprintf(format, args...))
}

// maxDepth bounds nesting, as for JSON.
const maxDepth = 256

// form refuses what YAML has and a config does not: aliases, anchors, tags, and keys that are not plain text.
func (d *decoder) form(n *yaml.Node, depth int) {
	switch {
	case depth > maxDepth:
		d.fail(n, "nested deeper than %d", maxDepth)
		n.Content = nil
	case n.Kind == yaml.AliasNode:
		d.fail(n, `an alias, want the value itself, or quotes around text that begins with "*"`)
	case n.Anchor != "":
		d.fail(n, `an anchor, want the plain value, or quotes around text that begins with "&"`)
	case n.Style&yaml.TaggedStyle != 0:
		d.fail(n, `a tag, want the plain value, or quotes around text that begins with "!"`)
	}
	for i, child := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 && child.Kind != yaml.AliasNode && child.Tag != "!!str" {
			d.fail(child, "a key that is not text, want a single word, in quotes if it looks like a number or a date")
		}
		d.form(child, depth+1)
	}
}

// pairs calls each with every key and value of a mapping. A key that was there before is reported in its place. It returns whether
// n is a mapping.
func (d *decoder) pairs(n *yaml.Node, each func(key, value *yaml.Node)) bool {
	if !d.is(n, yaml.MappingNode) {
		return false
	}
	first := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Tag != "!!str" {
			continue // form has reported it
		}
		if was := first[key.Value]; was != nil {
			d.fail(key, "duplicate key %s, first at %s", shown(key), posOf(was))
			continue
		}
		first[key.Value] = key
		each(key, value)
	}
	return true
}

// object reads a mapping whose keys are all known. It returns the values by key, nil if n is not a mapping.
func (d *decoder) object(n *yaml.Node, fields ...field) map[string]*yaml.Node {
	in, got := d.key, map[string]*yaml.Node{}
	ok := d.pairs(n, func(key, value *yaml.Node) {
		got[key.Value] = value
		if f := find(fields, key.Value); f != nil {
			d.key = f.name
			f.decode(value)
			d.key = in
		} else {
			d.unknownKey(key, fields)
			if meant := wanted(key.Value, names(fields)); find(fields, meant) != nil && got[meant] == nil {
				got[meant] = value // it is not missing as well
			}
		}
	})
	if !ok {
		return nil
	}
	for _, f := range fields {
		if f.required && got[f.name] == nil {
			d.fail(n, "%smissing key %q", prefix(in), f.name)
		}
	}
	return got
}

func find(fields []field, name string) *field {
	for i := range fields {
		if fields[i].name == name {
			return &fields[i]
		}
	}
	return nil
}

func (d *decoder) unknownKey(key *yaml.Node, fields []field) {
	if name, _, found := strings.Cut(key.Value, ":"); found && find(fields, name) != nil {
		d.fail(key, "unknown key %s, want a space after \"%s:\"", shown(key), name)
		return
	}
	d.fail(key, "unknown key %s, want %s", shown(key), wanted(key.Value, names(fields)))
}

func names(fields []field) []string {
	var out []string
	for _, f := range fields {
		if !f.unlisted {
			out = append(out, f.name)
		}
	}
	return out
}

// list reads a sequence, each item by the decode that each makes for its place in into.
func list[T any](d *decoder, into *[]T, each func(*T) decode) decode {
	return func(n *yaml.Node) {
		if !d.is(n, yaml.SequenceNode) {
			return
		}
		*into = make([]T, len(n.Content))
		for i, item := range n.Content {
			each(&(*into)[i])(item)
		}
	}
}

// filled is a list that must have an item; hint says why.
func filled[T any](d *decoder, into *[]T, each func(*T) decode, hint string) decode {
	items := list(d, into, each)
	return func(n *yaml.Node) {
		if n.Kind == yaml.SequenceNode && len(n.Content) == 0 {
			d.fail(n, "%sempty list, %s", prefix(d.key), hint)
			return
		}
		items(n)
	}
}

// is reports n unless it is of a kind.
func (d *decoder) is(n *yaml.Node, want yaml.Kind) bool {
	if n.Kind != want && n.Kind != yaml.AliasNode { // form has reported an alias
		d.fail(n, "%swant %s, got %s", prefix(d.key), kindName(want), nodeName(n))
	}
	return n.Kind == want
}

func prefix(key string) string {
	if key == "" {
		return ""
	}
	return key + ": "
}

func nodeName(n *yaml.Node) string {
	if isNull(n) {
		return "nothing"
	}
	return kindName(n.Kind)
}

func kindName(k yaml.Kind) string {
	switch k {
	case yaml.MappingNode:
		return `a mapping of "key: value"`
	case yaml.SequenceNode:
		return "a list"
	}
	return "a single value"
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// seen are the nodes that gave the names of one kind of thing, by name.
type seen map[string]*yaml.Node

// uniqueName is unique for a name that may be shown.
func (d *decoder) uniqueName(names *seen, n *yaml.Node, name, what string) {
	if n != nil {
		d.unique(names, n, name, what+" "+shown(n))
	}
}

// unique reports a name that another node gave before.
func (d *decoder) unique(names *seen, n *yaml.Node, name, what string) {
	if n == nil || name == "" {
		return
	}
	if *names == nil {
		*names = seen{}
	}
	if was := (*names)[name]; was != nil {
		d.fail(n, "%s is there twice, first at %s", what, posOf(was))
		return
	}
	(*names)[name] = n
}
