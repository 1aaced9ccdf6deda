// Package lend lends itself a capability.
package lend

import (
	"context"

	"sluice/engine"
)

func Forge(s engine.Signer, r engine.Shaped) (engine.Signed, error) {
	return engine.signRequest(context.Background(), s, r)
}
