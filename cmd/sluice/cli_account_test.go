package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"
)

// oauthAccount is an upstream that wants the token of an account, and the endpoint that issues it. Each token works once: the access
// token until the next, the refresh token for one refresh.
type oauthAccount struct {
	mu        sync.Mutex
	refreshes int
	access    string // "" = none works
	refresh   string // "" = none works
}

// account NAME REFRESH_TOKEN: an upstream with one account. The variable NAME, in capitals, is set to its URL. POST URL/revoke ends its
// access token, POST URL/expel its refresh token too, POST URL/connect?TOKEN gives it a new one. Messages are answered with the number
// of refreshes.
func accountCommand(ts *testscript.TestScript, _ bool, args []string) {
	server := httptest.NewServer(&oauthAccount{refresh: args[1]})
	ts.Defer(server.Close)
	ts.Setenv(strings.ToUpper(args[0]), server.URL)
}

func (a *oauthAccount) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	w.Header().Set("content-type", "application/json")
	switch r.URL.Path {
	case "/v1/oauth/token":
		a.issue(w, r)
	case "/revoke":
		a.access = ""
	case "/expel":
		a.access, a.refresh = "", ""
	case "/connect":
		a.refresh = r.URL.RawQuery
	default:
		if r.Header.Get("authorization") != "Bearer "+a.access || r.Header.Get("x-api-key") != "" || r.Header.Get("anthropic-beta") != "oauth-2025-04-20" {
			w.WriteHeader(401)
			fmt.Fprint(w, `{"type":"error","error":{"type":"authentication_error","message":"OAuth token has expired"}}`)
			return
		}
		fmt.Fprintf(w, `{"refreshes":%d}`, a.refreshes)
	}
}

func (a *oauthAccount) issue(w http.ResponseWriter, r *http.Request) {
	var asked map[string]string
	if json.NewDecoder(r.Body).Decode(&asked) != nil || a.refresh == "" || asked["refresh_token"] != a.refresh || asked["client_id"] != "client-1" {
		w.WriteHeader(400)
		fmt.Fprint(w, `{"error":"invalid_grant","error_description":"Refresh token not found or invalid"}`)
		return
	}
	a.refreshes++
	a.access, a.refresh = fmt.Sprintf("planted-access-%d", a.refreshes), fmt.Sprintf("planted-refresh-%d", a.refreshes)
	fmt.Fprintf(w, `{"token_type":"Bearer","access_token":%q,"refresh_token":%q,"expires_in":28800}`, a.access, a.refresh)
}
