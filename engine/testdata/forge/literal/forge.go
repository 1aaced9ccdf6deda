// Package literal writes a signed request as a literal.
package literal

import "sluice/engine"

var Forged = engine.Signed{sealed: nil}
