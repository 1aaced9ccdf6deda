package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"

	"sluice/engine"
	"sluice/engine/config"
)

// printErrors prints each problem in err once, on a line of its own. Those without a place are said to come from sluice.
func printErrors(w io.Writer, err error) {
	seen := make(map[string]bool)
	for _, one := range flatten(err) {
		text := describe(one)
		if seen[text] {
			continue
		}
		seen[text] = true
		switch one.(type) {
		case *engine.ScriptError, config.Error:
			fmt.Fprintln(w, text)
		default:
			fmt.Fprintln(w, "sluice: "+text)
		}
	}
}

// describe is an error, and where it is a script's the stack that led to it.
func describe(err error) string {
	if e, ok := err.(*engine.ScriptError); ok {
		return strings.TrimSuffix(e.Error()+"\n"+stack(e), "\n")
	}
	return err.Error()
}

// flatten lists the errors that were joined in err.
func flatten(err error) []error {
	var list config.Errors
	many, joined := err.(interface{ Unwrap() []error })
	switch {
	case err == nil:
		return nil
	case joined:
		var all []error
		for _, one := range many.Unwrap() {
			all = append(all, flatten(one)...)
		}
		return all
	case errors.As(err, &list):
		all := make([]error, len(list))
		for i := range list {
			all[i] = list[i]
		}
		return all
	}
	return []error{err}
}

// joined makes one error of many, nil of none.
func joined(list []*engine.ScriptError) error {
	errs := make([]error, len(list))
	for i, e := range list {
		errs[i] = e
	}
	return errors.Join(errs...)
}

// stack lists the calls that led to an error, a line each, where there are more than the one it happened in.
func stack(e *engine.ScriptError) string {
	if len(e.Stack) < 2 {
		return ""
	}
	return "    " + strings.Join(e.Stack, "\n    ") + "\n"
}

// excerpt is the offending line with a mark under it, or "" if it is not known.
func excerpt(e *engine.ScriptError) string {
	if e.Line < 1 || e.Source == "" {
		return ""
	}
	return underlined([]rune(strings.Map(printable, e.Source)), e.Line, e.Column)
}

// printable puts a space in the place of what would move the cursor or change the terminal.
func printable(r rune) rune {
	if unicode.IsControl(r) || r == 0x2028 || r == 0x2029 {
		return ' '
	}
	return r
}

// wordWidth is the length of the word that s begins with.
func wordWidth(s []rune) int {
	n := 0
	for n < len(s) && (s[n] == '_' || unicode.IsLetter(s[n]) || unicode.IsDigit(s[n])) {
		n++
	}
	return n
}
