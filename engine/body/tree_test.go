package body_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"sluice/engine/body"
)

// node is a JSON value that keeps every byte: the plain way to do what Doc does by splices.
type node struct {
	text  string // of a scalar
	open  string // "{" or "[" of the others
	empty string // the white space in an object or list without items
	items []item
}

type item struct {
	lead, key, colon string // the white space before it; the key in quotes; what is between key and value, white space included
	name             string // the key's text
	value            *node
	trail            string // the white space before the comma or the closing bracket
}

// parseTree reads JSON that encoding/json accepts.
func parseTree(src []byte) (lead string, root *node, trail string) {
	p := treeParser{src: string(src)}
	lead = p.space()
	root = p.node()
	return lead, root, p.src
}

type treeParser struct{ src string }

func (p *treeParser) take(n int) string {
	taken := p.src[:n]
	p.src = p.src[n:]
	return taken
}

func (p *treeParser) space() string {
	return p.take(len(p.src) - len(strings.TrimLeft(p.src, " \t\r\n")))
}

// scalar takes the JSON value without items that comes first.
func (p *treeParser) scalar() string {
	decoder := json.NewDecoder(strings.NewReader(p.src))
	decoder.UseNumber()
	if _, err := decoder.Token(); err != nil {
		panic(err)
	}
	return p.take(int(decoder.InputOffset()))
}

func (p *treeParser) node() *node {
	if p.src[0] != '{' && p.src[0] != '[' {
		return &node{text: p.scalar()}
	}
	n := &node{open: p.take(1)}
	lead := p.space()
	if p.src[0] == '}' || p.src[0] == ']' {
		p.take(1)
		n.empty = lead
		return n
	}
	for {
		it := item{lead: lead}
		if n.open == "{" {
			it.key = p.scalar()
			_ = json.Unmarshal([]byte(it.key), &it.name)
			it.colon = p.space() + p.take(1) + p.space()
		}
		it.value = p.node()
		it.trail = p.space()
		n.items = append(n.items, it)
		if p.take(1) != "," {
			return n
		}
		lead = p.space()
	}
}

func (n *node) write(b *strings.Builder) {
	if n.open == "" {
		b.WriteString(n.text)
		return
	}
	b.WriteString(n.open)
	for i, it := range n.items {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(it.lead + it.key + it.colon)
		it.value.write(b)
		b.WriteString(it.trail)
	}
	if len(n.items) == 0 {
		b.WriteString(n.empty)
	}
	b.WriteString(map[string]string{"{": "}", "[": "]"}[n.open])
}

// find is the index of the item that segment names, the last of several; -1 if there is none.
func (n *node) find(segment string) int {
	if n.open == "[" {
		i, err := strconv.Atoi(segment)
		if err != nil || strconv.Itoa(i) != segment || i < 0 || i >= len(n.items) {
			return -1
		}
		return i
	}
	for i := len(n.items) - 1; i >= 0; i-- {
		if n.items[i].name == segment {
			return i
		}
	}
	return -1
}

func (n *node) drop(i int) {
	gone := n.items[i]
	n.items = append(n.items[:i:i], n.items[i+1:]...)
	switch {
	case len(n.items) == 0:
		n.empty = gone.lead + gone.trail
	case i == len(n.items):
		n.items[i-1].trail = gone.trail
	default:
		n.items[i].lead = gone.lead
	}
}

// dropEarlier drops the members with the same key before item i, and returns where that item is then.
func (n *node) dropEarlier(i int) int {
	for k := 0; k < i; k++ {
		if n.open == "{" && n.items[k].name == n.items[i].name {
			n.drop(k)
			k, i = k-1, i-1
		}
	}
	return i
}

var errTree = errors.New("refused")

func (n *node) set(p body.Path, value *node) error {
	if len(p) == 0 {
		*n = *value
		return nil
	}
	if n.text == "null" {
		_, number := position(p[0])
		if number {
			return errTree
		}
		made := &node{open: "{"}
		if p[0] == "-1" {
			made.open = "["
		}
		if err := made.set(p, value); err != nil {
			return err
		}
		*n = *made
		return nil
	}
	if i := n.find(p[0]); i >= 0 {
		if err := n.items[i].value.set(p[1:], value); err != nil {
			return err
		}
		n.dropEarlier(i)
		return nil
	}
	if n.open == "" || n.open == "[" && p[0] != "-1" {
		return errTree
	}
	made := &node{text: "null"}
	if err := made.set(p[1:], value); err != nil {
		return err
	}
	added := item{value: made}
	if n.open == "{" {
		added.name, added.key, added.colon = p[0], string(body.AppendString(nil, p[0])), ":"
	}
	if last := len(n.items) - 1; last >= 0 {
		added.trail, n.items[last].trail = n.items[last].trail, ""
	} else {
		added.trail, n.empty = n.empty, ""
	}
	n.items = append(n.items, added)
	return nil
}

func position(segment string) (int, bool) {
	i, err := strconv.Atoi(segment)
	return i, err == nil && i >= 0 && strconv.Itoa(i) == segment
}

func (n *node) remove(p body.Path) error {
	if n.open == "[" && p[0] == "-1" {
		return errTree
	}
	i := n.find(p[0])
	if i < 0 {
		return nil
	}
	if len(p) == 1 {
		i = n.dropEarlier(i)
		n.drop(i)
		return nil
	}
	if err := n.items[i].value.remove(p[1:]); err != nil {
		return err
	}
	n.dropEarlier(i)
	return nil
}

func (n *node) get(p body.Path) (*node, bool) {
	for _, segment := range p {
		i := n.find(segment)
		if i < 0 {
			return nil, false
		}
		n = n.items[i].value
	}
	return n, true
}

func TestTheTreeKeepsEveryByte(t *testing.T) {
	t.Parallel()
	f := func(src string) {
		t.Helper()
		lead, root, trail := parseTree([]byte(src))
		var b strings.Builder
		root.write(&b)
		if lead+b.String()+trail != src {
			t.Errorf("%s became %s", src, lead+b.String()+trail)
		}
	}
	f(` { "a" : [ 1 , "x\"" , { } , [ ] ] , "\u0061":null } `)
	f(`-1.5e3`)
	f(string(claudeBody(3_000)))
}

// FuzzSplice runs a script of edits, a line each, on a Doc and on a tree. A line is "path = value", or a path to remove.
func FuzzSplice(f *testing.F) {
	f.Add([]byte(`{"a":1,"b":[1,{"c":null}],"a":{"x":1}}`), "a.x = 2\nb.1.c.d.-1 = [3]\nb.0\na\nz = 1\nz")
	f.Add([]byte(" { \"a\" : 1 , \"b\" : 2 , \"a\" : 3 }\n"), "a\nb = {\"c\":{}}\nb.c.d = 1\nb.c.e = 2\nb.c.d\na = 5\nb")
	f.Add([]byte(`[ [ ] , { } ]`), "0.-1 = 1\n1.k = 2\n-1 = 3\n0.0\n1.k\n2\n1\n0\n-1.a.b = 1")
	f.Add([]byte(`null`), "a.b = 1\na.c = 2\na.b\nd = null\nd.-1.-1 = 0\n = 5\n = {}\nx = 1")
	f.Add([]byte(`{"m":"a\\\"","\u006d":"}"}`), `m = "b"`+"\n"+`\.\\.0`)
	f.Add([]byte(`{"a":[{"a":0,"a":[1],"b":0,"a":[2],"a":[3 ]} ],"a":[{"a":0,"a":[1],"b":0,"a":[2],"a":[3 ]} ]}`),
		"a.0.a.-1 = 1\na.0.a.0\na.0.a\na.0.b")
	f.Add(claudeBody(2_000), "model = \"x\"\nmetadata.user_id\nmessages.0.content.0.text = \"y\"\nstream\nnew = 1\nmodel\nnew")
	f.Fuzz(runScript)
}

func runScript(t *testing.T, src []byte, script string) {
	if !json.Valid(src) || depth(src) > body.MaxDepth {
		return
	}
	before := bytes.Clone(src)
	lead, root, trail := parseTree(src)
	d := body.New(src)
	for line := range strings.Lines(script) {
		edit(t, d, root, strings.TrimRight(line, "\n"))
		var want strings.Builder
		root.write(&want)
		if got := string(d.Bytes()); got != lead+want.String()+trail {
			t.Fatalf("%q after %q:\n got %q\nwant %q", src, line, got, lead+want.String()+trail)
		}
		compareMembers(t, d)
	}
	if !bytes.Equal(src, before) {
		t.Fatal("the source was written to")
	}
	if !d.Changed() && !bytes.Equal(src, d.Bytes()) {
		t.Fatal("changed, but does not say so")
	}
}

func TestRandomEditsAreThoseOfATree(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	space := func() string { return pick("", "", "", " ", "\n\t") }
	var text func(depth int) string
	text = func(depth int) string {
		kind := r.IntN(8)
		if depth == 0 || kind < 3 {
			return pick(`1`, `-2.5e3`, `true`, `null`, `"a"`, `"\"},\\"`, `"\u0061"`)
		}
		items := make([]string, r.IntN(5))
		for i := range items {
			items[i] = space() + text(depth-1) + space()
			if kind < 6 {
				items[i] = space() + pick(`"a"`, `"b"`, `"c"`, `"\u0061"`, `"0"`) + space() + ":" + items[i]
			}
		}
		if inside := strings.Join(items, ","); kind < 6 {
			return "{" + inside + space() + "}"
		} else {
			return "[" + inside + space() + "]"
		}
	}
	for range 5_000 {
		var script strings.Builder
		for range 1 + r.IntN(6) {
			path := make([]string, min(3, r.IntN(12)))
			for i := range path {
				path[i] = pick("a", "a", "b", "c", "d", "0", "1", "-1")
			}
			script.WriteString(strings.Join(path, "."))
			if r.IntN(3) > 0 {
				script.WriteString(" = " + strings.NewReplacer("\n", " ").Replace(text(1)))
			}
			script.WriteByte('\n')
		}
		runScript(t, []byte(space()+text(4)+space()), script.String())
	}
}

// edit does what line says to both, and checks that they agree on what is there before and on whether it can be done.
func edit(t *testing.T, d *body.Doc, root *node, line string) {
	target, text, set := strings.Cut(line, " = ")
	p, err := body.ParsePath(target)
	if err != nil && target != "" {
		return
	}
	_, had := root.get(p)
	if _, has := d.Get(p); has != had {
		t.Fatalf("%q: Has is %v, want %v", line, has, had)
	}
	if set {
		valid := json.Valid([]byte(text)) && len(p)+depth([]byte(text)) <= body.MaxDepth
		refused := !valid
		if valid {
			_, value, _ := parseTree([]byte(text))
			refused = root.set(p, value) != nil
		}
		if err := d.Set(p, []byte(text)); (err != nil) != refused {
			t.Fatalf("%q: got %v, want refused %v", line, err, refused)
		}
		return
	}
	refused := len(p) == 0 || root.remove(p) != nil
	if err := d.Remove(p); (err != nil) != refused {
		t.Fatalf("%q: got %v, want refused %v", line, err, refused)
	}
}

// compareMembers checks that d finds the same members as a Doc that scans d's bytes anew.
func compareMembers(t *testing.T, d *body.Doc) {
	fresh := body.New(d.Bytes())
	if fresh.Err() != nil {
		t.Fatalf("%q: %v", d.Bytes(), fresh.Err())
	}
	if !bytes.Equal(d.Raw(nil), fresh.Raw(nil)) {
		t.Fatalf("the body is %q, want %q", d.Raw(nil), fresh.Raw(nil))
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(d.Bytes(), &members) != nil {
		return
	}
	for key := range members {
		p := body.Path{key}
		if !d.Has(p) || !bytes.Equal(d.Raw(p), fresh.Raw(p)) {
			t.Fatalf("%q is %q, want %q", key, d.Raw(p), fresh.Raw(p))
		}
	}
}
