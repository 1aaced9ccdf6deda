package engine

import (
	"bytes"
	"compress/gzip"
	"io"
)

// Plain is what an encoded body says, as far as it goes and at most so many bytes of it; body may be cut off anywhere. Upstreams are asked
// for identity, but what stands before them may compress its errors all the same. Of another encoding than gzip nothing can be told.
func (r *Response) Plain(body []byte, most int64) []byte {
	if !r.encoded() {
		return body
	}
	encoding := r.Headers.Get("content-encoding")
	if !EqualFold(encoding, "gzip") && !EqualFold(encoding, "x-gzip") {
		return nil
	}
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil
	}
	text, _ := io.ReadAll(io.LimitReader(z, most)) // what came before the cut
	return text
}
