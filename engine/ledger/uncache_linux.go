package ledger

import (
	"os"

	"golang.org/x/sys/unix"
)

// uncache has the system take the memory back in which it keeps what was synced of a file. A page that is still to be written stays.
func uncache(f *os.File) {
	_ = unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED) // advice: where it is not taken, nothing is wrong
}
