package engine

import (
	"context"
	"errors"
	"io"
)

// Transport sends one signed request and returns the head of its answer. It refuses a request that is not Valid with ErrUnsigned. When
// ctx ends, the call is cut off, before or during the answer. It may be called from many goroutines.
type Transport interface {
	RoundTrip(ctx context.Context, s Signed) (*Response, error)
}

// Response is an upstream's answer. Whoever gets it closes Body, once; closing before the end cancels the call.
type Response struct {
	Status  int
	Headers Headers
	Length  int64 // of Body in bytes, -1 = unknown
	Body    io.ReadCloser
}

// ErrUpstreamTimeout is wrapped by a Transport's error when the upstream sent no head in time.
var ErrUpstreamTimeout = errors.New("no answer in time")

// A Transport's error wraps one of these where it knows. With neither the request went out whole, and nothing of an answer came.
var (
	ErrUnsent = errors.New("the request did not go out whole") // so that nobody works on it
	ErrBegun  = errors.New("the answer had begun")             // of which nobody got anything
)

// TransportFunc makes a function a Transport.
type TransportFunc func(ctx context.Context, s Signed) (*Response, error)

// RoundTrip calls f.
func (f TransportFunc) RoundTrip(ctx context.Context, s Signed) (*Response, error) { return f(ctx, s) }
