// Package config turns the bytes of a config file into a checked and complete Config.
//
//	cfg, err := config.Parse("sluice.yaml", data, config.Env{Var: os.LookupEnv, Vars: os.Environ, File: os.ReadFile})
//
// It reports every problem of the file at once, each with its line and column, and fills every default. It compiles no script,
// loads no certificate and listens nowhere; all it reaches of the world is the Env that it is given.
package config

import (
	"strconv"
	"time"

	"github.com/google/uuid"

	"sluice/engine"
	"sluice/engine/keys"
)

// Env is where "${VAR}" and "${file:PATH}" in values come from. Var and File must be set. File gets a path as it is written.
type Env struct {
	Var  func(name string) (string, bool)
	Vars func() []string // NAME=VALUE each: a name may be proposed in place of one that is not set; nil: none is
	File func(path string) ([]byte, error)
}

// Config is a whole config file, defaults filled in. It is not written after Parse returned it. Paths are as written in the file.
type Config struct {
	Listen     string // HOST:PORT
	TLS        *TLS   // nil: plain HTTP
	Admin      Admin
	Scripts    string // directory, the root of every script path
	Data       string // directory
	DataKey    Secret // encrypts what is kept of credentials in Data; empty: nothing does
	Limits     Limits
	Timeouts   engine.Timeouts
	Retry      engine.Retry
	Ledger     Ledger
	Strategy   string // a name that engine.NewStrategy knows, or affinity
	Affinity   Affinity
	Seed       uint64 // for strategy random; 0: none
	Prices     string // file of prices; empty: the bundled ones
	Upstreams  []Upstream
	Principals []Principal
	Filters    []Binding // the global chain
	Router     *Binding  // nil: none
	Observers  []Binding
	// Experiments are those that bindings name.
	Experiments []Experiment
	Budget      engine.Budget // already part of each binding's own
	// TotalMemory is what all calls of scripts may hold together, in bytes.
	TotalMemory int64

	ListenPos, DataPos, ScriptsPos, PricesPos, TotalMemoryPos Pos // zero where the file does not say
}

// Pos is a place in the config file. Lines and columns count from 1, columns in characters.
type Pos struct{ Line, Column int }

// String is LINE:COLUMN.
func (p Pos) String() string { return strconv.Itoa(p.Line) + ":" + strconv.Itoa(p.Column) }

// TLS names the PEM files of the client-facing listener.
type TLS struct {
	Pos       Pos
	Cert, Key string
}

// Admin is the admin listener.
type Admin struct {
	ListenPos   Pos    // zero where the file does not say
	Listen      string // HOST:PORT
	Token       Secret // empty: none asked, loopback only
	OpenMetrics bool   // /metrics needs no token
}

// Limits bound what clients may send. Sizes are in bytes.
type Limits struct {
	Body        int64 // of one request
	FilesBody   int64 // of one request to /v1/files
	BodiesTotal int64 // of all requests at once
	Streams     int   // answers at once
}

// Affinity is how strategy affinity keeps conversations together.
type Affinity struct {
	Subagents string // share or split
	TTL       time.Duration
}

// Ledger says how long rows of requests are kept.
type Ledger struct {
	Keep    time.Duration
	MaxSize int64 // of all its files, in bytes
	Refuse  bool  // when_full: requests are refused while their rows cannot be kept
}

// Upstream is one account at one provider.
type Upstream struct {
	Pos          Pos
	Name         string
	ID           uuid.UUID
	Kind         engine.UpstreamKind
	BaseURL      string // absolute, no slash at its end
	Region       string
	Project      string
	Signer       Signer
	Dialect      *Binding // nil: the kind's default, unless NoDialect
	NoDialect    bool     // dialect: none
	Labels       *engine.Object
	Weight       int
	Priority     int
	Concurrency  int // answers at once; 0: any number
	Queue        engine.Queue
	Breaker      engine.Breaker
	Models       map[string]string // asked -> this upstream's own
	AllowOrigins []string          // "scheme://host" or "scheme://host:port"
	CA           string            // PEM file of roots; empty: the bundled ones
	Insecure     bool              // plain HTTP beyond loopback was asked for
}

// The signer types.
const (
	SignerAnthropicKey   = "anthropic_key"
	SignerAnthropicOAuth = "anthropic_oauth"
	SignerAWSSigV4       = "aws_sigv4"
	SignerBearer         = "bearer"
	SignerForward        = "forward"
	SignerGCPOAuth       = "gcp_oauth"
)

// Signer says how requests to an upstream are signed. What its type does not take is empty.
type Signer struct {
	Pos   Pos
	Type  string
	Key   Secret // anthropic_key
	Token Secret // bearer

	ClientID     string // anthropic_oauth
	AccessToken  Secret // anthropic_oauth; empty: the first is obtained
	RefreshToken Secret // anthropic_oauth
	TokenURL     string // anthropic_oauth; absolute

	Service      string // aws_sigv4
	AccessKey    Secret // aws_sigv4, with SecretKey; both empty: the SDK's credential chain
	SecretKey    Secret
	SessionToken Secret
	Profile      string // aws_sigv4: of the chain

	CredentialsFile string // gcp_oauth: path; empty: Google's application default credentials
}

// Principal is who may ask, and for what.
type Principal struct {
	Name      string
	Keys      []Key
	Disabled  bool
	Claims    *engine.Object
	Upstreams []string // names; nil: all
	Models    []string // globs for engine.MatchGlob; nil: all
	Paths     []string // globs for engine.MatchGlob
	Limits    []Limit
	// SharedObjects: it may list, and use, what others keep in the accounts that it reaches.
	SharedObjects bool
	Filters       []Binding // in place of the global chain, if OwnFilters
	OwnFilters    bool      // the file gives the principal a chain, maybe an empty one
}

// Key is one key of a principal.
type Key struct {
	Hash     keys.Hash
	Name     string    // may be empty
	Expires  time.Time // the first moment at which it no longer works; zero: never
	Disabled bool
	Limits   []Limit // in place of the principal's of the same kinds
}

// Binding is a script and how it is called.
type Binding struct {
	Pos    Pos    // where its script is named
	Name   string // by default the script's file name without its extension
	Script string // path below Config.Scripts, ending in .star or .lua
	// Experiment is the name of one in Config.Experiments, which has the scripts then; empty: none.
	Experiment string
	Config     *engine.Object
	Policy     engine.FailurePolicy // on_error
	Budget     engine.Budget
	Fresh      bool // isolation: call
}

func defaults() *Config {
	return &Config{
		Listen:   "127.0.0.1:8787",
		Admin:    Admin{Listen: "127.0.0.1:8788"},
		Scripts:  "./scripts",
		Data:     "./data",
		Limits:   Limits{Body: 32 << 20, FilesBody: 100 << 20, BodiesTotal: 1 << 30, Streams: 10000},
		Ledger:   Ledger{Keep: 30 * 24 * time.Hour, MaxSize: 10 << 30},
		Strategy: "first-pick",
		Affinity: Affinity{Subagents: "share", TTL: time.Hour},
		Retry:    engine.Retry{Attempts: 3, Statuses: []int{429, 500, 502, 503, 504, 529}},
		Timeouts: engine.Timeouts{
			Connect:        5 * time.Second,
			ResponseHeader: 600 * time.Second,
			Idle:           300 * time.Second,
			ClientHeader:   10 * time.Second,
			ClientBody:     60 * time.Second,
			ClientWrite:    60 * time.Second,
			Drain:          60 * time.Second,
		},
		Budget:      DefaultBudget(),
		TotalMemory: 512 << 20,
	}
}

// DefaultBudget bounds a call where the file says nothing.
func DefaultBudget() engine.Budget {
	return engine.Budget{
		Time:         50 * time.Millisecond,
		Steps:        2_000_000,
		Memory:       64 << 20,
		TimePerMiB:   400 * time.Millisecond,
		StepsPerMiB:  20_000_000,
		MemoryPerMiB: 32 << 20,
	}
}
