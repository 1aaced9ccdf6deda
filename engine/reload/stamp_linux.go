package reload

import (
	"io/fs"
	"syscall"
	"time"
)

func stampOf(info fs.FileInfo) stamp {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.Mode().IsRegular() {
		return stamp{}
	}
	return stamp{uint64(stat.Dev), stat.Ino, info.Size(), info.ModTime(), time.Unix(stat.Ctim.Unix())}
}
