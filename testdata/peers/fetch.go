package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// packages are what is compared and what measures, with the libraries that a slim Debian lacks.
var packages = []string{"nginx", "nginx-common", "libnginx-mod-http-lua", "libnginx-mod-http-ndk", "libluajit2-5.1-2", "libluajit2-5.1-common",
	"lua-resty-core", "lua-resty-lrucache", "libpcre3", "haproxy", "liblua5.3-0", "libopentracing-c-wrapper0", "libopentracing1", "wrk"}

// debian is a folder with Debian's packages unpacked in it. Nothing is installed.
type debian string

// fetch unpacks the packages below dir, unless they are there.
func fetch(dir string) (debian, error) {
	root := filepath.Join(dir, "root")
	if _, err := os.Stat(filepath.Join(root, "usr/bin/wrk")); err == nil {
		return debian(root), nil
	}
	debs := filepath.Join(dir, "deb")
	if err := os.MkdirAll(debs, 0o755); err != nil {
		return "", err
	}
	download := exec.Command("apt-get", append([]string{"download"}, packages...)...)
	download.Dir = debs
	if out, err := download.CombinedOutput(); err != nil {
		return "", fmt.Errorf("apt-get download: %w\n%s", err, out)
	}
	files, err := filepath.Glob(filepath.Join(debs, "*.deb"))
	for _, f := range files {
		if out, err := exec.Command("dpkg", "-x", f, root).CombinedOutput(); err != nil {
			return "", fmt.Errorf("dpkg -x %s: %w\n%s", f, err, out)
		}
	}
	return debian(root), err
}

// command runs one of the unpacked programs with the libraries beside it.
func (d debian) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, filepath.Join(string(d), name), args...)
	libs, _ := filepath.Glob(filepath.Join(string(d), "usr/lib/*-linux-gnu"))
	more, _ := filepath.Glob(filepath.Join(string(d), "lib/*-linux-gnu"))
	c.Env = append(os.Environ(), "LD_LIBRARY_PATH="+strings.Join(append(libs, more...), ":"))
	return c
}
