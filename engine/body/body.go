// Package body reads and edits JSON bodies without decoding them. A body is scanned once:
//
//	top, err := body.Scan(b, "model", "stream") // err says where it is not JSON
//	model, ok := top.Get("model")
//	doc := body.WithTop(top)
//	err = doc.Set(body.Path{"metadata", "user_id"}, body.AppendString(nil, "u-1"))
//	send(doc.Bytes())
//
// An edit is a splice: all other bytes stay as they are, in their order. Nothing that Scan took is ever written to. Decode and
// the Append functions translate whole values for callers that have their own.
package body

// Doc is a body that is looked up by path and edited. It belongs to one goroutine.
type Doc struct {
	top     Top
	scanned bool
	invalid error // why the bytes are not JSON
	owned   bool  // top's bytes and index are this Doc's own, to be written to
	changed bool
}

// New makes a Doc of bytes that nobody has scanned; it scans them when it must, without routed keys. They must not change while
// the Doc is in use, and the Doc does not write to them. They need not be JSON: such a body has nothing at any path, and can
// only be replaced.
func New(b []byte) *Doc {
	return &Doc{top: Top{src: b}}
}

// WithTop makes a Doc of a body that is scanned already. Several Docs may share one Top. That of the zero Top is New(nil).
func WithTop(top Top) *Doc {
	return &Doc{top: top, scanned: top.src != nil}
}

// Bytes is the body as it is now: the bytes that were given, as long as nothing changed them. It is valid until the next edit,
// and must not be written to.
func (d *Doc) Bytes() []byte { return d.top.src }

// Changed is true once an edit changed a byte or Replace was called.
func (d *Doc) Changed() bool { return d.changed }

// Err is a *SyntaxError if the body is not JSON.
func (d *Doc) Err() error {
	if !d.scanned {
		src := d.top.src
		d.top, d.invalid = Scan(src)
		d.top.src, d.scanned = src, true
	}
	return d.invalid
}

// Get returns the value that p leads to. Of a key that occurs twice in an object it takes the last.
func (d *Doc) Get(p Path) (Value, bool) {
	if d.Err() != nil {
		return Value{}, false
	}
	if len(p) == 0 {
		return d.top.Value(), true
	}
	at, n := d.top.walk(d.top.root).child(p[0])
	if n == 0 {
		return Value{}, false
	}
	return Value{d.top.src[at.start:at.end]}.Get(p[1:])
}

// Has is true where there is a value, null included.
func (d *Doc) Has(p Path) bool {
	_, ok := d.Get(p)
	return ok
}

// Type is the name of the kind of the value at p, "" where there is none; see Kind.
func (d *Doc) Type(p Path) string {
	v, _ := d.Get(p)
	return v.Kind().String()
}

// Raw is the value at p as it stands in the body, nil where there is none. It is valid until the next edit, and must not be
// written to.
func (d *Doc) Raw(p Path) []byte {
	v, _ := d.Get(p)
	return v.Raw()
}

// Replace makes b the whole body, whatever it is. The Doc does not write to b, which must not change while the Doc is in use.
func (d *Doc) Replace(b []byte) {
	*d = Doc{top: Top{src: b}, changed: true}
}
