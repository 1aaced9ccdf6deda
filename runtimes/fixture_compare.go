package runtimes

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"sluice/engine"
)

// compare tells how a result differs from what was wanted. Where want.json has an object, the keys that it names are compared.
func (r *fixtureRun) compare(got any) error {
	if !r.wanted {
		return nil
	}
	want, ok := r.Want.(*engine.Object)
	_, hasParts := got.(*engine.Object)
	if list, isList := r.Want.([]any); isList && hasParts { // the short form of a filter's decision
		want, ok = &engine.Object{}, true
		want.Set("keep", list)
	}
	if !ok {
		return r.same("result", got, r.Want)
	}
	result := r.parts(got)
	for key, w := range want.All() {
		g, _ := result.Lookup(key)
		var err error
		switch key {
		case "keep":
			err = r.same(key, r.asSet(g), r.asSet(w))
		case "reasons":
			err = r.same(key, g, r.byName(w))
		case "headers":
			err = r.sameHeaders(g, w)
		case "body":
			err = r.sameBody(g, w)
		case "events":
			err = r.sameEvents(g, w)
		default:
			err = r.same(key, g, w)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *fixtureRun) same(what string, got, want any) error {
	if equal(r.call, OfPlain(got), OfPlain(want)) {
		return nil
	}
	return fmt.Errorf("%s is %s, want %s", what, showNested(r.call, OfPlain(got), 0), showNested(r.call, OfPlain(want), 0))
}

// asSet puts the kept ones, by name or by id, in the order of their names: what is kept is a set.
func (r *fixtureRun) asSet(v any) any {
	list, ok := v.([]any)
	if !ok {
		return v
	}
	names := make([]any, len(list))
	for i, one := range list {
		names[i] = one
		if name, ok := r.names[fmt.Sprint(one)]; ok {
			names[i] = name
		}
	}
	slices.SortFunc(names, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	return names
}

// byName puts reasons, by name or by id, under the names.
func (r *fixtureRun) byName(v any) any {
	reasons, ok := v.(*engine.Object)
	if !ok {
		return v
	}
	named := &engine.Object{}
	for key, reason := range reasons.All() {
		named.Set(cmp.Or(r.names[key], key), reason)
	}
	return named
}

func (r *fixtureRun) sameHeaders(got, want any) error {
	lines, _ := got.(*engine.Object)
	named, ok := want.(*engine.Object)
	if !ok {
		return errors.New("want.json: headers: want a map of name to text")
	}
	for name, w := range named.All() {
		g, _ := lines.Lookup(strings.ToLower(name))
		if err := r.same("header "+name, g, w); err != nil {
			return err
		}
	}
	return nil
}

// sameBody compares bytes with a text, and JSON with any other value.
func (r *fixtureRun) sameBody(got, want any) error {
	text, isText := got.(string)
	if _, exact := want.(string); exact || !isText {
		return r.same("body", got, want)
	}
	decoded, err := parsePlain([]byte(text))
	if err != nil {
		return fmt.Errorf("body %q is not JSON: %w", text, err)
	}
	return r.same("body", decoded, want)
}

// sameEvents compares what went out. Data is compared as a body is.
func (r *fixtureRun) sameEvents(got, want any) error {
	g, _ := got.([]any)
	w, ok := want.([]any)
	if !ok || len(g) != len(w) {
		return r.same("events", got, want)
	}
	for i := range w {
		one, ok := w[i].(*engine.Object)
		if !ok {
			return errors.New("want.json: events: want a list of {name, data}")
		}
		if err := r.sameEvent(g[i].(*engine.Object), one); err != nil {
			return fmt.Errorf("event %d: %w", i, err)
		}
	}
	return nil
}

func (r *fixtureRun) sameEvent(got, want *engine.Object) error {
	for key, w := range want.All() {
		g, _ := got.Lookup(key)
		err := r.same
		if key == "data" {
			err = func(_ string, got, want any) error { return r.sameBody(got, want) }
		}
		if err := err(key, g, w); err != nil {
			return err
		}
	}
	return nil
}

func (r *fixtureRun) wantedError() string {
	want, ok := r.errors[r.lang.Extension()]
	if !ok {
		want = r.errors[""]
	}
	return strings.ReplaceAll(want, "{file}", r.manifest.Artifact)
}

var positionColumn = regexp.MustCompile(`^([^:\s]+:\d+):\d+: `)

// checkError compares an error's text, with or without its column.
func (r *fixtureRun) checkError(err error) error {
	got := errorText(err)
	want := r.wantedError()
	switch {
	case want == "":
		return fmt.Errorf("got the error %q, want no error", got)
	case got == want || positionColumn.ReplaceAllString(got, "$1: ") == want:
		return nil
	}
	return fmt.Errorf("got the error %q, want %q", got, want)
}

// errorText is a script's error with its place, without the words of the kinds of error around it.
func errorText(err error) string {
	var script *engine.ScriptError
	if errors.As(err, &script) {
		return script.Error()
	}
	var (
		filter  *engine.FilterError
		route   *engine.RouteError
		dialect *engine.DialectError
		watch   *engine.ObservabilityError
		load    *engine.RuntimeError
	)
	switch {
	case errors.As(err, &filter):
		return filter.Reason
	case errors.As(err, &route):
		return route.Reason
	case errors.As(err, &dialect):
		return dialect.Reason
	case errors.As(err, &watch):
		return watch.Reason
	case errors.As(err, &load):
		return load.Reason
	}
	return err.Error()
}
