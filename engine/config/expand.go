package config

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

var varName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// expand returns the text of n with each "${VAR}" and "${file:PATH}" replaced and each "$${" made "${". What it puts in is not
// looked at again. It reports the first that cannot be replaced.
func (d *decoder) expand(n *yaml.Node) (string, bool) {
	var out strings.Builder
	rest := n.Value
	for {
		before, after, found := strings.Cut(rest, "${")
		if !found {
			out.WriteString(rest)
			return out.String(), true
		}
		if literal, ok := strings.CutSuffix(before, "$"); ok {
			out.WriteString(literal + "${")
			rest = after
			continue
		}
		name, after, closed := strings.Cut(after, "}")
		if !closed {
			d.fail(n, `%s"${" is not closed, want ${VAR} or ${file:PATH}, or "$${" for the text itself`, prefix(d.key))
			return "", false
		}
		text, err := d.lookUp(name)
		if err != nil {
			d.fail(n, "%s%v", prefix(d.key), err)
			return "", false
		}
		out.WriteString(before + text)
		rest = after
	}
}

// lookUp returns what stands for the inside of a "${...}".
func (d *decoder) lookUp(name string) (string, error) {
	if path, ok := strings.CutPrefix(name, "file:"); ok {
		return d.content(path)
	}
	if !varName.MatchString(name) {
		return "", fmt.Errorf(`%s is no name of a variable, want ${VAR} or ${file:PATH}, or "$${" for the text itself`, shownText(name))
	}
	text, ok := d.env.Var(name)
	if !ok {
		return "", fmt.Errorf("environment variable %s is not set%s", shownText(name), d.nearVar(name))
	}
	return text, nil
}

// nearVar proposes a variable that is set.
func (d *decoder) nearVar(name string) string {
	if d.env.Vars == nil {
		return ""
	}
	var names []string
	for _, v := range d.env.Vars() {
		set, _, _ := strings.Cut(v, "=")
		names = append(names, set)
	}
	if near := nearest(name, names); near != "" {
		return ", want " + near
	}
	return ""
}

// content returns a file without the newline at its end.
func (d *decoder) content(path string) (string, error) {
	if path == "" {
		return "", errors.New("${file:} names no file, want ${file:PATH}")
	}
	if text, ok := d.contents[path]; ok {
		return text, nil
	}
	data, err := d.env.File(path)
	if err != nil {
		if inner, ok := errors.AsType[*fs.PathError](err); ok {
			err = inner.Err
		}
		return "", fmt.Errorf("read file %q: %w", path, err)
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	d.contents[path] = text
	return text, nil
}
