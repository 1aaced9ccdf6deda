package engine

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// The error kinds of the plugin contract. Each is a struct with a variant from a closed list and a reason that carries no secret, so
// that a caller switches on the variant and a person reads the text. Cause, where there is one, is the error below.

// FilterVariant says how a filter failed.
type FilterVariant string

// A script's own error is FilterRuntime. A budget overrun, a panic or a lost interpreter is FilterTrap.
const (
	FilterRuntime FilterVariant = "runtime"
	FilterTrap    FilterVariant = "trap"
)

// FilterError is a filter that could not decide. The candidates pass unchanged unless the binding says on_error: closed.
type FilterError struct {
	Variant FilterVariant
	Reason  string
	Cause   error
}

func (e *FilterError) Error() string { return fmt.Sprintf("filter %s error: %s", e.Variant, e.Reason) }
func (e *FilterError) Unwrap() error { return e.Cause }

// RouteVariant says how a router failed.
type RouteVariant string

// The ways a router fails.
const (
	RouteNoRoute             RouteVariant = "no route"
	RouteUpstreamUnavailable RouteVariant = "upstream unavailable"
	RouteRuntime             RouteVariant = "runtime error"
)

// RouteError is a router that chose nothing usable.
type RouteError struct {
	Variant RouteVariant
	Reason  string
	Cause   error
}

func (e *RouteError) Error() string { return "router: " + string(e.Variant) + ": " + e.Reason }
func (e *RouteError) Unwrap() error { return e.Cause }

// DialectVariant says how shaping failed.
type DialectVariant string

// The ways a dialect fails.
const (
	DialectUnsupportedRequest DialectVariant = "unsupported request"
	DialectUpstreamMismatch   DialectVariant = "upstream mismatch"
	DialectInvalidURL         DialectVariant = "invalid url"
)

// DialectError is a request that could not be shaped for the chosen upstream: this attempt is over.
type DialectError struct {
	Variant DialectVariant
	Reason  string
	Cause   error
}

func (e *DialectError) Error() string { return "dialect: " + string(e.Variant) + ": " + e.Reason }
func (e *DialectError) Unwrap() error { return e.Cause }

// SignerVariant says how signing failed.
type SignerVariant string

// The ways a signer fails.
const (
	SignerMissingCredentials SignerVariant = "missing credentials"
	SignerInvalidCredentials SignerVariant = "invalid credentials"
	SignerSigningFailed      SignerVariant = "signing failed"
	SignerStorageUnavailable SignerVariant = "storage unavailable"
	SignerExpiredToken       SignerVariant = "expired token"
	SignerWrongStrategy      SignerVariant = "wrong strategy"
)

// SignerError is a shaped request that could not be signed: this attempt is over.
type SignerError struct {
	Variant SignerVariant
	Reason  string
	Cause   error
}

func (e *SignerError) Error() string { return "signer: " + string(e.Variant) + ": " + e.Reason }
func (e *SignerError) Unwrap() error { return e.Cause }

// UpstreamVariant says what an upstream's failure means for a retry.
type UpstreamVariant string

// Unauthorized concerns our credential, Retryable may succeed elsewhere or later, Failed will not.
const (
	UpstreamUnauthorized UpstreamVariant = "unauthorized"
	UpstreamRetryable    UpstreamVariant = "retryable"
	UpstreamFailed       UpstreamVariant = "failed"
)

// UpstreamError is an answer, or the lack of one, that is not a success. Status is 0 when there was no answer. Body is the answer's, cut
// at UpstreamErrorBody bytes; it is for signers and logs, and never names a credential of ours.
type UpstreamError struct {
	Variant UpstreamVariant
	Status  int
	Body    []byte
	Cause   error
}

// UpstreamErrorBody caps the part of an error body that is kept, in bytes.
const UpstreamErrorBody = 64 << 10

func (e *UpstreamError) Error() string {
	if e.Cause != nil {
		return fmt.Sprintf("upstream %s: %v", e.Variant, e.Cause)
	}
	return fmt.Sprintf("upstream %s: status %d", e.Variant, e.Status)
}
func (e *UpstreamError) Unwrap() error { return e.Cause }

// ObservabilityVariant says why an event was not observed.
type ObservabilityVariant string

// QueueFull: the observer is too slow. Dropped: it failed on this event.
const (
	ObservabilityQueueFull ObservabilityVariant = "queue full"
	ObservabilityDropped   ObservabilityVariant = "dropped"
)

// ObservabilityError is an event that an observer missed. It is counted and never delays or fails a request.
type ObservabilityError struct {
	Variant ObservabilityVariant
	Reason  string
	Cause   error
}

func (e *ObservabilityError) Error() string {
	return "observer: " + string(e.Variant) + ": " + e.Reason
}
func (e *ObservabilityError) Unwrap() error { return e.Cause }

// RuntimeVariant says at which step a plugin could not be made.
type RuntimeVariant string

// The steps of making a plugin.
const (
	RuntimeInvalidManifest   RuntimeVariant = "invalid manifest"
	RuntimeLoadFailed        RuntimeVariant = "load failed"
	RuntimeInstantiateFailed RuntimeVariant = "instantiate failed"
	RuntimeHandshakeFailed   RuntimeVariant = "handshake failed"
)

// RuntimeError is a plugin that could not be made from its manifest. What served before goes on serving.
type RuntimeError struct {
	Variant RuntimeVariant
	Reason  string
	Cause   error
}

func (e *RuntimeError) Error() string { return string(e.Variant) + ": " + e.Reason }
func (e *RuntimeError) Unwrap() error { return e.Cause }

// ScriptError is a script's failure with its place. It is the Cause of the kinds above where a script was at fault.
type ScriptError struct {
	File    string // below the scripts root, with slashes
	Line    int    // 1-based, 0 = unknown
	Column  int    // 1-based, 0 = the language does not tell
	Message string
	Also    []string // what else is wrong with the file, each with its place
	Stack   []string // "file:line:col: in name", innermost first; may be empty
	Budget  string   // the setting that was overrun, "" = an ordinary error
	Trap    bool     // a panic or a lost interpreter
	Source  string   // the line that it is about, as it stood in the version that failed; "" = not known
	Raised  string   // the text that the script called fail or error with, the same in both languages; "" = something else went wrong
}

// Error is one line and those of Also, whatever the message holds: a script may put what a client sent into it.
func (e *ScriptError) Error() string {
	place := e.File
	if e.Line > 0 {
		place += ":" + strconv.Itoa(e.Line)
	}
	if e.Line > 0 && e.Column > 0 {
		place += ":" + strconv.Itoa(e.Column)
	}
	return strings.Join(append([]string{place + ": " + Visible(e.Message)}, e.Also...), "\n")
}

// ScriptErrors are those in the tree of err, in its order.
func ScriptErrors(err error) []*ScriptError {
	var all []*ScriptError
	switch e := err.(type) {
	case *ScriptError:
		return []*ScriptError{e}
	case interface{ Unwrap() []error }:
		for _, one := range e.Unwrap() {
			all = append(all, ScriptErrors(one)...)
		}
	case interface{ Unwrap() error }:
		return ScriptErrors(e.Unwrap())
	}
	return all
}

// Visible writes as \xNN what would break a line or move a terminal's cursor, and bytes that are no text.
func Visible(s string) string {
	if strings.IndexFunc(s, isControl) < 0 {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, "\\x%02x", s[0])
		case isControl(r):
			fmt.Fprintf(&b, "\\x%02x", r)
		default:
			b.WriteString(s[:n])
		}
		s = s[n:]
	}
	return b.String()
}

func isControl(r rune) bool {
	return r < ' ' || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029 || r == utf8.RuneError
}

// BudgetTotalMemory is the Budget of a call that could not have its memory because others hold it: no fault of its script.
const BudgetTotalMemory = "total_memory"

// overran reports whether it is a budget that the script overran, or a panic.
func (e *ScriptError) overran() bool {
	return e.Trap || e.Budget != "" && e.Budget != BudgetTotalMemory
}

// Code is the precise cause of an answer that Sluice itself makes, sent as x-sluice-error.
type Code string

// The closed list of codes. What each means on the wire is one table in package proxy.
const (
	CodeBadKey                Code = "bad_key"
	CodePrincipalDisabled     Code = "principal_disabled"
	CodeModelNotAllowed       Code = "model_not_allowed"
	CodePathNotAllowed        Code = "path_not_allowed"
	CodeDeniedByFilter        Code = "denied_by_filter"
	CodeBadBody               Code = "bad_body"
	CodeBadRequest            Code = "bad_request"
	CodeClientTimeout         Code = "client_timeout"
	CodePathNotServed         Code = "path_not_served"
	CodeBodyTooLarge          Code = "body_too_large"
	CodeTooBusy               Code = "too_busy"
	CodeLimitRequests         Code = "limit_requests"
	CodeLimitInputTokens      Code = "limit_input_tokens"
	CodeLimitOutputTokens     Code = "limit_output_tokens"
	CodeLimitTotalTokens      Code = "limit_total_tokens"
	CodeLimitCostUSD          Code = "limit_cost_usd"
	CodeLimitConcurrency      Code = "limit_concurrency"
	CodeNoUpstreamAfterFilter Code = "no_upstream_after_filter"
	CodeNoUpstreamAvailable   Code = "no_upstream_available"
	CodeFilterFailed          Code = "filter_failed"
	CodeRouterFailed          Code = "router_failed"
	CodeDialectFailed         Code = "dialect_failed"
	CodeSignerFailed          Code = "signer_failed"
	CodeUpstreamCredential    Code = "upstream_credential"
	CodeUpstreamUnreachable   Code = "upstream_unreachable"
	CodeUpstreamTimeout       Code = "upstream_timeout"
	CodeDraining              Code = "draining"
	CodeClientGone            Code = "client_gone"
	CodeInternal              Code = "internal"
	CodeForbiddenOrigin       Code = "forbidden_origin"
)

// Refusal is a request that ends with an answer of our own. Message is for the client; Cause is for the log alone.
type Refusal struct {
	Code       Code
	Message    string
	RetryAfter time.Duration // 0 = none
	Quota      bool          // of no_upstream_available: for what was used, not for being out of order
	Cause      error
}

func (r *Refusal) Error() string {
	if r.Cause != nil {
		return string(r.Code) + ": " + r.Message + ": " + r.Cause.Error()
	}
	return string(r.Code) + ": " + r.Message
}
func (r *Refusal) Unwrap() error { return r.Cause }
