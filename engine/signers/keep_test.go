package signers_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"

	"sluice/engine"
	"sluice/engine/signers"
)

func TestTokensAtRestAreEncryptedAndBoundToTheirUpstream(t *testing.T) {
	r := newRig(t)
	e := newEndpoint(t, gives("access-planted-1", "refresh-planted-1", 3600))
	r.token(r.load(r.start(), "key-1", oauth(e, "refresh-planted-0")))
	sealed := r.file()
	if sealed == "" || strings.Contains(sealed, "planted") || strings.Contains(sealed, `"token"`) || r.warnings() != "" {
		t.Errorf("the file is %s, said %s", sealed, r.warnings())
	}
	info, err := os.Stat(filepath.Join(r.dir, "token-"+upID.String()+".json"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file has mode %v, %v", info.Mode(), err)
	}
	if got := r.token(r.load(r.start(), "key-1", oauth(e, "refresh-planted-0"))); got != "access-planted-1" {
		t.Errorf("after a restart: %s", got)
	}
	lost := func(dataKey string, c signers.OAuth, want string) {
		t.Helper()
		f := r.load(r.start(), dataKey, c)
		if s := state(f); !s.Reconnect || !strings.Contains(s.Error, want) || !strings.Contains(r.warnings(), want) {
			t.Errorf("state %+v, said %s, want %s", s, r.warnings(), want)
		}
		_, err := send(t, f, engine.Credential{}, 200)
		refusal(t, err, engine.CodeUpstreamCredential, want)
		if r.file() != sealed || e.calls() != 1 {
			t.Error("a file that could not be read was not left alone")
		}
	}
	lost("key-2", oauth(e, "refresh-planted-0"), "it was not encrypted for this upstream with this data_key")
	lost("", oauth(e, "refresh-planted-0"), "it is encrypted, and the config has no data_key")
	lost("key-2", oauth(e, "refresh-planted-0"), "restore the data_key that it was written with, or configure a newly issued refresh_token")
	moved := oauth(e, "refresh-planted-0")
	moved.Upstream = uuid.New()
	text := strings.Replace(sealed, configured(t, sealed), configuredFor(t, moved), 1)
	if err := r.shelf.Replace("token-"+moved.Upstream.String()+".json", []byte(text)); err != nil {
		t.Fatal(err)
	}
	lost("key-1", moved, "it was not encrypted for this upstream")
}

// configured is the hash of the refresh token in a file.
func configured(t *testing.T, file string) string {
	var kept struct{ Configured string }
	if err := json.Unmarshal([]byte(file), &kept); err != nil || len(kept.Configured) != 64 {
		t.Fatalf("%s: %v", file, err)
	}
	return kept.Configured
}

// configuredFor is the hash that a file of c has.
func configuredFor(t *testing.T, c signers.OAuth) string {
	r := newRig(t)
	c.TokenURL = newEndpoint(t, gives("a", "r", 60)).URL
	r.token(r.load(r.start(), "", c))
	text, err := r.shelf.Read("token-" + c.Upstream.String() + ".json")
	if err != nil {
		t.Fatal(err)
	}
	return configured(t, string(text))
}

func TestANewDataKeyEncryptsWhatIsKept(t *testing.T) {
	r := newRig(t)
	e := newEndpoint(t, gives("access-1", "refresh-1", 3600))
	a := r.start()
	c := oauth(e, "refresh-0")
	r.token(r.load(a, "", c))
	if got := r.warnings(); strings.Count(got, "unencrypted") != 1 || !strings.Contains(got, "data_key") {
		t.Errorf("said %q, want one warning", got)
	}
	plain(t, r.file())
	for _, key := range []string{"key-1", "key-2"} { // a reload, and the next
		r.load(a, key, c)
		if strings.Contains(r.file(), `"token"`) {
			t.Errorf("%s: the file is not encrypted", key)
		}
		if got := r.token(r.load(r.start(), key, c)); got != "access-1" {
			t.Errorf("%s: after a restart: %s", key, got)
		}
	}
	if e.calls() != 1 || strings.Contains(r.warnings(), "\n") {
		t.Errorf("%d refreshes, said %q", e.calls(), r.warnings())
	}
}

func TestALostDataKeyMendsWithANewTokenOrTheKey(t *testing.T) {
	r := newRig(t)
	e := newEndpoint(t, gives("access-1", "refresh-1", 3600), gives("access-2", "refresh-2", 3600))
	r.token(r.load(r.start(), "key-1", oauth(e, "refresh-0")))
	a := r.start()
	if f := r.load(a, "key-2", oauth(e, "refresh-0")); !state(f).Reconnect {
		t.Errorf("state %+v, want reconnect", state(f))
	}
	if got := r.token(r.load(a, "key-1", oauth(e, "refresh-0"))); got != "access-1" || e.calls() != 1 {
		t.Errorf("with the key again: %s after %d refreshes", got, e.calls())
	}
	a = r.start()
	r.load(a, "key-2", oauth(e, "refresh-0"))
	if got := r.token(r.load(a, "key-2", oauth(e, "refresh-new"))); got != "access-2" || e.asked[1]["refresh_token"] != "refresh-new" {
		t.Errorf("with a new refresh token: %s, asked with %v", got, e.asked)
	}
	if got := r.token(r.load(r.start(), "key-2", oauth(e, "refresh-new"))); got != "access-2" {
		t.Errorf("after a restart: %s", got)
	}
}

func TestAKeyThatIsRestoredMendsAnAccountThatWasInUseBefore(t *testing.T) {
	r := newRig(t)
	e := newEndpoint(t, gives("access-1", "refresh-1", 3600), invalidGrant)
	a := r.start()
	r.token(r.load(a, "key-1", oauth(e, "refresh-0")))
	r.load(a, "key-1", oauth(e, "refresh-8")) // which nobody used
	if f := r.load(a, "key-2", oauth(e, "refresh-0")); !state(f).Reconnect {
		t.Errorf("state %+v, want reconnect", state(f))
	}
	f := r.load(a, "key-1", oauth(e, "refresh-0"))
	if s := state(f); s != (engine.CredentialState{}) {
		t.Fatalf("with the key again: state %+v", s)
	}
	if got := r.token(f); got != "access-1" || e.calls() != 1 {
		t.Errorf("with the key again: %s after %d refreshes", got, e.calls())
	}
}

// An endpoint that lets the refresh token stand has not spent the one in the config: nothing is lost with the key.
func TestALostDataKeyCostsNothingWhereTheConfigsTokenStands(t *testing.T) {
	r := newRig(t)
	e := newEndpoint(t, gives("access-1", "", 3600), gives("access-2", "refresh-2", 3600))
	r.token(r.load(r.start(), "key-1", oauth(e, "refresh-0")))
	if got := r.token(r.load(r.start(), "key-2", oauth(e, "refresh-0"))); got != "access-2" || e.asked[1]["refresh_token"] != "refresh-0" {
		t.Errorf("got %s, asked with %v", got, e.asked)
	}
	if got := r.warnings(); !strings.Contains(got, `upstream "up": read token-`) || !strings.Contains(got, "with this data_key: the refresh_token of the config") {
		t.Errorf("told %s", got)
	}
	if f := r.load(r.start(), "key-3", oauth(e, "refresh-0")); !state(f).Reconnect { // refresh-2 is what counts
		t.Errorf("state %+v, want reconnect", state(f))
	}
}

func TestADamagedFileIsToldAndMendsWithANewToken(t *testing.T) {
	for _, text := range []string{"{", "{}", "null", `{"configured":""}`} {
		t.Run(text, func(t *testing.T) { mendsWithANewToken(t, text) })
	}
}

func mendsWithANewToken(t *testing.T, text string) {
	r := newRig(t)
	e := newEndpoint(t, gives("access-1", "refresh-1", 3600))
	if err := r.shelf.Replace("token-"+upID.String()+".json", []byte(text)); err != nil {
		t.Fatal(err)
	}
	a := r.start()
	f := r.load(a, "k", oauth(e, "refresh-0"))
	if s := state(f); !s.Reconnect || !strings.Contains(r.warnings(), `upstream "up": reconnect required: read token-`) {
		t.Errorf("state %+v, said %s", s, r.warnings())
	}
	if err := os.Remove(filepath.Join(r.dir, "token-"+upID.String()+".json")); err != nil {
		t.Fatal(err)
	}
	if got := r.token(r.load(a, "k", oauth(e, "refresh-0"))); got != "access-1" {
		t.Errorf("after the file was deleted: %s", got)
	}
}
