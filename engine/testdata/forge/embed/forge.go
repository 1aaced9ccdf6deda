// Package embed passes a struct that embeds a signed request where a signed request is wanted.
package embed

import (
	"context"

	"sluice/engine"
)

type forged struct{ engine.Signed }

func Forge(t engine.Transport) { t.RoundTrip(context.Background(), forged{}) }
