package reload

import (
	"io/fs"
	"time"
)

// trusted is how long a file counts as unchanged by its stamp: what writes through a map of memory may leave no trace of that for a while.
const trusted = 5 * time.Second

// coarsest is what the clock of a file system may count in: FAT's knows every second second, and a margin.
const coarsest = 3 * time.Second

// stamp tells one content of a file from the next without reading it: who writes to a file changes this, unless twice within a tick of
// the file system's clock. The zero value tells nothing.
type stamp struct {
	device, inode uint64
	size          int64
	written       time.Time
	changed       time.Time // the inode, which also tells of a program that sets the other time back
}

// settledStamp is the stamp of a file that was last touched long before it was looked at. One that was touched just now may be touched
// again within the same tick, and has none.
func settledStamp(info fs.FileInfo, looked time.Time) stamp {
	s := stampOf(info)
	if long := looked.Add(-coarsest); s.written.After(long) || s.changed.After(long) {
		return stamp{}
	}
	return s
}
