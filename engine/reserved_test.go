package engine_test

import (
	"strings"
	"testing"

	"sluice/engine"
)

func TestAHeaderIsOfTheClassesOfItsName(t *testing.T) {
	t.Parallel()
	const hop, credential, transport, ours = engine.HeaderHopByHop, engine.HeaderCredential, engine.HeaderTransport, engine.HeaderOurs
	classes := map[string]engine.HeaderClass{
		"connection": hop, "keep-alive": hop, "proxy-authenticate": hop, "proxy-connection": hop, "te": hop, "trailer": hop,
		"transfer-encoding": hop, "upgrade": hop, "proxy-authorization": hop | credential,
		"authorization": credential, "x-api-key": credential, "api-key": credential, "cookie": credential, "set-cookie": credential,
		"x-sluice-": credential, "x-sluice-key": credential, "x-amz-date": credential, "x-goog-user-project": credential,
		"host": transport, "content-length": transport, "expect": transport, "accept-encoding": transport,
		"request-id": ours,
	}
	for name, want := range classes {
		for _, name := range []string{name, strings.ToUpper(name), strings.ToUpper(name[:1]) + name[1:]} {
			if got := engine.ClassOf(name); got != want {
				t.Errorf("ClassOf(%q) = %b, want %b", name, got, want)
			}
		}
	}
	for _, name := range []string{"", "accept", "content-type", "anthropic-version", "x-request-id", "x-app", "x-sluice", "x-api-keys", "hosts", "hos", "-ost", "trailers", "set-cookies", "\x00", "é"} {
		if got := engine.ClassOf(name); got != 0 {
			t.Errorf("ClassOf(%q) = %b, want none", name, got)
		}
	}
}
