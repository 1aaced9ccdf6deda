package runtimes

import (
	"io/fs"

	"sluice/engine"
)

// Language is one interpreter behind the engine's boundary, with what admission needs besides.
type Language interface {
	engine.PluginRuntime
	// Extension ends the names of its scripts: ".star", ".lua".
	Extension() string
	// Load compiles the script and runs its top level, with config in scope and everything bounded by b. An error is a
	// *engine.RuntimeError whose Cause is a *engine.ScriptError.
	Load(files fs.FS, path string, config *engine.Object, b engine.Budget) (Module, error)
}

// Module is a script whose top level has run. It is used by one goroutine.
type Module interface {
	// Functions are the functions defined at top level, in the order of the file.
	Functions() []Function
	// Names are what the top level gives a value, in the order of the file. One may be there more than once.
	Names() []string
	// Global returns a value of the top level: plugin, test_config.
	Global(name string) (Value, bool)
	// Place is where the top level gives a name its first value, 1-based; 0 = the language does not tell.
	Place(name string) (line, column int)
	// Locals are names of hooks that the top level gives to the file alone, where the gateway does not see them. Whether one was meant to be a
	// hook is not known.
	Locals() []Local
	// Test runs one test_ function with a new t. An error is a *engine.ScriptError.
	Test(name string) error
	// Files are the script itself and every library file it loaded, as slash paths.
	Files() []string
}

// Local is a name of a hook that is no global.
type Local struct {
	Name   string
	Line   int // 1-based
	Column int // 1-based, 0 = the language does not tell
	// Message says what it is, and what makes a hook of it.
	Message string
}

// Function is a function that a script defines.
type Function struct {
	Name   string
	Params int
	Line   int // 1-based
	Column int // 1-based, 0 = the language does not tell
}
