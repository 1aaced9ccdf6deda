package signers

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"sluice/engine"
)

// maxTokenAnswer caps what a token endpoint may say, in bytes.
const maxTokenAnswer = 64 << 10

// ask exchanges a refresh token for new ones. The error tells what the endpoint did, and nothing that either side said: it may be a
// token.
func (o *owner) ask(ctx context.Context, refresh string) (*lease[oauthToken], error) {
	body, err := json.Marshal(map[string]string{"grant_type": "refresh_token", "refresh_token": refresh, "client_id": o.clientID})
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, o.url, bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("token_url cannot be parsed")
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "sluice")
	req.Header.Set("Anthropic-Beta", oauthBeta)
	start := o.now()
	resp, err := o.client().Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask the token endpoint: %w", withoutURL(err))
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxTokenAnswer+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the token endpoint's answer: %w", withoutURL(err))
	case len(text) > maxTokenAnswer:
		return nil, fmt.Errorf("the token endpoint answered more than %d bytes", maxTokenAnswer)
	case resp.StatusCode == http.StatusOK:
		return tokenAnswer(resp, text, refresh, start)
	case refusalCode(text) == "invalid_grant": // the token does not work any more
		return nil, fmt.Errorf("%w: %w: configure a new refresh_token", errReconnect, tokenRefusal(resp, text))
	}
	return nil, tokenRefusal(resp, text)
}

// tokenAnswer reads new tokens. An endpoint that sends no refresh token lets the old one stand.
func tokenAnswer(resp *http.Response, text []byte, refresh string, now time.Time) (*lease[oauthToken], error) {
	var answer struct {
		Access  string          `json:"access_token"`
		Refresh string          `json:"refresh_token"`
		Seconds json.RawMessage `json:"expires_in"` // some send it as text: no reason to lose the tokens beside it
	}
	if json.Unmarshal(text, &answer) != nil || answer.Access == "" {
		return nil, fmt.Errorf("the token endpoint answered 200 with %s that holds no access_token", mediaType(resp))
	}
	if answer.Refresh == "" {
		answer.Refresh = refresh
	}
	if !visible.MatchString(answer.Access) {
		return nil, errors.New("the token endpoint answered an access_token with spaces or control characters")
	}
	var expires time.Time
	if seconds, err := strconv.ParseFloat(strings.Trim(string(answer.Seconds), `"`), 64); err == nil && seconds > 0 {
		expires = now.Add(time.Duration(min(seconds, maxSeconds)) * time.Second)
	}
	return newLease(oauthToken{newSecret(answer.Access), newSecret(answer.Refresh)}, now, expires), nil
}

// maxSeconds is ten years: no token lasts longer.
const maxSeconds = 10 * 365 * 24 * 3600

var (
	visible   = regexp.MustCompile(`^[!-~]+$`)
	errorCode = regexp.MustCompile(`^[a-z_]+$`)
)

// tokenRefusal tells the status and the error's code, if it is one.
func tokenRefusal(resp *http.Response, text []byte) error {
	if code := refusalCode(text); code != "" {
		return fmt.Errorf("the token endpoint answered %d %s", resp.StatusCode, code)
	}
	return fmt.Errorf("the token endpoint answered %d with %s", resp.StatusCode, mediaType(resp))
}

// refusalCode is the code of an OAuth error, or the type of an API error, "" = it is neither.
func refusalCode(text []byte) string {
	var plain struct{ Error string }
	var api struct{ Error struct{ Type string } }
	code := ""
	if json.Unmarshal(text, &plain) == nil {
		code = plain.Error
	} else if json.Unmarshal(text, &api) == nil {
		code = api.Error.Type
	}
	if len(code) > 40 || !errorCode.MatchString(code) {
		return ""
	}
	return code
}

// mediaType is what an answer says it is.
func mediaType(resp *http.Response) string {
	if kind, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type")); err == nil && len(kind) < 60 {
		return kind
	}
	return "a body of no known type"
}

// withoutURL is an error of the HTTP client in few words.
func withoutURL(err error) error {
	if outer, ok := errors.AsType[*url.Error](err); ok {
		err = outer.Err
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || os.IsTimeout(err) {
		return errors.New("no answer in time")
	}
	return withoutAnswer(err)
}

// repeated is where errors of the libraries begin to repeat what a service or a program answered, which may be a token. Most of them have no
// type: those of the HTTP client about a garbled answer, of federated and impersonated accounts, of a credential_process.
var repeated = regexp.MustCompile(`(?s)(transport connection broken|parse Location header|status code \d{3}|cannot fetch token: \d{3}|` +
	`oauth2: "[a-z_]{1,40}"|oauth2: "|unable to parse [a-z ]+|unable to retrieve AWS [a-z ]+|unsuccessful response|process output).*`)

// addressed is where errors of the libraries repeat a URL, whose user or query may be a credential; named is where they repeat the path of
// a file that cannot be opened, in whose place the text of that file may stand: then it is no absolute path.
var (
	addressed = regexp.MustCompile(`\b(Get|Post|Put|parse) "[^"]*"`)
	named     = regexp.MustCompile(`(?s)((?:^|: )open|read file at|authorization token from|open credential file) "?[^/"].*`)
)

// withoutAnswer is an error up to where it repeats an answer, without what else may be a credential, in one line.
func withoutAnswer(err error) error {
	text := repeated.ReplaceAllString(err.Error(), "$1")
	text = named.ReplaceAllString(addressed.ReplaceAllString(text, "$1 its URL"), "$1 what is no absolute path")
	if text = oneLine(text); text == err.Error() {
		return err
	}
	return errors.New(text)
}

// oneLine is the text of a library, some of which have line breaks within and behind them.
func oneLine(text string) string { return engine.Visible(strings.Join(strings.Fields(text), " ")) }

func tlsConfig(roots func() *x509.CertPool) *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if roots != nil {
		c.RootCAs = roots().Clone() // AWS_CA_BUNDLE adds to it
	}
	return c
}
