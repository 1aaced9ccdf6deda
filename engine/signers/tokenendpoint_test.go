package signers

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

func TestATokenEndpointThatIsSilentIsToldAsSuch(t *testing.T) {
	release := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer s.Close()
	defer close(release)
	a := NewAccounts(Options{})
	o := newOwner(a, OAuth{ClientID: "c", RefreshToken: "planted", TokenURL: s.URL})
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	if _, err := o.ask(ctx, "planted"); err == nil || err.Error() != "ask the token endpoint: no answer in time" {
		t.Errorf("got %v", err)
	}
}
