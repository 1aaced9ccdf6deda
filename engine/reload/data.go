package reload

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Data is the data directory, locked: no other process serves from it until Close.
type Data struct {
	dir   string
	lock  *os.File
	saved [sha256.Size]byte // of what lastGoodFile holds
}

// OpenData locks dir, which it creates if need be. It fails if dir is not writable, and names the process if another one holds it. The
// lock ends with the process, however that ends; the file "lock" stays.
func OpenData(dir string) (*Data, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the data directory %q: %w", dir, err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, notWritable(dir, err)
	}
	if err := claim(lock, dir); err != nil {
		lock.Close()
		return nil, err
	}
	return &Data{dir: dir, lock: lock}, nil
}

// claim takes the lock and writes our process id and host into it.
func claim(lock *os.File, dir string) error {
	err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return fmt.Errorf("data directory %q is in use by %s: stop that, or give another \"data\"", dir, holder(lock))
	}
	if err != nil {
		return fmt.Errorf("lock the data directory %q: %w", dir, err)
	}
	probe, err := os.CreateTemp(dir, "probe-*")
	if err != nil {
		return notWritable(dir, err)
	}
	probe.Close()
	os.Remove(probe.Name())
	if err := lock.Truncate(0); err != nil {
		return notWritable(dir, err)
	}
	host, _ := os.Hostname()
	_, err = lock.WriteAt(fmt.Appendln(nil, os.Getpid(), host), 0)
	return err
}

// holder names the process that has the lock, and its host where that is another: each container has a process 1.
func holder(lock *os.File) string {
	text := make([]byte, 300)
	n, _ := lock.ReadAt(text, 0)
	pid, host, _ := strings.Cut(strings.TrimSpace(string(text[:n])), " ")
	ours, _ := os.Hostname()
	switch {
	case pid == "":
		return "another process"
	case host != "" && host != ours:
		return fmt.Sprintf("process %s of host %q", pid, host)
	}
	return "process " + pid
}

func notWritable(dir string, err error) error {
	return fmt.Errorf("data directory %q is not writable, want one that this user may write: %w", dir, err)
}

// Read returns a file of the directory.
func (d *Data) Read(name string) ([]byte, error) { return os.ReadFile(filepath.Join(d.dir, name)) }

// Replace writes a file of the directory durably, readable by this user alone: a crash leaves the old text or the new.
func (d *Data) Replace(name string, text []byte) error {
	return replace(filepath.Join(d.dir, name), text)
}

// Close gives the directory up.
func (d *Data) Close() error { return d.lock.Close() }
