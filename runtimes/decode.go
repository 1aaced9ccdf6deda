package runtimes

import (
	"fmt"
	"slices"
	"sort"

	"github.com/google/uuid"

	"sluice/engine"
)

// What hooks return. Each error is an *engine.OutputError whose Reason begins "HOOK returned ".

func invalid(variant engine.OutputVariant, format string, args ...any) error {
	return &engine.OutputError{Variant: variant, Reason: fmt.Sprintf(format, args...)}
}

const wantFilter = "a list of candidates, or {keep, reason, reasons}, or {deny}"

// DecodeFilter reads what filter returned.
func DecodeFilter(v Value, candidates []engine.UpstreamCandidate) (engine.FilterOutput, error) {
	if l, ok := asList(v); ok {
		ids, err := decodeKept(l, candidates)
		return engine.FilterOutput{KeptUpstreamIDs: ids}, err
	}
	if v.Kind != Map {
		return engine.FilterOutput{}, invalid(engine.OutputShape, "filter returned %s, want %s", describe(v), wantFilter)
	}
	return decodeDecision(v.Ref.(Mapper), candidates)
}

// decision is the long form of what filter returns.
type decision struct{ keep, reason, reasons, deny Value }

var decisionKeys = []string{"keep", "reason", "reasons", "deny"}

func readDecision(m Mapper) (d decision, err error) {
	bad := m.Each(func(key string, v Value) bool {
		switch key {
		case "keep":
			d.keep = v
		case "reason":
			d.reason = v
		case "reasons":
			d.reasons = v
		case "deny":
			d.deny = v
		default:
			err = invalid(engine.OutputShape, "filter returned a map with the key %q%s", engine.Cut(key, maxQuoted), Suggest(key, decisionKeys))
		}
		return err == nil
	})
	if err == nil && bad != "" {
		err = invalid(engine.OutputShape, "filter returned a map with a key that is a %s, want a string", bad)
	}
	return d, err
}

func decodeDecision(m Mapper, candidates []engine.UpstreamCandidate) (out engine.FilterOutput, err error) {
	d, err := readDecision(m)
	if err != nil {
		return out, err
	}
	if d.deny.Kind != Nil {
		return decodeDenial(d)
	}
	keep, ok := asList(d.keep)
	switch {
	case !ok:
		return out, invalid(engine.OutputShape, "filter returned %s under keep, want a list of candidates", describe(d.keep))
	case d.reason.Kind != Nil && d.reason.Kind != String:
		return out, invalid(engine.OutputShape, "filter returned %s under reason, want a string", describe(d.reason))
	}
	out.Reason = d.reason.Str
	if out.KeptUpstreamIDs, err = decodeKept(keep, candidates); err != nil {
		return engine.FilterOutput{}, err
	}
	if out.PerCandidateReasons, err = decodeReasons(d.reasons, candidates, out.KeptUpstreamIDs); err != nil {
		return engine.FilterOutput{}, err
	}
	return out, nil
}

func decodeDenial(d decision) (engine.FilterOutput, error) {
	switch {
	case d.deny.Kind != String || d.deny.Str == "":
		return engine.FilterOutput{}, invalid(engine.OutputShape, "filter returned %s under deny, want a text", describe(d.deny))
	case d.keep.Kind != Nil || d.reason.Kind != Nil || d.reasons.Kind != Nil:
		return engine.FilterOutput{}, invalid(engine.OutputShape, "filter returned deny beside other keys, want deny alone")
	}
	return engine.FilterOutput{Denied: true, Reason: d.deny.Str}, nil
}

func decodeKept(l Lister, candidates []engine.UpstreamCandidate) ([]uuid.UUID, error) {
	ids := make([]uuid.UUID, 0, min(l.Len(), len(candidates)))
	var room [4]uint64 // bit i: candidate i is kept; more than these are looked up
	seen := room[:]
	if len(candidates) > 64*len(room) {
		seen = make([]uint64, len(candidates)/64+1)
	}
	for n := range l.Len() {
		i, err := candidateAt("filter", l.At(n), candidates)
		if err != nil {
			return nil, err
		}
		if seen[i/64]&(1<<(i%64)) != 0 {
			return nil, invalid(engine.OutputDuplicate, "filter returned candidate %q twice", candidates[i].Name)
		}
		seen[i/64] |= 1 << (i % 64)
		ids = append(ids, candidates[i].ID)
	}
	return ids, nil
}

// candidateAt is the place of a returned candidate: a host value of this call, or an id.
func candidateAt(hook string, v Value, candidates []engine.UpstreamCandidate) (int, error) {
	switch {
	case v.Kind == String:
		if i, ok := findID(v.Str, candidates); ok {
			return i, nil
		}
		return 0, invalid(engine.OutputUnknown, "%s returned %s, want %s", hook, describe(v), insteadOf(v.Str, candidates))
	case v.Kind == Host:
		if c, ok := v.Ref.(*Candidate); ok && c.UpstreamCandidate != nil {
			i := search(c.ID, candidates)
			if i < len(candidates) && &candidates[i] == c.UpstreamCandidate {
				return i, nil
			}
			return 0, invalid(engine.OutputUnknown,
				"%s returned candidate %q of another call, want a candidate of this request", hook, c.Name)
		}
	}
	return 0, invalid(engine.OutputShape, "%s returned %s, want a candidate of this request", hook, describe(v))
}

// insteadOf is what is wanted in the place of a text that is no id.
func insteadOf(text string, candidates []engine.UpstreamCandidate) string {
	if slices.ContainsFunc(candidates, func(c engine.UpstreamCandidate) bool { return c.Name == text }) {
		return "a candidate or its id, and not its name"
	}
	return "a candidate of this request"
}

// findID is the place of the candidate whose id is the text s.
func findID(s string, candidates []engine.UpstreamCandidate) (int, bool) {
	id, err := uuid.Parse(s)
	if err != nil || len(s) != 36 {
		return 0, false
	}
	i := search(id, candidates)
	return i, i < len(candidates) && candidates[i].ID == id
}

func search(id uuid.UUID, candidates []engine.UpstreamCandidate) int {
	return sort.Search(len(candidates), func(i int) bool { return string(candidates[i].ID[:]) >= string(id[:]) })
}

func decodeReasons(v Value, candidates []engine.UpstreamCandidate, kept []uuid.UUID) ([]engine.PerCandidateReason, error) {
	if v.Kind == Nil {
		return nil, nil
	}
	if v.Kind != Map {
		return nil, invalid(engine.OutputShape, "filter returned %s under reasons, want {id: text}", describe(v))
	}
	var out []engine.PerCandidateReason
	var err error
	bad := v.Ref.(Mapper).Each(func(key string, reason Value) bool {
		i, ok := findID(key, candidates)
		switch {
		case !ok:
			err = invalid(engine.OutputUnknown, "filter returned a reason for %q, want the id of a candidate", engine.Cut(key, maxQuoted))
		case reason.Kind != String:
			err = invalid(engine.OutputShape, "filter returned %s as the reason for %q, want a string", describe(reason),
				candidates[i].Name)
		case explains(out, candidates[i].ID): // an id has many spellings
			err = invalid(engine.OutputDuplicate, "filter returned two reasons for %q", candidates[i].Name)
		default:
			out = append(out, engine.PerCandidateReason{UpstreamID: candidates[i].ID, Kept: holds(kept, candidates[i].ID),
				Reason: reason.Str})
		}
		return err == nil
	})
	if err == nil && bad != "" {
		err = invalid(engine.OutputShape, "filter returned a reason for a %s, want the id of a candidate", bad)
	}
	return out, err
}

func explains(reasons []engine.PerCandidateReason, id uuid.UUID) bool {
	for i := range reasons {
		if reasons[i].UpstreamID == id {
			return true
		}
	}
	return false
}

func holds(ids []uuid.UUID, id uuid.UUID) bool {
	for _, kept := range ids {
		if kept == id {
			return true
		}
	}
	return false
}

// DecodeDrop reads what drop returned for one candidate.
func DecodeDrop(v Value) (reason string, dropped bool, err error) {
	switch {
	case v.Kind == Nil:
		return "", false, nil
	case v.Kind == String && v.Str != "":
		return v.Str, true, nil
	}
	return "", false, invalid(engine.OutputShape, "drop returned %s, want a reason or nothing", describe(v))
}

// Dropping asks drop about each candidate and puts the answers together. An error of ask is returned as it is.
func Dropping(candidates []engine.UpstreamCandidate, ask func(i int) (Value, error)) (engine.FilterOutput, error) {
	out := engine.FilterOutput{KeptUpstreamIDs: make([]uuid.UUID, 0, len(candidates))}
	for i := range candidates {
		v, err := ask(i)
		if err != nil {
			return engine.FilterOutput{}, err
		}
		reason, dropped, err := DecodeDrop(v)
		switch {
		case err != nil:
			return engine.FilterOutput{}, err
		case !dropped:
			out.KeptUpstreamIDs = append(out.KeptUpstreamIDs, candidates[i].ID)
			continue
		case out.Reason == "":
			out.Reason = reason
		}
		out.PerCandidateReasons = append(out.PerCandidateReasons, engine.PerCandidateReason{UpstreamID: candidates[i].ID,
			Reason: reason})
	}
	return out, nil
}

// DecodeRoute reads what route returned.
func DecodeRoute(v Value, candidates []engine.UpstreamCandidate) (engine.RouteDecision, error) {
	i, err := candidateAt("route", v, candidates)
	if err != nil {
		return engine.RouteDecision{}, err
	}
	return engine.RouteDecision{UpstreamID: candidates[i].ID, Upstream: candidates[i].Upstream}, nil
}

// DecodeNothing reads what a hook returned that has nothing to say.
func DecodeNothing(hook string, v Value) error {
	if v.Kind == Nil {
		return nil
	}
	return invalid(engine.OutputShape, "%s returned %s, want nothing", hook, describe(v))
}

// MaxNormalized caps the body of an error that a script writes, in bytes.
const MaxNormalized = 1 << 20

// DecodeNormalized reads what normalize_error returned; nil passes the original. c lends its Codec.
func DecodeNormalized(c *Call, v Value) (*engine.NormalizedError, error) {
	switch v.Kind {
	case Nil:
		return nil, nil
	case String:
		b, err := normalizedBody(c, v)
		return &engine.NormalizedError{Body: b}, err
	case Map:
		return decodeAnswer(c, v)
	}
	return nil, invalid(engine.OutputShape, "normalize_error returned %s, want a body, or {status, body}, or nothing", describe(v))
}

// decodeAnswer reads a map: with a type or an error it is a body, and otherwise the long form, which has a status and a body.
func decodeAnswer(c *Call, v Value) (*engine.NormalizedError, error) {
	m := v.Ref.(Mapper)
	for _, key := range []string{"type", "error"} {
		if _, isBody := m.Get(key); isBody {
			b, err := normalizedBody(c, v)
			return &engine.NormalizedError{Body: b}, err
		}
	}
	status, body, err := answerOf(m)
	if err != nil {
		return nil, err
	}
	out := &engine.NormalizedError{}
	if status.Kind != Nil {
		n, ok := wholeNumber(status)
		if !ok || n != 0 && (n < 400 || n > 599) { // 0 is that of an event of a stream
			return nil, invalid(engine.OutputShape, "normalize_error returned %s as the status, want 400 to 599", describe(status))
		}
		out.Status = int(n)
	}
	if body.Kind == Nil {
		return nil, invalid(engine.OutputShape, "normalize_error returned no body, want one beside the status")
	}
	out.Body, err = normalizedBody(c, body)
	return out, err
}

var answerKeys = []string{"status", "body", "type", "error"}

func answerOf(m Mapper) (status, body Value, err error) {
	bad := m.Each(func(key string, v Value) bool {
		switch key {
		case "status":
			status = v
		case "body":
			body = v
		default:
			err = invalid(engine.OutputShape, "normalize_error returned a map with the key %q%s", engine.Cut(key, maxQuoted), Suggest(key, answerKeys))
		}
		return err == nil
	})
	if err == nil && bad != "" {
		err = invalid(engine.OutputShape, "normalize_error returned a map with a key that is a %s, want a string", bad)
	}
	return status, body, err
}

func normalizedBody(c *Call, v Value) ([]byte, error) {
	b, err := c.bytesOf(v)
	if err != nil {
		return nil, invalid(engine.OutputShape, "normalize_error returned a body that cannot be written: %v", err)
	}
	if len(b) > MaxNormalized {
		return nil, invalid(engine.OutputShape, "normalize_error returned a body of %d bytes, want at most %d", len(b), MaxNormalized)
	}
	return b, nil
}
