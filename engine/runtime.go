package engine

import (
	"errors"
	"io/fs"
	"math"
	"time"
)

// PluginRuntime makes plugins from scripts in one language. It may be called from many goroutines. What it makes serves until nobody
// holds it. An error is a *RuntimeError whose Cause is a *ScriptError where a script was at fault.
type PluginRuntime interface {
	InstantiateFilter(m *PluginManifest) (Filter, error)
	// Deprecated: as Router.
	InstantiateRouter(m *PluginManifest) (Router, error)
	InstantiateDialect(m *PluginManifest) (Dialect, error)
	// InstantiateSignerFactory returns ErrSignersAreBuiltIn: no script sees a credential.
	InstantiateSignerFactory(m *PluginManifest) (SignerFactory, error)
	InstantiateObservability(m *PluginManifest) (Observer, error)
}

// ErrSignersAreBuiltIn is what every PluginRuntime answers when it is asked for signers.
var ErrSignersAreBuiltIn = errors.New("signers are built in: no script handles a credential")

// PluginManifest is everything a runtime needs to make one plugin. It is not written after it was handed over.
type PluginManifest struct {
	Name      string // the binding's
	Principal string // whose chain it is in, "" = all principals
	Artifact  string // path of the script below the root of Files
	// Files is a snapshot: the very bytes that were hashed and admitted. A runtime opens no path outside it.
	Files    fs.FS
	Config   *Object           // the binding's, for the script's "config"
	Metadata map[string]string // free-form
	// Fresh asks for a new top-level run for every call (isolation: call).
	Fresh  bool
	Budget Budget
	// Restart: the process starts, and these very files have served before. Their top level has more time than a call: a process that starts may
	// be slower than one that has run, and is to start with what served.
	Restart bool
	// Upstreams are those of the generation: a runtime may prepare their script values once.
	Upstreams []*Upstream
	// Log takes the lines a script logs, one at a time, already escaped and capped. Nil drops them.
	Log func(file string, line int, message string)
	// Loads are those of all manifests with the same Artifact, Files and Log; nil = nothing is shared.
	Loads *Loads
}

// Budget bounds one call of a script; zero is no bound. The per-MiB parts are added for each MiB of body where a hook works on bodies.
type Budget struct {
	Time         time.Duration
	Steps        int64
	Memory       int64 // bytes that the call may allocate, whether or not it keeps them
	TimePerMiB   time.Duration
	StepsPerMiB  int64
	MemoryPerMiB int64
}

// restartTime is how many times the time of a call the top level of a script has that has served before, in a process that starts.
const restartTime = 10

// ForLoad returns the budget of a top level; restart: the process starts, and the script has served before.
func (b Budget) ForLoad(restart bool) Budget {
	if restart {
		b.Time *= restartTime
	}
	return b
}

// ForBody returns the budget of a call that works on n bytes of body.
func (b Budget) ForBody(n int) Budget {
	mib := float64(n) / (1 << 20)
	b.Time = time.Duration(grown(int64(b.Time), int64(b.TimePerMiB), mib))
	b.Steps = grown(b.Steps, b.StepsPerMiB, mib)
	if b.Memory > 0 {
		b.Memory = grown(b.Memory, b.MemoryPerMiB, mib)
	}
	return b
}

// grown is a budget with the part for so many MiB, as far as an int64 goes.
func grown(budget, perMiB int64, mib float64) int64 {
	more := float64(perMiB) * mib
	if float64(budget)+more >= math.MaxInt64 {
		return math.MaxInt64
	}
	return budget + int64(more)
}
