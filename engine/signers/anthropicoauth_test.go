package signers_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/engine"
	"sluice/engine/signers"
)

func TestTheFirstRequestObtainsATokenAndKeepsItBeforeItIsUsed(t *testing.T) {
	r := newRig(t)
	e := newEndpoint(t, gives("access-planted-1", "refresh-planted-1", 3600))
	f := r.load(r.start(), "", oauth(e, "refresh-planted-0"))
	sent, err := call{signers: f, answer: func(int, engine.Signed) int {
		if !strings.Contains(plain(t, r.file()), `"access":"access-planted-1","refresh":"refresh-planted-1"`) {
			t.Error("the token was used before it was kept")
		}
		return 200
	}}.do(context.Background(), t)
	if err != nil || header(sent[0], "authorization") != "Bearer access-planted-1" {
		t.Fatalf("got %v, %v", sent, err)
	}
	want := map[string]string{"grant_type": "refresh_token", "refresh_token": "refresh-planted-0", "client_id": "client-1"}
	if got, _ := json.Marshal(e.asked[0]); string(got) != mustJSON(want) {
		t.Errorf("the endpoint was sent %s, want %s", got, mustJSON(want))
	}
	if h := e.heads[0]; h.Get("Content-Type") != "application/json" || h.Get("Anthropic-Beta") != "oauth-2025-04-20" {
		t.Errorf("the endpoint was sent %v", h)
	}
	r.token(f)
	if e.calls() != 1 {
		t.Errorf("the endpoint was asked %d times, want once", e.calls())
	}
}

// plain is the token of a file that is not encrypted.
func plain(t testing.TB, file string) string {
	t.Helper()
	var kept struct{ Token []byte }
	if err := json.Unmarshal([]byte(file), &kept); err != nil {
		t.Fatal(err)
	}
	return string(kept.Token)
}

func mustJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func TestTheBetaJoinsTheClientsOwn(t *testing.T) {
	r := newRig(t)
	c := oauth(newEndpoint(t, invalidGrant), "r")
	c.AccessToken = "a"
	f := r.load(r.start(), "", c)
	check := func(client engine.Headers, want string) {
		t.Helper()
		client = append(client, engine.Header{Name: "x-app", Value: "cli"})
		sent, err := call{signers: f, headers: client}.do(context.Background(), t)
		if err != nil {
			t.Fatal(err)
		}
		if got := lines(sent[0]); got != want {
			t.Errorf("sent\n%s\nwant\n%s", got, want)
		}
	}
	check(nil, "x-app: cli\nanthropic-beta: oauth-2025-04-20\nauthorization: Bearer a")
	check(engine.Headers{{Name: "anthropic-beta", Value: "one, two"}}, "anthropic-beta: one, two,oauth-2025-04-20\nx-app: cli\nauthorization: Bearer a")
	check(engine.Headers{{Name: "Anthropic-Beta", Value: "one, oauth-2025-04-20 ,two"}}, "Anthropic-Beta: one, oauth-2025-04-20 ,two\nx-app: cli\nauthorization: Bearer a")
	check(engine.Headers{{Name: "anthropic-beta", Value: "one"}, {Name: "anthropic-beta", Value: "two"}},
		"anthropic-beta: one\nanthropic-beta: two,oauth-2025-04-20\nx-app: cli\nauthorization: Bearer a")
	check(engine.Headers{{Name: "anthropic-beta", Value: "oauth-2025-04-20"}, {Name: "anthropic-beta", Value: "two"}},
		"anthropic-beta: oauth-2025-04-20\nanthropic-beta: two\nx-app: cli\nauthorization: Bearer a")
	check(engine.Headers{{Name: "anthropic-beta", Value: "not-oauth-2025-04-20"}},
		"anthropic-beta: not-oauth-2025-04-20,oauth-2025-04-20\nx-app: cli\nauthorization: Bearer a")
	check(engine.Headers{{Name: "anthropic-beta", Value: ""}}, "anthropic-beta: oauth-2025-04-20\nx-app: cli\nauthorization: Bearer a")
}

func TestManyRequestsRefreshOnce(t *testing.T) {
	r := newRig(t)
	e := newEndpoint(t, gives("access-1", "refresh-1", 3600), gives("access-2", "refresh-2", 3600))
	f := r.load(r.start(), "", oauth(e, "refresh-0"))
	round := func(status func(engine.Signed) int) {
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if _, err := (call{signers: f, answer: func(_ int, s engine.Signed) int { return status(s) }}).do(context.Background(), t); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
	}
	round(func(engine.Signed) int { return 200 })
	if e.calls() != 1 {
		t.Errorf("50 first requests asked the endpoint %d times, want once", e.calls())
	}
	r.pass(time.Hour / 2)
	round(func(s engine.Signed) int { // the token was revoked early
		if header(s, "authorization") == "Bearer access-1" {
			return 401
		}
		return 200
	})
	if e.calls() != 2 {
		t.Errorf("50 refused requests asked the endpoint %d times more, want once", e.calls()-1)
	}
}

func TestATokenIsRefreshedInTheBackgroundBeforeItExpires(t *testing.T) {
	r := newRig(t)
	release := make(chan struct{})
	e := newEndpoint(t, gives("access-1", "refresh-1", 3600), func(w http.ResponseWriter, req *http.Request) {
		<-release
		gives("access-2", "", 3600)(w, req)
	}, gives("access-3", "refresh-3", 3600))
	a := r.start()
	f := r.load(a, "", oauth(e, "refresh-0"))
	r.token(f)
	r.pass(time.Hour - 121*time.Second)
	if got := r.token(f); got != "access-1" || e.calls() != 1 {
		t.Errorf("121 s before its end: %s after %d calls", got, e.calls())
	}
	r.pass(2 * time.Second)
	if got := r.token(f); got != "access-1" {
		t.Errorf("119 s before its end a request got %s, want the old token without waiting", got)
	}
	close(release)
	a.Close() // waits for the refresh
	if got := r.token(f); got != "access-2" {
		t.Errorf("after the refresh: %s", got)
	}
	if !strings.Contains(plain(t, r.file()), `"refresh":"refresh-1"`) {
		t.Error("no refresh token came back, and the old one was not kept")
	}
	r.pass(time.Hour - 29*time.Second)
	if got := r.token(f); got != "access-3" {
		t.Errorf("29 s before its end a request got %s, want one that waited for the new token", got)
	}
	if got := e.asked[2]["refresh_token"]; got != "refresh-1" {
		t.Errorf("the third refresh used %s", got)
	}
}

func TestANearlyExpiredTokenServesOnWhileItCannotBeRefreshed(t *testing.T) {
	r := newRig(t)
	e := newEndpoint(t, gives("access-1", "refresh-1", 3600), says(503, "text/html", "<html>"))
	f := r.load(r.start(), "", oauth(e, "refresh-0"))
	r.token(f)
	r.pass(time.Hour - 10*time.Second)
	if got := r.token(f); got != "access-1" {
		t.Errorf("got %s, want the old token", got)
	}
	r.pass(10 * time.Second)
	_, err := send(t, f, engine.Credential{}, 200)
	refusal(t, err, engine.CodeSignerFailed, "the token endpoint answered 503 with text/html")
}

func TestA401RefreshesOnceAndNeverReachesTheClient(t *testing.T) {
	r := newRig(t)
	e := newEndpoint(t, gives("access-2", "refresh-2", 3600), gives("access-3", "refresh-3", 3600), gives("access-4", "", 3600))
	c := oauth(e, "refresh-1")
	c.AccessToken = "access-1"
	f := r.load(r.start(), "", c)
	sent, err := send(t, f, engine.Credential{}, 401, 200)
	if err != nil || len(sent) != 2 || header(sent[1], "authorization") != "Bearer access-2" {
		t.Fatalf("got %v, %v", sent, err)
	}
	// The new token is refused too: it is not spent on another refresh at once.
	sent, err = send(t, f, engine.Credential{}, 401, 401)
	refusal(t, err, engine.CodeUpstreamCredential, "")
	if len(sent) != 1 || e.calls() != 1 {
		t.Errorf("%d attempts and %d refreshes, want 1 and 1", len(sent), e.calls())
	}
	try := func(pass time.Duration, attempts, refreshes int) {
		t.Helper()
		r.pass(pass)
		sent, err = send(t, f, engine.Credential{}, 401, 401)
		refusal(t, err, engine.CodeUpstreamCredential, "")
		if len(sent) != attempts || e.calls() != refreshes {
			t.Errorf("%d attempts and %d refreshes, want %d and %d", len(sent), e.calls(), attempts, refreshes)
		}
	}
	try(5*time.Second, 2, 2)
	try(5*time.Second, 1, 2)
	try(5*time.Second, 2, 3)
	try(6*time.Minute, 2, 4) // it has worked for long: this is another story
	try(5*time.Second, 2, 5)
}

// accepting is an API that accepts one token at a time, until it is told to revoke it: then the next that it sees.
type accepting struct{ revoked, token string }

func (a *accepting) status(_ int, sent engine.Signed) int {
	token := header(sent, "authorization")
	if token == a.revoked {
		return 401
	}
	a.token = token
	return 200
}

func (a *accepting) revoke() { a.revoked = a.token }

func TestATokenThatWorkedIsRefreshedHoweverOftenThatIs(t *testing.T) {
	r := newRig(t)
	e := newEndpoint(t, gives("access-1", "refresh-1", 3600), gives("access-2", "refresh-2", 3600), gives("access-3", "refresh-3", 3600),
		gives("access-4", "refresh-4", 3600), gives("access-5", "refresh-5", 3600), gives("access-6", "refresh-6", 3600))
	var api accepting
	c := call{signers: r.load(r.start(), "", oauth(e, "refresh-0")), answer: api.status}
	for want := 1; want <= 6; want++ {
		for range 30 {
			if _, err := c.do(context.Background(), t); err != nil {
				t.Fatalf("the API accepts %s: %v", api.token, err)
			}
			r.pass(100 * time.Millisecond)
		}
		if e.calls() != want {
			t.Fatalf("%d refreshes, want %d", e.calls(), want)
		}
		api.revoke()
	}
	told(t, r) // nothing is wrong with the account
}

func TestATokenThatWasRefusedAtOnceWaitsAndIsTold(t *testing.T) {
	r := newRig(t)
	e := newEndpoint(t, gives("access-1", "refresh-1", 3600), gives("access-2", "refresh-2", 3600))
	c := oauth(e, "refresh-0")
	c.AccessToken = "access-0"
	f := r.load(r.start(), "key", c)
	if sent, err := send(t, f, engine.Credential{}, 401, 200); err != nil || len(sent) != 2 {
		t.Fatalf("got %v, %v", sent, err)
	}
	refused := func(want engine.RetryDecision) {
		t.Helper()
		signer, err := f.Build(context.Background(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := signer.OnUnauthorized(context.Background(), nil); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	again := r.Now().Add(5 * time.Second)
	r.pass(time.Second)
	refused(engine.FailUntil(again))
	if _, err := send(t, f, engine.Credential{}, 200); err != nil { // now and then it is accepted
		t.Fatal(err)
	}
	r.pass(3 * time.Second)
	refused(engine.FailUntil(again))
	if e.calls() != 1 {
		t.Errorf("%d refreshes, want 1", e.calls())
	}
	told(t, r, `upstream "up": its credential was refused as soon as it was obtained, and is renewed again from 2026-11-22T00:00:05Z on`)
	r.pass(time.Second)
	if sent, err := send(t, f, engine.Credential{}, 401, 200); err != nil || len(sent) != 2 || e.calls() != 2 {
		t.Errorf("got %v, %v after %d refreshes", sent, err, e.calls())
	}
}

func TestA401TakesANewerTokenThatIsKeptAlready(t *testing.T) {
	r := newRig(t)
	e := newEndpoint(t, gives("access-1", "refresh-1", 3600), gives("access-2", "refresh-2", 3600))
	f := r.load(r.start(), "", oauth(e, "refresh-0"))
	r.token(f)
	other := r.load(r.start(), "", oauth(e, "refresh-0")) // another process on the same files
	r.pass(30 * time.Minute)
	if _, err := send(t, other, engine.Credential{}, 401, 200); err != nil {
		t.Fatal(err)
	}
	sent, err := send(t, f, engine.Credential{}, 401, 200)
	if err != nil || header(sent[1], "authorization") != "Bearer access-2" || e.calls() != 2 {
		t.Errorf("got %v, %v after %d refreshes, want access-2 after 2", sent, err, e.calls())
	}
}

func TestInvalidGrantTakesTheUpstreamOutUntilItIsConnectedAnew(t *testing.T) {
	r := newRig(t)
	e := newEndpoint(t, invalidGrant, gives("access-9", "refresh-9", 3600))
	a := r.start()
	f := r.load(a, "", oauth(e, "refresh-planted-0"))
	_, err := send(t, f, engine.Credential{}, 200)
	refusal(t, err, engine.CodeSignerFailed, "reconnect required: the token endpoint answered 400 invalid_grant")
	if s := state(f); !s.Reconnect || strings.Contains(s.Error, "planted") {
		t.Errorf("state %+v, want reconnect", s)
	}
	r.pass(24 * time.Hour)
	sent, err := send(t, f, engine.Credential{}, 200)
	refusal(t, err, engine.CodeUpstreamCredential, `upstream "up" must be connected anew`)
	if len(sent) != 0 || e.calls() != 1 {
		t.Errorf("%d sent after %d refreshes, want none after 1", len(sent), e.calls())
	}
	f = r.load(a, "", oauth(e, "refresh-planted-8"))
	if got := r.token(f); got != "access-9" || state(f) != (engine.CredentialState{}) {
		t.Errorf("with a new refresh token: %s, %+v", got, state(f))
	}
	told(t, r, `upstream "up": reconnect required: the token endpoint answered 400 invalid_grant: configure a new refresh_token`)
}

func TestAConfigThatGoesBackToADeadTokenIsToldOfIt(t *testing.T) {
	r := newRig(t)
	e := newEndpoint(t, invalidGrant, gives("access-9", "refresh-9", 3600))
	a := r.start()
	_, err := send(t, r.load(a, "", oauth(e, "refresh-planted-0")), engine.Credential{}, 200)
	refusal(t, err, engine.CodeSignerFailed, "reconnect required")
	if got := r.token(r.load(a, "", oauth(e, "refresh-planted-8"))); got != "access-9" {
		t.Errorf("with a new refresh token: %s", got)
	}
	back := r.load(a, "", oauth(e, "refresh-planted-0"))
	r.load(a, "", oauth(e, "refresh-planted-0")) // a reload that changes nothing of it
	r.load(a, "key", oauth(e, "refresh-planted-0"))
	if !state(back).Reconnect || e.calls() != 2 {
		t.Errorf("state %+v after %d refreshes, want reconnect after 2", state(back), e.calls())
	}
	dead := `upstream "up": reconnect required: the token endpoint answered 400 invalid_grant: configure a new refresh_token`
	told(t, r, dead, dead)
}

func TestAFailedRefreshBacksOff(t *testing.T) {
	r := newRig(t)
	html := says(502, "text/html; charset=utf-8", "<html>planted</html>")
	e := newEndpoint(t, html, html, html, gives("access-1", "refresh-1", 3600))
	f := r.load(r.start(), "", oauth(e, "refresh-0"))
	try := func(want int) {
		t.Helper()
		_, err := send(t, f, engine.Credential{}, 200)
		refusal(t, err, engine.CodeSignerFailed, "the token endpoint answered 502 with text/html; tried again from ")
		if e.calls() != want {
			t.Errorf("the endpoint was asked %d times, want %d", e.calls(), want)
		}
	}
	try(1)
	try(1)
	r.pass(4 * time.Second)
	try(1)
	r.pass(time.Second)
	try(2)
	r.pass(9 * time.Second)
	try(2)
	r.pass(time.Second)
	try(3)
	if s := state(f); s.Reconnect || s.Error == "" {
		t.Errorf("state %+v, want an error that passes", s)
	}
	r.pass(20 * time.Second)
	if got := r.token(f); got != "access-1" || state(f).Error != "" {
		t.Errorf("got %s, %+v", got, state(f))
	}
	told(t, r, `upstream "up": its credential could not be renewed, and is tried again: the token endpoint answered 502 with text/html`,
		`upstream "up": its credential was renewed`)
}

func TestARefusedTokenWaitsForTheNextRefresh(t *testing.T) {
	r := newRig(t)
	e := newEndpoint(t, says(502, "text/html", "<html>planted</html>"), invalidGrant)
	c := oauth(e, "refresh-0")
	c.AccessToken = "access-0"
	f := r.load(r.start(), "", c)
	try := func(want engine.RetryDecision) {
		t.Helper()
		signer, err := f.Build(context.Background(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := signer.OnUnauthorized(context.Background(), nil); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	again := engine.FailUntil(r.Now().Add(5 * time.Second))
	try(again)
	r.pass(time.Second)
	try(again)
	r.pass(4 * time.Second)
	try(engine.Fail) // nobody but a person can mend it
}

// told fails unless the operator was told these lines, beside that there is no data_key.
func told(t *testing.T, r *rig, lines ...string) {
	t.Helper()
	var got []string
	for line := range strings.SplitSeq(r.warnings(), "\n") {
		if !strings.Contains(line, "set data_key") {
			got = append(got, line)
		}
	}
	if !slices.Equal(got, lines) {
		t.Errorf("told\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(lines, "\n"))
	}
}

func TestAFailureThatComesToStayIsToldTwice(t *testing.T) {
	r := newRig(t)
	html := says(502, "text/html", "<html>planted</html>")
	e := newEndpoint(t, html, html, invalidGrant)
	f := r.load(r.start(), "", oauth(e, "refresh-0"))
	for range 3 {
		_, err := send(t, f, engine.Credential{}, 200)
		refusal(t, err, engine.CodeSignerFailed, "the token endpoint answered")
		r.pass(time.Minute)
	}
	told(t, r, `upstream "up": its credential could not be renewed, and is tried again: the token endpoint answered 502 with text/html`,
		`upstream "up": reconnect required: the token endpoint answered 400 invalid_grant: configure a new refresh_token`)
}

func TestWhatATokenEndpointMayAnswer(t *testing.T) {
	f := func(answer http.HandlerFunc, want string) {
		t.Helper()
		r := newRig(t)
		_, err := send(t, r.load(r.start(), "", oauth(newEndpoint(t, answer), "refresh-planted-0")), engine.Credential{}, 200)
		refusal(t, err, engine.CodeSignerFailed, want)
	}
	f(says(200, "text/html", "<html>planted"), "answered 200 with text/html that holds no access_token")
	f(says(200, "application/json", `{"access_token":"","refresh_token":"planted"}`), "that holds no access_token")
	f(says(200, "application/json", `{"access_token":"planted\r\nx-evil: 1"}`), "with spaces or control characters")
	f(says(200, "", ""), "with a body of no known type that holds no access_token")
	f(says(500, "application/json", `{"type":"error","error":{"type":"api_error","message":"planted"}}`), "answered 500 api_error")
	f(says(401, "application/json", `{"error":"invalid_client"}`), "answered 401 invalid_client")
	f(says(400, "application/json", `{"error":"planted secret!"}`), "answered 400 with application/json")
	f(says(200, "application/json", strings.Repeat(" ", 70<<10)), "answered more than 65536 bytes")
	f(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	}, "answered 307")
	f(func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) }, "ask the token endpoint: EOF")
}

func TestWhatATokenEndpointMayLeaveOpen(t *testing.T) {
	f := func(answer string, later time.Duration, calls int) {
		t.Helper()
		r := newRig(t)
		e := newEndpoint(t, says(200, "application/json", answer), gives("access-2", "", 3600))
		s := r.load(r.start(), "", oauth(e, "refresh-0"))
		if got := r.token(s); got != "access-1" {
			t.Errorf("%s: %s", answer, got)
		}
		r.pass(later)
		if r.token(s); e.calls() != calls {
			t.Errorf("%s: %v later the endpoint was asked %d times, want %d", answer, later, e.calls(), calls)
		}
	}
	f(`{"access_token":"access-1","expires_in":3600}`, 59*time.Minute+45*time.Second, 2)
	f(`{"access_token":"access-1","expires_in":"3600"}`, 59*time.Minute+45*time.Second, 2)
	f(`{"access_token":"access-1","expires_in":60}`, 20*time.Second, 1) // half of a short life is not soon
	f(`{"access_token":"access-1"}`, 240*time.Hour, 1)                  // until it is refused
	f(`{"access_token":"access-1","expires_in":null}`, 240*time.Hour, 1)
	f(`{"access_token":"access-1","expires_in":-1}`, 240*time.Hour, 1)
}

// heldEndpoint gives one token, once release is closed. asked is closed when it is asked for it.
func heldEndpoint(t *testing.T) (e *endpoint, asked, release chan struct{}) {
	asked, release = make(chan struct{}), make(chan struct{})
	e = newEndpoint(t, func(w http.ResponseWriter, req *http.Request) {
		close(asked)
		<-release
		gives("access-1", "refresh-1", 3600)(w, req)
	})
	return e, asked, release
}

func TestAClientThatLeavesDoesNotStopARefresh(t *testing.T) {
	r := newRig(t)
	e, asked, release := heldEndpoint(t)
	a := r.start()
	f := r.load(a, "", oauth(e, "refresh-0"))
	ctx, leave := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() {
		_, err := call{signers: f}.do(ctx, t)
		ended <- err
	}()
	<-asked
	leave()
	refusal(t, <-ended, engine.CodeClientGone, "")
	close(release)
	a.Close()
	if got := r.token(f); got != "access-1" || e.calls() != 1 {
		t.Errorf("got %s after %d refreshes", got, e.calls())
	}
}

// A token endpoint may take long. An edit that has nothing to do with it goes live meanwhile.
func TestAReloadWaitsForNoRefresh(t *testing.T) {
	r := newRig(t)
	e, asked, release := heldEndpoint(t)
	a := r.start()
	f := r.load(a, "", oauth(e, "refresh-0"))
	var both sync.WaitGroup
	both.Go(func() { r.token(f) })
	<-asked
	reloaded := make(chan struct{})
	both.Go(func() {
		r.load(a, "", oauth(e, "refresh-0"))
		close(reloaded)
	})
	select {
	case <-reloaded:
	case <-time.After(5 * time.Second):
		t.Error("the reload waits for the token endpoint")
	}
	close(release)
	both.Wait()
}

func TestTheStoredTokenWinsUntilTheConfigHasAnother(t *testing.T) {
	r := newRig(t)
	e := newEndpoint(t, gives("access-1", "refresh-1", 3600), gives("access-2", "refresh-2", 3600))
	r.token(r.load(r.start(), "", oauth(e, "refresh-0")))
	if got := r.token(r.load(r.start(), "", oauth(e, "refresh-0"))); got != "access-1" || e.calls() != 1 {
		t.Errorf("after a restart: %s after %d refreshes, want the stored token", got, e.calls())
	}
	if got := r.token(r.load(r.start(), "", oauth(e, "refresh-7"))); got != "access-2" || e.asked[1]["refresh_token"] != "refresh-7" {
		t.Errorf("with a new refresh token: %s, asked with %v", got, e.asked[1])
	}
}

func TestAReloadSharesTheAccount(t *testing.T) {
	r := newRig(t)
	e := newEndpoint(t, gives("access-1", "refresh-1", 3600), gives("access-2", "refresh-2", 3600), gives("access-3", "refresh-3", 3600))
	a := r.start()
	before := r.load(a, "", oauth(e, "refresh-0"))
	after := r.load(a, "", oauth(e, "refresh-0"))
	if r.token(before) != "access-1" || r.token(after) != "access-1" || e.calls() != 1 {
		t.Errorf("two generations refreshed %d times", e.calls())
	}
	other := oauth(e, "refresh-0")
	other.ClientID = "client-2" // the same account, asked for in another way
	moved := r.load(a, "", other)
	if got := r.token(moved); got != "access-1" {
		t.Errorf("another client id: %s, want the stored token", got)
	}
	r.pass(time.Hour)
	if got := r.token(moved); got != "access-2" || e.asked[1]["client_id"] != "client-2" || e.asked[1]["refresh_token"] != "refresh-1" {
		t.Errorf("%s, asked with %v", got, e.asked[1])
	}
	_, err := send(t, before, engine.Credential{}, 200) // a request that began before the reload
	refusal(t, err, engine.CodeSignerFailed, "the config has another refresh_token for this upstream")
	if back := r.load(a, "", oauth(e, "refresh-0")); e.calls() != 2 {
		t.Errorf("%d refreshes", e.calls())
	} else if r.pass(time.Minute); r.token(back) != "access-2" || e.calls() != 2 {
		t.Errorf("back again: %d refreshes, want the token that the other config stored", e.calls())
	}
}

func TestRequestsGoOnThroughReloads(t *testing.T) {
	r := newRig(t)
	e := newEndpoint(t, gives("access-1", "refresh-1", 60))
	a := r.start()
	f := r.load(a, "", oauth(e, "refresh-0"))
	stop := make(chan struct{})
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := (call{signers: f}).do(context.Background(), t); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for i := range 20 {
		r.load(a, []string{"", "key-1", "key-2"}[i%3], oauth(e, "refresh-0"))
		r.token(f)
		r.pass(20 * time.Second)
	}
	close(stop)
	all.Wait()
	if e.calls() < 400/60 || e.calls() > 1+400/30 {
		t.Errorf("%d refreshes in 400 s of tokens that last 60 and are refreshed from 30 on", e.calls())
	}
}

// balky is a shelf that cannot write while it is full.
type balky struct {
	signers.Shelf
	full bool
}

func (b *balky) Replace(name string, text []byte) error {
	if b.full {
		return errors.New("no space left on device")
	}
	return b.Shelf.Replace(name, text)
}

func TestATokenThatCannotBeKeptIsNeitherUsedNorLost(t *testing.T) {
	r := newRig(t)
	shelf := &balky{Shelf: r.shelf, full: true}
	r.shelf = shelf
	e := newEndpoint(t, gives("access-1", "refresh-1", 3600), invalidGrant)
	f := r.load(r.start(), "", oauth(e, "refresh-0"))
	sent, err := send(t, f, engine.Credential{}, 200)
	refusal(t, err, engine.CodeSignerFailed, "storage unavailable: keep the refreshed token: no space left on device")
	if len(sent) != 0 {
		t.Error("a token was used that was not kept")
	}
	shelf.full = false
	r.pass(time.Minute)
	if got := r.token(f); got != "access-1" || e.calls() != 1 {
		t.Errorf("got %s after %d refreshes, want the token that was obtained", got, e.calls())
	}
}

// Whoever has made room restarts the gateway, before a request has it try again.
func TestATokenThatCouldNotBeKeptIsKeptAtTheEnd(t *testing.T) {
	r := newRig(t)
	shelf := &balky{Shelf: r.shelf, full: true}
	r.shelf = shelf
	e := newEndpoint(t, gives("access-1", "refresh-1", 3600))
	a := r.start()
	_, err := send(t, r.load(a, "", oauth(e, "refresh-0")), engine.Credential{}, 200)
	refusal(t, err, engine.CodeSignerFailed, "no space left on device")
	want := `upstream "up": its refresh_token is lost: signer: storage unavailable: keep the refreshed token: no space left on device`
	if err := a.Close(); err == nil || err.Error() != want {
		t.Errorf("without room: %v, want %s", err, want)
	}
	shelf.full = false
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if got := r.token(r.load(r.start(), "", oauth(e, "refresh-0"))); got != "access-1" || e.calls() != 1 {
		t.Errorf("after a restart: %s after %d refreshes, want access-1 after 1", got, e.calls())
	}
}
