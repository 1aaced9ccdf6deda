// Package scripts carries the bundled scripts inside the binary.
package scripts

import "embed"

// FS holds every bundled script below its folder's name, each as a .star and a .lua twin, and the reference and editor stubs beside them.
//
//go:embed filters dialects routers observers lib *.md *.lua *.pyi
var FS embed.FS
