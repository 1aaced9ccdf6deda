package runtimes

import (
	"fmt"
	"time"

	"sluice/engine"
)

// Call is one run of one hook. It belongs to one goroutine and is dead once the hook returned: a host value that a script kept answers
// nothing afterwards.
type Call struct {
	Hook    string
	Request *engine.RequestContext // nil where a hook has none
	Watch   engine.Watch           // who bounds it from outside; nil = nobody does
	Now     time.Time
	// Codec turns values of the language into JSON and back.
	Codec Codec
	// Position is where the script stands, for lines it logs.
	Position func() (file string, line int)
	// Log takes its lines; nil drops them.
	Log func(file string, line int, message string)
	// Spend adds steps that native code is about to take; an error is the call's end. Nil: nobody counts.
	Spend func(steps int64) error
	// Allocate adds bytes that native code is about to allocate; an error is the call's end. Nil: nobody counts.
	Allocate func(bytes int64) error
	// Look is called between two pieces of native work that takes long: others run meanwhile, if the call has run long. An error is the call's
	// end. Nil: nobody waits.
	Look func() error
	// Memory is what the call holds of what all calls share. The language covers what it counts with it.
	Memory Share
	// Extend adds the part of the budget that bytes of body earn. Nil: there is none.
	Extend func(bytes int)
	// Patterns are the regular expressions that this script's calls share; nil compiles each time.
	Patterns *Patterns
	// Invoke calls a function of the script without arguments, for t.fails. An error has no position. Nil outside of tests.
	Invoke func(function Value) error
	// Over: the hook returned. See Type.Stale.
	Over     bool
	extended bool

	trail   *trail // what the call read, for a Memo; nil = nobody wants to know
	lines   int
	random  uint64
	headers HeaderView
	query   queryMap
	body    BodyView
}

// Codec is values in one language's own words: JSON, and no value.
type Codec interface {
	// AppendJSON appends v, which may be a language's own list or map of any depth up to 256. An error has no position.
	AppendJSON(dst []byte, v Value) ([]byte, error)
	// DecodeJSON makes a value of the language's own. An error has no position.
	DecodeJSON(src []byte) (Value, error)
	// Nothing is the language's word for no value.
	Nothing() string
}

// Limits of what one call may log.
const (
	MaxLogLines = 10
	MaxLogLine  = 1 << 10 // bytes
)

// log writes one line for the script, within the limits. Lines over the limit are counted and told in one last line by Close.
func (c *Call) log(message string) {
	c.lose()
	c.lines++
	if c.Log == nil || c.lines > MaxLogLines {
		return
	}
	file, line := c.position()
	c.Log(file, line, engine.Cut(engine.Visible(engine.Cut(message, MaxLogLine)), MaxLogLine))
}

func (c *Call) position() (string, int) {
	if c.Position == nil {
		return "", 0
	}
	return c.Position()
}

// Close ends the call. The language calls it once, whatever happened.
func (c *Call) Close() {
	c.Over = true
	c.Memory.Free()
	if c.Log != nil && c.lines > MaxLogLines {
		file, _ := c.position()
		c.Log(file, 0, fmt.Sprintf("%d more lines of %s were dropped, a call may log %d", c.lines-MaxLogLines, c.Hook, MaxLogLines))
	}
}

// Random returns the next number in [0,1) of a sequence that the request's id fixes (splitmix64), so that a decision can be replayed.
func (c *Call) Random() float64 {
	if c.random == 0 && c.Request != nil {
		c.random = c.Request.Seed
	}
	c.random += 0x9e3779b97f4a7c15
	z := c.random
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return float64((z^z>>31)>>11) / (1 << 53)
}
