package signers_test

import (
	"context"
	"testing"

	"sluice/engine"
)

// A variable for the path of a file may hold what belongs into the file, and one for a URL a user: the libraries' errors repeat both.
func TestWhatStandsInThePlaceOfAPathIsToldNobody(t *testing.T) {
	aws := func(want string, env ...string) {
		t.Helper()
		alone(t)
		without(t, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
		for i := 0; i < len(env); i += 2 {
			t.Setenv(env[i], env[i+1])
		}
		_, err := chain(t, newRig(t), "").do(context.Background(), t)
		refusal(t, err, engine.CodeSignerFailed, want)
	}
	const agent = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
	aws("resolve auth token: failed to read authorization token from what is no absolute path", agent, "http://127.0.0.1:1/", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "planted")
	aws("unable to read file at what is no absolute path", agent, "", "AWS_ROLE_ARN", "arn", "AWS_WEB_IDENTITY_TOKEN_FILE", "eyJ.planted")
	aws("no such file", "AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere/token", "AWS_ROLE_ARN", "arn")
	aws("request send failed, Get its URL: dial tcp 127.0.0.1:1", agent, "http://planted:planted@127.0.0.1:1/planted")
	aws("invalid URL, parse its URL: ", agent, "http://u:planted planted@127.0.0.1:1/")

	google := func(want, file string) {
		t.Helper()
		s, err := newRig(t).start().GCPOAuth(upID, "up", []byte(file))
		_, err = send(t, factory(t, s, err), engine.Credential{}, 200)
		refusal(t, err, engine.CodeSignerFailed, want)
	}
	const federated = `{"type":"external_account","audience":"a","subject_token_type":"urn:ietf:params:oauth:token-type:jwt","token_url":"http://127.0.0.1:1/","credential_source":`
	google("Get its URL: dial tcp 127.0.0.1:1", federated+`{"url":"http://planted:x@127.0.0.1:1/?planted"}}`)
	google("failed to open credential file what is no absolute path", federated+`{"file":"planted"}}`)
	google(`failed to open credential file "/nowhere/token"`, federated+`{"file":"/nowhere/token"}}`)

	const variable = "GOOGLE_APPLICATION_CREDENTIALS"
	metadataServer(t, nil)
	t.Setenv(variable, `{"type":"service_account","private_key":"planted"}`)
	google("using "+variable+" environment variable: open what is no absolute path", "")
}
