package signers

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/google/uuid"

	"sluice/engine"
)

// AWS says with whose keys requests to an AWS service are signed.
type AWS struct {
	Upstream     uuid.UUID
	Name         string // the upstream's, for messages
	Service      string // bedrock, bedrock-mantle or aws-external-anthropic
	Region       string
	AccessKey    string // with SecretKey; both "" = the credential chain
	SecretKey    string
	SessionToken string // "" = none
	Profile      string // of the chain; "" = its default
	BearerToken  string // AWS_BEARER_TOKEN_BEDROCK, "" = none: for Bedrock without keys or a profile of its own
}

// AWSSigV4 signs each attempt with Signature Version 4 over its final bytes, and removes every other credential, the client's signature
// among them. The credential chain is that of the AWS SDK: environment, profile, SSO, container, instance. Keys that do not say when
// they expire are looked up again every minute, since files with them are rewritten by other programs.
func (a *Accounts) AWSSigV4(c AWS) (engine.SignerFactory, error) {
	switch {
	case c.Service == "" || c.Region == "":
		return nil, missing("aws_sigv4: want a service and a region")
	case (c.AccessKey == "") != (c.SecretKey == ""):
		return nil, missing("aws_sigv4: want access_key and secret_key, or neither")
	case c.AccessKey == "" && c.Profile == "" && c.BearerToken != "" && strings.HasPrefix(c.Service, "bedrock"):
		return Bearer(c.BearerToken)
	}
	to := sigv4{service: c.Service, region: c.Region, now: a.options.Now}
	if c.AccessKey != "" {
		keys := aws.Credentials{AccessKeyID: c.AccessKey, SecretAccessKey: c.SecretKey, SessionToken: c.SessionToken}
		return fixed{signer: to.with(&lease[awsKeys]{value: newAWSKeys(keys)})}, nil
	}
	to.account = account(a, strings.Join([]string{"aws_sigv4", c.Upstream.String(), c.Region, c.Profile}, "\x00"), func() *renewer[awsKeys] {
		return newRenewer(a, c.Name, func(ctx context.Context, _ *lease[awsKeys]) (*lease[awsKeys], error) {
			return chainKeys(ctx, c.Region, c.Profile, a.options)
		})
	})
	return awsChain{renewer: to.account, to: to}, nil
}

// awsKeys is a set of keys, and what signs with them: it caches what it derives by the access key alone, whatever the secret.
type awsKeys struct {
	get    func() aws.Credentials
	signer *v4.Signer
}

func newAWSKeys(keys aws.Credentials) awsKeys {
	return awsKeys{func() aws.Credentials { return keys }, v4.NewSigner()}
}

// staticFor is how long keys of the chain are used that do not say when they expire.
const staticFor = time.Minute

// chainKeys asks the chain anew.
func chainKeys(ctx context.Context, region, profile string, o Options) (*lease[awsKeys], error) {
	cfg, err := awsconfig.LoadDefaultConfig(ctx, awsconfig.WithRegion(region), awsconfig.WithSharedConfigProfile(profile),
		awsconfig.WithHTTPClient(awsClient(o.Roots)), awsconfig.WithCredentialsCacheOptions(toTheirEnd))
	if err != nil {
		return nil, awsError(err)
	}
	if cfg.Credentials == nil {
		return nil, errors.New("aws: the credential chain has no credentials")
	}
	keys, err := cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, awsError(err)
	}
	if keys.CanExpire {
		return newLease(newAWSKeys(keys), o.Now(), keys.Expires), nil
	}
	return &lease[awsKeys]{value: newAWSKeys(keys), obtained: o.Now(), renew: o.Now().Add(staticFor)}, nil
}

// toTheirEnd has the SDK say when keys expire, and not some minutes before: the renewer asks early by itself.
func toTheirEnd(o *aws.CredentialsCacheOptions) { o.ExpiryWindow = 0 }

// awsError drops what a service said, which the SDK would repeat, but for its status and code.
func awsError(err error) error {
	var answered interface{ HTTPStatusCode() int }
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &answered):
	case errors.As(err, &syntax), errors.As(err, &kind), strings.Contains(err.Error(), "EC2 IMDS role credentials"): // a page taken for a role's name
		return errors.New("aws: the credential service answered what is no credential")
	default:
		return fmt.Errorf("aws: %w", withoutAnswer(err))
	}
	var coded interface{ ErrorCode() string }
	if errors.As(err, &coded) && len(coded.ErrorCode()) <= 60 && awsCode.MatchString(coded.ErrorCode()) {
		return fmt.Errorf("aws: the credential service answered %d %s", answered.HTTPStatusCode(), coded.ErrorCode())
	}
	return fmt.Errorf("aws: the credential service answered %d", answered.HTTPStatusCode())
}

var awsCode = regexp.MustCompile(`^[A-Za-z.]+$`)

// awsClient is of the kind to which the SDK can add the roots of AWS_CA_BUNDLE.
func awsClient(roots func() *x509.CertPool) *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().WithTimeout(15 * time.Second).WithTransportOptions(func(t *http.Transport) {
		t.Proxy, t.DisableKeepAlives, t.TLSClientConfig = nil, true, tlsConfig(roots)
	})
}

// awsChain is the factory of keys from the chain.
type awsChain struct {
	opaque
	*renewer[awsKeys]
	to sigv4
}

var _ engine.RenewingSignerFactory = awsChain{}

// Build returns a signer with keys that can be used now.
func (f awsChain) Build(ctx context.Context, _ *engine.Upstream) (engine.Signer, error) {
	l, err := f.get(ctx)
	if err != nil {
		return nil, err
	}
	return f.to.with(l), nil
}

// sigv4 signs for one service in one region.
type sigv4 struct {
	opaque
	service, region string
	now             func() time.Time
	account         *renewer[awsKeys] // nil = the keys are the config's
	keys            *lease[awsKeys]
}

var _ engine.RenewedSigner = sigv4{}

func (s sigv4) with(keys *lease[awsKeys]) sigv4 {
	s.keys = keys
	return s
}

// Sign signs what is sent, with the few headers that no hop changes, and seals.
func (s sigv4) Sign(ctx context.Context, shaped engine.Shaped, capability *engine.SigningCapability) (engine.Signed, error) {
	lines, body := shaped.Headers(), shaped.Body()
	strip(lines)
	to := *shaped.URL()
	to.RawQuery = strings.ReplaceAll(to.RawQuery, ";", "%3B") // else the library leaves out what holds one
	req := &http.Request{Method: shaped.Method(), URL: &to, Host: to.Host, Header: http.Header{}, ContentLength: int64(len(body))}
	if kind, ok := lines.Lookup("content-type"); ok {
		req.Header.Set("Content-Type", kind)
	}
	sum := sha256.Sum256(body)
	err := s.keys.value.signer.SignHTTP(ctx, s.keys.value.get(), req, hex.EncodeToString(sum[:]), s.service, s.region, s.now())
	if err != nil {
		return engine.Signed{}, &engine.SignerError{Variant: engine.SignerSigningFailed, Reason: "aws_sigv4: " + err.Error(), Cause: err}
	}
	for _, name := range []string{"X-Amz-Date", "X-Amz-Security-Token", "Authorization"} {
		if value := req.Header.Get(name); value != "" {
			lines.Add(name, value)
		}
	}
	return capability.Seal(shaped)
}

// OnUnauthorized takes the keys that have replaced these, or asks the chain again.
func (s sigv4) OnUnauthorized(ctx context.Context, _ *engine.UpstreamError) engine.RetryDecision {
	if s.account == nil {
		return engine.Fail
	}
	l, otherwise := s.account.refused(ctx, s.keys)
	switch {
	case l != nil && l.value.get() != s.keys.value.get():
		return engine.Refresh(s.with(l))
	case s.keys.expires.IsZero(): // the file that they are in may be rewritten
		return engine.FailUntil(s.now().Add(staticFor))
	}
	return otherwise
}

// OnAccepted notes that the keys work.
func (s sigv4) OnAccepted() { s.keys.accept() }
