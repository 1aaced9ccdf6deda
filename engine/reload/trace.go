package reload

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// maxLinks is how many links one path may lead through, as in the kernel.
const maxLinks = 40

// enter is called with each directory, a real path, in which a name matters, before what the name stands for is read. The name "" means
// all names.
type enter func(dir, name string)

// trace follows a path link by link to where it ends. It enters the places that decide about that: each link, and the end or what is
// missing.
func trace(name string, enter enter) (string, error) {
	name, err := filepath.Abs(name)
	if err != nil {
		return "", err
	}
	real := "/"
	rest := strings.Split(name, "/")
	for links := 0; len(rest) > 0; {
		part := rest[0]
		rest = rest[1:]
		if part == "" || part == "." {
			continue
		}
		if part == ".." {
			real = filepath.Dir(real)
			continue
		}
		here := filepath.Join(real, part)
		target, err := os.Readlink(here)
		if !errors.Is(err, syscall.EINVAL) {
			enter(real, part)
			target, err = os.Readlink(here) // it may have changed before it was watched
		}
		switch {
		case errors.Is(err, syscall.EINVAL): // no link
			real = here
			continue
		case err != nil:
			return "", err
		}
		if links++; links > maxLinks {
			return "", &fs.PathError{Op: "follow", Path: name, Err: syscall.ELOOP}
		}
		if filepath.IsAbs(target) {
			real = "/"
		}
		rest = append(strings.Split(target, "/"), rest...)
	}
	enter(filepath.Dir(real), filepath.Base(real))
	return real, nil
}
