//go:build !linux

package turn

import "time"

// threadTime is not known.
func threadTime() time.Duration { return 0 }
