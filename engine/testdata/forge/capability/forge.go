// Package capability makes a capability for a request of its choice.
package capability

import "sluice/engine"

func Forge(s engine.Shaped) *engine.SigningCapability {
	return &engine.SigningCapability{shaped: nil}
}
