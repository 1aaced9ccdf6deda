//go:build !linux

package ledger

import "os"

// uncache leaves it to the system what of a file it keeps in memory.
func uncache(*os.File) {}
