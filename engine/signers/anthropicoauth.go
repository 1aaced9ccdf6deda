package signers

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"sluice/engine"
)

// oauthBeta is the beta under which the API takes OAuth tokens.
const oauthBeta = "oauth-2025-04-20"

// OAuth is a subscription or another account that is reached by an OAuth token.
type OAuth struct {
	Upstream     uuid.UUID
	Name         string // the upstream's, for messages
	ClientID     string
	AccessToken  string // "" = none yet
	RefreshToken string
	TokenURL     string
}

// AnthropicOAuth signs with an OAuth token: it sets authorization, adds the beta to the client's own, and removes every other
// credential. The token is refreshed early, and once after a 401. Refresh tokens work once: the one that comes back is kept durably
// before the access token beside it is used. Nothing is read or sent before Adopt.
func (a *Accounts) AnthropicOAuth(c OAuth) (engine.SignerFactory, error) {
	if c.ClientID == "" || c.RefreshToken == "" || c.TokenURL == "" {
		return nil, missing("anthropic_oauth: want client_id, refresh_token and token_url")
	}
	key := strings.Join([]string{"anthropic_oauth", c.Upstream.String(), c.ClientID, c.RefreshToken, c.TokenURL}, "\x00")
	o := account(a, key, func() *owner { return newOwner(a, c) })
	return oauth{renewing[oauthToken]{renewer: o.renewer}, o}, nil
}

// oauthToken is an access token and what it is refreshed with.
type oauthToken struct{ access, refresh secret }

// put adds the beta beside the token.
func (t oauthToken) put(lines *engine.Headers) {
	addBeta(lines, oauthBeta)
	lines.Add("authorization", "Bearer "+t.access())
}

// oauth is the factory of one account.
type oauth struct {
	renewing[oauthToken]
	owner *owner
}

// addBeta adds a beta to the last line of them, unless one has it.
func addBeta(lines *engine.Headers, beta string) {
	last := -1
	for i, line := range *lines {
		if !engine.EqualFold(line.Name, "anthropic-beta") {
			continue
		}
		for one := range strings.SplitSeq(line.Value, ",") {
			if strings.TrimSpace(one) == beta {
				return
			}
		}
		last = i
	}
	switch {
	case last < 0:
		lines.Add("anthropic-beta", beta)
	case strings.TrimSpace((*lines)[last].Value) == "":
		(*lines)[last].Value = beta
	default:
		(*lines)[last].Value += "," + beta
	}
}

// owner is who alone refreshes the token of one account.
type owner struct {
	*renewer[oauthToken]
	name     string
	upstream uuid.UUID
	clientID string
	url      string
	client   func() *http.Client
	adopted  secret // the data_key that it was adopted with, nil = it was not, or in part; guarded by the accounts' mu

	turn    sync.Mutex // held over a whole renewal; guards what follows
	keeper  keeper
	opened  bool               // the shelf was read
	stored  bool               // the shelf holds what is in use
	retired bool               // another owner refreshes for this upstream
	unsaved *lease[oauthToken] // obtained, and not kept yet: not to be used, not to be lost
}

func newOwner(a *Accounts, c OAuth) *owner {
	o := &owner{name: c.Name, upstream: c.Upstream, clientID: c.ClientID, url: c.TokenURL, client: a.client,
		keeper: keeper{shelf: a.options.Shelf, upstream: c.Upstream, key: newSecret(""), configured: hashOf(c.Upstream, c.RefreshToken)}}
	o.renewer = newRenewer(a, c.Name, o.refresh)
	first := &lease[oauthToken]{value: oauthToken{newSecret(c.AccessToken), newSecret(c.RefreshToken)}}
	if c.AccessToken == "" {
		first.late = time.Unix(1, 0)
		first.expires = first.late
	}
	o.held.Store(first)
	return o
}

// adopt makes o the one that refreshes, starting from what is on the shelf. An error leaves it unable to, until a person has acted.
func (o *owner) adopt(dataKey string) error {
	o.turn.Lock()
	defer o.turn.Unlock()
	rewrite := o.keeper.key() != dataKey
	o.keeper.key = newSecret(dataKey)
	var locked error
	if !o.opened || o.retired {
		t, sealed, err := o.keeper.read()
		if errors.Is(err, errLocked) && t != nil {
			locked, t, err = fmt.Errorf("%w: the refresh_token of the config, which was not spent, is used instead", err), nil, nil
		}
		if err != nil {
			return o.unreadable(err)
		}
		rewrite = o.stored // another config's is there
		if t != nil {
			o.held.Store(t.lease())
			o.stored, rewrite = true, sealed != (dataKey != "")
		}
		if f := o.fault.Load(); !o.opened || f != nil && !errors.Is(f.err, errReconnect) {
			o.fault.Store(nil)
		}
		o.tell(engine.CredentialState{}, o.CredentialState()) // what was told before was about another config
	}
	o.opened, o.retired = true, false
	if o.stored && rewrite {
		return o.keeper.write(keptOf(o.held.Load()))
	}
	return locked
}

// unreadable takes the upstream out, for to refresh the token of the config would lose the one that cannot be read.
func (o *owner) unreadable(err error) error {
	way := "restore it, or delete it and configure a newly issued refresh_token"
	if errors.Is(err, errLocked) {
		way = "restore the data_key that it was written with, or configure a newly issued refresh_token, for the one in the config was spent"
	}
	err = fmt.Errorf("%w: %w: %s", errReconnect, err, way)
	o.opened = false // the next look at the shelf ends this fault
	o.fault.Store(&fault{err: err})
	return err
}

// retire waits for a refresh under way. After it there is none.
func (o *owner) retire() {
	o.turn.Lock()
	defer o.turn.Unlock()
	o.retired = true
}

// refresh obtains what replaces used and keeps it. What another process has put on the shelf meanwhile counts.
func (o *owner) refresh(ctx context.Context, used *lease[oauthToken]) (*lease[oauthToken], error) {
	o.turn.Lock()
	defer o.turn.Unlock()
	if o.retired {
		return nil, errors.New("the config has another refresh_token for this upstream")
	}
	next := o.unsaved
	if next == nil {
		from := o.newest(used)
		if from != used && !from.mustWait(o.now()) {
			return from, nil
		}
		var err error
		if next, err = o.ask(ctx, from.value.refresh()); err != nil {
			return nil, err
		}
	}
	return next, o.keep(next)
}

// keep puts a token on the shelf. One that has no place there is held until it has.
func (o *owner) keep(next *lease[oauthToken]) error {
	o.unsaved = next
	if err := o.keeper.write(keptOf(next)); err != nil {
		return &engine.SignerError{Variant: engine.SignerStorageUnavailable, Reason: "keep the refreshed token: " + err.Error(), Cause: err}
	}
	o.unsaved, o.stored = nil, true
	return nil
}

// end keeps what was not kept yet.
func (o *owner) end() error {
	o.turn.Lock()
	defer o.turn.Unlock()
	if o.unsaved == nil {
		return nil
	}
	if err := o.keep(o.unsaved); err != nil {
		return fmt.Errorf("upstream %q: its refresh_token is lost: %w", o.name, err)
	}
	return nil
}

// newest is the token on the shelf, or used if there is none that can be read: what is in memory is as good.
func (o *owner) newest(used *lease[oauthToken]) *lease[oauthToken] {
	t, _, err := o.keeper.read()
	if err != nil || t == nil || t.Access == used.value.access() && t.Refresh == used.value.refresh() {
		return used
	}
	return t.lease()
}

func (t *keptToken) lease() *lease[oauthToken] {
	return newLease(oauthToken{newSecret(t.Access), newSecret(t.Refresh)}, t.Obtained, t.Expires)
}

func keptOf(l *lease[oauthToken]) *keptToken {
	return &keptToken{l.value.access(), l.value.refresh(), l.obtained, l.expires}
}
