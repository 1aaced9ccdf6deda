package engine

// FilterSlot is a filter bound into a chain.
type FilterSlot struct {
	Filter
	Policy FailurePolicy
	Script string // path below the scripts root
	// Version is the script and which version of it serves: PATH@SHA256, shortened.
	Version string
	Meter   *Meter
	Guard   *Guard // nil = none

	// Experiment chooses which of Arms runs for a request; nil = the slot itself does. The slot has then the name of the binding and no
	// script.
	Experiment Experiment
	Arms       []*FilterSlot
	Shadows    []*FilterSlot // run beside, never for a request
	Shadowing  Shadowing     // of Shadows; nil = there is none
}

// RouterSlot is the bound router.
type RouterSlot struct {
	Router
	Name    string
	Script  string
	Version string
	Meter   *Meter
	Guard   *Guard // nil = none
}

// DialectSlot is a dialect bound to an upstream.
type DialectSlot struct {
	Dialect
	Policy  FailurePolicy // of an answer that could not be translated
	Script  string        // "" = built in
	Version string
	Meter   *Meter
	Guard   *Guard // nil = none

	// Experiment chooses which of Arms runs for a request; nil = the slot itself does.
	Experiment Experiment
	Arms       []*DialectSlot
}

// PathDialect is the optional power of a Dialect that knows which paths the wire it speaks has.
type PathDialect interface{ Serves(path string) bool }

// UpstreamSlot is an upstream with what is needed to reach it.
type UpstreamSlot struct {
	*Upstream
	Dialect *DialectSlot
	Signers SignerFactory
	// ForwardsClient: its signer passes the client's own credential on, so a 401 is the client's and goes back to it.
	ForwardsClient bool
}

// CredentialState is that of the upstream's signers, if they renew their credential.
func (u *UpstreamSlot) CredentialState() CredentialState {
	if r, ok := u.Signers.(RenewingSignerFactory); ok {
		return r.CredentialState()
	}
	return CredentialState{}
}

// serves reports whether the upstream can answer a path: its kind has it, and so has the wire that its dialect speaks.
func (u *UpstreamSlot) serves(path string) bool {
	d, ok := u.Dialect.Dialect.(PathDialect)
	return u.Kind.Serves(path) && (!ok || d.Serves(path))
}
