package runtimes

import (
	"fmt"
	"strings"

	"sluice/engine"
)

// Hook is a function of a script that the gateway calls.
type Hook struct {
	Name     string
	Params   []string
	Slot     engine.SlotKind
	Returns  string // for the reference
	OnFailed string // for the reference: what its failure does
}

// Hooks is every hook there is, in the order of the reference.
var Hooks = []Hook{
	{"filter", []string{"ctx", "principal", "candidates"}, engine.SlotFilter,
		"a list of kept candidates or ids; or {keep, reason, reasons}; or {deny}",
		"candidates pass unchanged; `on_error: closed`: 503"},
	{"drop", []string{"ctx", "principal", "candidate"}, engine.SlotFilter,
		"a reason drops the candidate, nothing keeps it", "as `filter`"},
	{"route", []string{"ctx", "principal", "candidates"}, engine.SlotRouter,
		"one candidate or id", "502"},
	{"shape", []string{"ctx", "upstream", "principal", "request"}, engine.SlotDialect,
		"nothing: the request is edited in place", "this attempt fails, the next candidate is tried; 502 when all failed"},
	{"normalize_error", []string{"status", "body", "headers"}, engine.SlotDialect,
		"nothing, a new body (a text, or a map with type or error), or {status, body}", "the original passes (`on_error: closed`: an error of the gateway under its status)"},
	{"transform_response", []string{"ctx", "response"}, engine.SlotDialect,
		"nothing: the response is edited in place; or {status, headers, body}, each as far as it is given",
		"the original passes; `on_error: closed`: 502"},
	{"transform_event", []string{"ctx", "event", "state"}, engine.SlotDialect,
		"nothing: the event passes unchanged; or a list of events, each the one received or {name, data}",
		"before anything transformed went out the original passes (`on_error: closed`: 502), afterwards one `event: error` ends the stream"},
	{"observe", []string{"event"}, engine.SlotObserver,
		"nothing", "counted; a request never waits"},
}

// FindHook returns the hook of a name.
func FindHook(name string) (*Hook, bool) {
	for i := range Hooks {
		if Hooks[i].Name == name {
			return &Hooks[i], true
		}
	}
	return nil, false
}

// CheckParams reports whether a function with these many parameters can be the hook: trailing ones may be left out, none added.
func (h *Hook) CheckParams(n int) error {
	least := 1
	switch h.Name {
	case "normalize_error", "transform_response", "transform_event":
		least = 2
	}
	if n < least || n > len(h.Params) {
		return fmt.Errorf("%s takes %d parameters, want %s(%s) or fewer of them from the end", h.Name, n, h.Name,
			strings.Join(h.Params, ", "))
	}
	return nil
}
