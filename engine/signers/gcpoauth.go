package signers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"

	"sluice/engine"
)

// cloudPlatform is the scope that Vertex asks for.
const cloudPlatform = "https://www.googleapis.com/auth/cloud-platform"

// credentialTypes are the kinds of credential files that this signer reads.
var credentialTypes = []google.CredentialsType{google.ServiceAccount, google.AuthorizedUser, google.ExternalAccount,
	google.ExternalAccountAuthorizedUser, google.ImpersonatedServiceAccount, google.GDCHServiceAccount}

// GCPOAuth signs with a Google access token: it sets authorization, names the project that a user's requests count against, and removes
// every other credential. file holds a service account or another kind of credential file; empty, it is Google's own order:
// GOOGLE_APPLICATION_CREDENTIALS, gcloud's file, the metadata server. The token is renewed early, and once after a 401.
func (a *Accounts) GCPOAuth(upstream uuid.UUID, name string, file []byte) (engine.SignerFactory, error) {
	if len(file) > 0 {
		if _, err := fileCredentials(context.Background(), file); err != nil {
			return nil, err
		}
	}
	return renewing[gcpToken]{renewer: account(a, "gcp_oauth\x00"+upstream.String()+"\x00"+string(file), func() *renewer[gcpToken] {
		return newRenewer(a, name, func(ctx context.Context, _ *lease[gcpToken]) (*lease[gcpToken], error) {
			return fetchGCP(context.WithValue(ctx, oauth2.HTTPClient, a.client()), file, a.options.Now)
		})
	})}, nil
}

// fileCredentials reads a credential file. The error holds nothing of it.
func fileCredentials(ctx context.Context, file []byte) (*google.Credentials, error) {
	var head struct {
		Type google.CredentialsType `json:"type"`
	}
	if json.Unmarshal(file, &head) != nil || !slices.Contains(credentialTypes, head.Type) {
		var known []string
		for _, t := range credentialTypes {
			known = append(known, string(t))
		}
		return nil, missing("gcp_oauth: it is no JSON with a \"type\" among " + strings.Join(known, ", "))
	}
	c, err := google.CredentialsFromJSONWithType(ctx, file, head.Type, cloudPlatform)
	if err != nil {
		return nil, missing("gcp_oauth: " + oneLine(err.Error()))
	}
	if head.Type == google.ServiceAccount { // whose key the library reads when it signs, and not before
		if _, err := google.JWTAccessTokenSourceFromJSON(file, cloudPlatform); err != nil {
			return nil, missing("gcp_oauth: its private_key is no RSA key in PEM")
		}
	}
	return c, nil
}

// gcpToken is what a request is signed with.
type gcpToken struct {
	bearer secret
	quota  string // the project that a user's requests count against, "" = the credential's own
}

// quotaProject is the one that a credential file names, as Google's libraries read it.
func quotaProject(file []byte) string {
	var f struct {
		Project string `json:"quota_project_id"`
	}
	if json.Unmarshal(file, &f) != nil || !visible.MatchString(f.Project) {
		return ""
	}
	return f.Project
}

// fetchGCP obtains a token from a new source, which has none that could be out of date.
func fetchGCP(ctx context.Context, file []byte, now func() time.Time) (*lease[gcpToken], error) {
	var c *google.Credentials
	var err error
	if len(file) > 0 {
		c, err = fileCredentials(ctx, file)
	} else {
		c, err = defaultCredentials(ctx, now)
	}
	if err != nil {
		return nil, err
	}
	start := now()
	t, err := c.TokenSource.Token()
	switch {
	case err != nil:
		return nil, googleError(err)
	case !visible.MatchString(t.AccessToken):
		return nil, errors.New("the token endpoint answered no usable access_token")
	}
	return newLease(gcpToken{newSecret("Bearer " + t.AccessToken), quotaProject(c.JSON)}, start, t.Expiry), nil
}

// googleError drops what a service or a program answered, which the library would repeat, but for its status and code.
func googleError(err error) error {
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) && refused.Response != nil {
		return fmt.Errorf("google: %w", tokenRefusal(refused.Response, refused.Body))
	}
	return fmt.Errorf("google: %w", withoutURL(err))
}

// put names the project beside the token.
func (t gcpToken) put(lines *engine.Headers) {
	lines.Add("authorization", t.bearer())
	if t.quota != "" {
		lines.Add("x-goog-user-project", t.quota)
	}
}
