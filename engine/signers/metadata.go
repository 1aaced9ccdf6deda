package signers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"cloud.google.com/go/compute/metadata"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"
)

// defaultCredentials are found in Google's own order: GOOGLE_APPLICATION_CREDENTIALS, gcloud's file, the metadata server. Google's library
// remembers for ever when it found no such server; here it is looked for each time, so that one which comes up later is found.
func defaultCredentials(ctx context.Context, now func() time.Time) (*google.Credentials, error) {
	c, err := google.FindDefaultCredentials(ctx, cloudPlatform)
	server := metadata.NewClient(nil)
	switch {
	case err == nil && len(c.JSON) > 0:
		return c, nil
	case err == nil, strings.Contains(err.Error(), "could not find default credentials") && server.OnGCEWithContext(ctx):
		return &google.Credentials{TokenSource: metadataTokens{ctx, server, now}}, nil
	}
	return nil, withoutAnswer(err)
}

// metadataTokens are those of the machine's own account.
type metadataTokens struct {
	ctx    context.Context
	server *metadata.Client
	now    func() time.Time
}

// Token obtains a token. The error holds nothing of an answer but its status.
func (m metadataTokens) Token() (*oauth2.Token, error) {
	start := m.now()
	text, err := m.server.GetWithContext(m.ctx, "instance/service-accounts/default/token?scopes="+url.QueryEscape(cloudPlatform))
	if refused, ok := errors.AsType[*metadata.Error](err); ok {
		return nil, fmt.Errorf("the metadata server answered %d", refused.Code)
	}
	if err != nil {
		return nil, err
	}
	var answer struct {
		Access  string `json:"access_token"`
		Seconds int64  `json:"expires_in"`
	}
	if json.Unmarshal([]byte(text), &answer) != nil || answer.Access == "" || answer.Seconds == 0 {
		return nil, errors.New("the metadata server answered what is no token")
	}
	return &oauth2.Token{AccessToken: answer.Access, Expiry: start.Add(time.Duration(min(answer.Seconds, maxSeconds)) * time.Second)}, nil
}
