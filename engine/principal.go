package engine

import (
	"slices"

	"github.com/google/uuid"
)

// PrincipalKind says how a principal proves who it is.
type PrincipalKind string

// The kinds of the plugin contract. Sluice's own keys make PrincipalAPIKey.
const (
	PrincipalAPIKey             PrincipalKind = "api_key"
	PrincipalOAuthSubject       PrincipalKind = "oauth_subject"
	PrincipalInternalKey        PrincipalKind = "internal_key"
	PrincipalWorkloadIdentity   PrincipalKind = "workload_identity"
	PrincipalSubscriptionBearer PrincipalKind = "subscription_bearer"
)

// Principal is who asks: a person, a team or a machine that holds a key. It lasts as long as the config that names it, and is never
// written.
type Principal struct {
	ID       string // stable and unique in a deployment; the configured name
	Name     string
	Kind     PrincipalKind
	Claims   *Object // free-form, for scripts
	Disabled bool

	Upstreams map[uuid.UUID]bool // those it may use; nil = all
	Models    []string           // globs it may ask for; nil = all
	Paths     []string           // globs of request paths it may ask

	// SharedObjects: it may list, and use, what others keep in the accounts that it reaches.
	SharedObjects bool

	OwnFilters bool // a chain of its own replaces the global one, even when it is empty
}

// MayUse reports whether p may reach the upstream id.
func (p *Principal) MayUse(id uuid.UUID) bool { return p.Upstreams == nil || p.Upstreams[id] }

// MayAskModel reports whether p's allow-list covers model.
func (p *Principal) MayAskModel(model string) bool {
	return p.Models == nil || matchAny(p.Models, model)
}

// MayAskPath reports whether p may ask for a path. Paths of organisations and of OAuth are reached only where they are listed literally,
// since a glob meant for messages must not open account administration.
func (p *Principal) MayAskPath(path string) bool {
	if accountPath(path) {
		return slices.Contains(p.Paths, path)
	}
	return matchAny(p.Paths, path)
}

// accountPath goes by the first letters alone, in any case: what a server takes for a separator after them is its own affair.
func accountPath(path string) bool {
	for _, prefix := range [...]string{"/v1/organizations", "/v1/oauth"} {
		if len(path) >= len(prefix) && EqualFold(path[:len(prefix)], prefix) {
			return true
		}
	}
	return false
}

// pathBelow reports whether path is root, or lies below it.
func pathBelow(path, root string) bool {
	return len(path) >= len(root) && path[:len(root)] == root && (len(path) == len(root) || path[len(root)] == '/')
}

func matchAny(globs []string, s string) bool {
	for _, g := range globs {
		if MatchGlob(g, s) {
			return true
		}
	}
	return false
}
