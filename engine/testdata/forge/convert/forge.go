// Package convert turns a shaped request into a signed one by conversion.
package convert

import "sluice/engine"

func Forge(s engine.Shaped) engine.Signed { return engine.Signed(s) }
