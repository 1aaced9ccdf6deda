package config_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"sluice/engine/config"
)

func TestSecretsAreNeverPrinted(t *testing.T) {
	t.Parallel()
	c := parse(t, minPrincipals+`
admin: {token: "${SLUICE_ADMIN_TOKEN}"}
upstreams:
  - {name: a, kind: anthropic_direct, signer: {type: anthropic_key, key: "${ANTHROPIC_API_KEY}"}}
  - {name: b, kind: anthropic_direct, signer: {type: bearer, token: planted-literal}}
  - {name: c, kind: anthropic_direct, signer: {type: bearer, token: "${file:/run/secret}"}}
`)
	secrets := []config.Secret{c.Admin.Token, c.Upstreams[0].Signer.Key, c.Upstreams[1].Signer.Token, c.Upstreams[2].Signer.Token}
	for i, want := range []string{"planted-token-2", "planted-key-1", "planted-literal", "planted-file-5"} {
		if got := secrets[i].Reveal(); got != want {
			t.Errorf("secret %d = %q, want %q", i, got, want)
		}
	}
	type hiding struct{ secret config.Secret } // fmt calls no methods of what is in here
	var out bytes.Buffer
	for _, v := range []any{c, *c, c.Upstreams, c.Upstreams[1].Signer, secrets[2], &secrets[2], hiding{secrets[2]}, []any{secrets}} {
		fmt.Fprintf(&out, "%v %+v %#v %s %q %d %x\n", v, v, v, v, v, v, v)
		if err := json.NewEncoder(&out).Encode(v); err != nil {
			t.Error(err)
		}
		slog.New(slog.NewTextHandler(&out, nil)).Info("x", "v", v)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "v", v)
	}
	fmt.Fprintln(&out, secrets[0].String(), secrets[0].GoString())
	if got := fmt.Sprintf("%d", secrets[0]); got != "[secret]" {
		t.Errorf("a secret as %%d is %s, want [secret]", got)
	}
	if text := out.String(); strings.Contains(text, "planted") || strings.Contains(text, fmt.Sprintf("%x", "planted")) {
		t.Errorf("a secret was printed:\n%s", text)
	}
	if n := strings.Count(out.String(), "[secret]"); n < 100 {
		t.Errorf("%q was printed %d times only: the test does not print what it means to", "[secret]", n)
	}
}
