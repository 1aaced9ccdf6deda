package health

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"sluice/engine"
)

// How long an account is left alone where nobody says it.
const (
	softFor    = time.Second      // an overload, or a throttle that names no time
	mostSoft   = time.Minute      // an overload that names a time
	deadFor    = 5 * time.Minute  // a credential: somebody may mend it at the other side
	spentFor   = time.Hour        // money
	windowFor  = 5 * time.Minute  // a window whose reset is not told
	unservedBy = 10 * time.Minute // a model
	barredFor  = time.Minute      // a model that the account may not have, or may not have so
	mostFar    = 40 * 24 * time.Hour
)

// failure is an outcome with what its body says, taken apart once.
type failure struct {
	*engine.Outcome
	kind    string // the error's type, in the provider's own word
	message string // in lower case
}

// rule is one row of what failures mean.
type rule struct {
	source    string // where it is known from
	class     engine.FailureClass
	elsewhere bool // whatever retry.statuses say
	match     func(f *failure) bool
	cool      func(f *failure) engine.Cooling // nil = nothing cools
}

// rules are looked at in order; the first that matches counts.
var rules = slices.Concat(credentialRules, quotaRules, modelRules, serverRules)

// Classify says what an outcome means. It is pure: the moment is the outcome's.
func Classify(o *engine.Outcome) engine.Verdict {
	if o.Err != nil {
		return engine.Verdict{Class: classOf(o.Err), Elsewhere: true}
	}
	if o.Status < 400 {
		return engine.Verdict{}
	}
	f := &failure{Outcome: o}
	f.parse()
	for i := range rules {
		r := &rules[i]
		if !r.match(f) {
			continue
		}
		v := engine.Verdict{Class: r.class, Elsewhere: r.elsewhere}
		if r.cool != nil {
			v.Cool = r.cool(f)
		}
		if !v.Cool.Until.IsZero() {
			v.Cool.Class = r.class
		}
		return v
	}
	return engine.Verdict{}
}

var credentialRules = []rule{
	{"401 with our freshest credential: errors page, authentication_error; an expired one was refreshed before",
		engine.ClassCredential, true,
		func(f *failure) bool { return f.Status == 401 && f.Fresh && !f.Theirs }, forFresher},
	{"403 with oauth tokens whose organization may not use them or that were revoked: captures in issue threads of relays",
		engine.ClassCredential, true,
		func(f *failure) bool {
			return f.Status == 403 && !f.Theirs && f.says("not allowed for this organization", "has been revoked", "organization has been disabled")
		}, forAccount(deadFor)},
	{`400 "This organization has been disabled.": captures in issue threads of relays`,
		engine.ClassCredential, true,
		func(f *failure) bool {
			return f.Status == 400 && !f.Theirs && f.begins("this organization has been disabled")
		}, forAccount(deadFor)},
	{"403 of Bedrock for keys that are unknown, expired or sign wrongly, where there are no fresher ones: its common errors page",
		engine.ClassCredential, true,
		func(f *failure) bool {
			return f.Status == 403 && f.bedrock() && f.Fresh && f.RefusesCredential()
		}, forFresher},
	{"a token of the wrong scope, or one for Claude Code alone: it is as wrong for every further request, and no other is blindly tried",
		"", false,
		func(f *failure) bool {
			return (f.Status == 403 || f.Status == 400) && f.says("does not meet scope requirement", "only authorized for use with claude code")
		}, nil},
}

var quotaRules = []rule{
	{"429 with an overloaded_error: a passing throttle that some subscriptions answer so, and no quota",
		engine.ClassOverloaded, false,
		func(f *failure) bool { return f.Status == 429 && f.kind == "overloaded_error" }, soft},
	{"529 overloaded_error: errors page",
		engine.ClassOverloaded, false,
		func(f *failure) bool { return f.Status == 529 || f.kind == "overloaded_error" }, soft},
	{"503 of Bedrock, ServiceUnavailableException: its InvokeModel page",
		engine.ClassOverloaded, false,
		func(f *failure) bool { return f.Status == 503 && f.bedrock() }, soft},
	{"429 with anthropic-ratelimit-unified-status: rejected: a subscription's window is used up; resets are epoch seconds and any retry-after is shorter",
		engine.ClassExhausted, false,
		func(f *failure) bool {
			return f.Status == 429 && engine.EqualFold(f.Headers.Get(limitPrefix+"unified-status"), "rejected")
		}, exhausted},
	{"429 whose retry-after or used up limit says when it frees: rate limits page",
		engine.ClassThrottled, false,
		func(f *failure) bool { return f.Status == 429 && !f.frees().IsZero() },
		func(f *failure) engine.Cooling { return engine.Cooling{Until: f.frees()} }},
	{"429 rate_limit_error of the API without retry-after: a spend cap, it goes on failing; rate limits page",
		engine.ClassSpendCap, false,
		func(f *failure) bool {
			_, told := f.Headers.RetryAfter(f.Now)
			return f.Status == 429 && !told && f.To.Kind == engine.KindAnthropicDirect && f.kind == "rate_limit_error" &&
				f.Headers.Get(limitPrefix+"unified-status") == ""
		}, forAccount(spentFor)},
	{"429 that says nothing of when, or a time that is over: clouds and other servers (ThrottlingException, RESOURCE_EXHAUSTED, ModelNotReadyException)",
		engine.ClassThrottled, false, func(f *failure) bool { return f.Status == 429 }, soft},
	{"400 ServiceQuotaExceededException: Bedrock's InvokeModel page",
		engine.ClassThrottled, true,
		func(f *failure) bool {
			return f.Status == 400 && f.bedrock() && engine.EqualFold(f.kind, "ServiceQuotaExceededException")
		}, soft},
	{"402 billing_error: errors page",
		engine.ClassBilling, true,
		func(f *failure) bool { return f.Status == 402 && !f.Theirs }, forAccount(spentFor)},
	{`400 for want of money ("Your credit balance is too low", "You have reached your specified API usage limits"): errors page, and captures`,
		engine.ClassBilling, true,
		func(f *failure) bool {
			return f.Status == 400 && !f.Theirs && f.begins("your credit balance is too low", "you have reached your specified api usage limits")
		}, forAccount(spentFor)},
}

var modelRules = []rule{
	{"404 that names the model: errors page, not_found_error; other servers say model_not_found",
		engine.ClassModel, true,
		func(f *failure) bool { return f.Status == 404 && f.namesModel() }, forModel(unservedBy)},
	{"404 of a cloud: the model is the path (ResourceNotFoundException, NOT_FOUND)",
		engine.ClassModel, true,
		func(f *failure) bool { return f.Status == 404 && f.To.Model != "" && f.cloud() }, forModel(unservedBy)},
	{"400 of Bedrock for a model id that the region or the account does not have: its InvokeModel page and captures",
		engine.ClassModel, true,
		func(f *failure) bool {
			return f.Status == 400 && f.cloud() && f.says("on-demand throughput", "model identifier is invalid", "not supported in this region")
		}, forModel(unservedBy)},
	{"400 and 403 of Mantle that name the model: it is not served or not granted",
		engine.ClassModel, true,
		func(f *failure) bool {
			return (f.Status == 400 || f.Status == 403) && f.To.Kind == engine.KindBedrockMantle && f.namesModel()
		}, forModel(unservedBy)},
	{"403 AccessDeniedException of Bedrock about the model: access to it was not granted",
		engine.ClassModel, true,
		func(f *failure) bool { return f.Status == 403 && f.bedrock() && f.says("access to the model") }, forModel(unservedBy)},
	{"403 permission_error of any other kind: this credential may not, another may",
		engine.ClassPermission, true,
		func(f *failure) bool { return f.Status == 403 && !f.Theirs && (f.Fresh || !f.RefusesCredential()) }, forModel(barredFor)},
}

var serverRules = []rule{
	{"520 to 527 and 530: Cloudflare could not reach what is behind it",
		engine.ClassCDN, true,
		func(f *failure) bool { return f.Status >= 520 && f.Status <= 530 && f.Status != 529 }, nil},
	{"502, 503 and 504 as a page: a CDN or load balancer answered, not the API",
		engine.ClassCDN, false,
		func(f *failure) bool {
			return f.Status >= 502 && f.Status <= 504 && !strings.Contains(f.Headers.Get("content-type"), "json")
		}, nil},
	{"408 ModelTimeoutException and 424 ModelErrorException: Bedrock's InvokeModel page",
		engine.ClassProvider, true,
		func(f *failure) bool { return (f.Status == 408 || f.Status == 424) && f.bedrock() }, nil},
	{"any other 5xx: errors page, api_error and timeout_error",
		engine.ClassProvider, false, func(f *failure) bool { return f.Status >= 500 }, nil},
}

func forAccount(d time.Duration) func(*failure) engine.Cooling {
	return func(f *failure) engine.Cooling { return engine.Cooling{Until: f.Now.Add(d)} }
}

// forFresher leaves the account alone until a fresher credential may be had, or as one that is dead.
func forFresher(f *failure) engine.Cooling {
	if !f.Again.IsZero() {
		return engine.Cooling{Until: f.Again}
	}
	return forAccount(deadFor)(f)
}

// forModel leaves the account alone for that model only, and not if it is the only one: somebody may have misspelt it, or asked for
// what nobody may have. Without a model nothing cools.
func forModel(d time.Duration) func(*failure) engine.Cooling {
	return func(f *failure) engine.Cooling {
		if f.To.Model == "" {
			return engine.Cooling{}
		}
		return engine.Cooling{Scope: f.To.Served(), Until: f.Now.Add(d), Soft: true}
	}
}

// soft is a short rest that nobody insists on.
func soft(f *failure) engine.Cooling {
	until := f.Now.Add(softFor)
	if told := f.retryAfter(); told.After(until) {
		until = told
		if most := f.Now.Add(mostSoft); until.After(most) {
			until = most
		}
	}
	return engine.Cooling{Until: until, Soft: true}
}

// says reports whether the message holds one of these texts, which are in lower case.
func (f *failure) says(texts ...string) bool {
	return slices.ContainsFunc(texts, func(t string) bool { return strings.Contains(f.message, t) })
}

// begins reports whether the message begins with one of these texts. It is how a 400 is read: its message may repeat what the client
// sent, but then with a colon and the complaint behind it, and no client shall make an account cool.
func (f *failure) begins(texts ...string) bool {
	return !strings.Contains(f.message, ": ") && slices.ContainsFunc(texts, func(t string) bool { return strings.HasPrefix(f.message, t) })
}

func (f *failure) bedrock() bool {
	return f.To.Kind == engine.KindBedrockRuntime || f.To.Kind == engine.KindBedrockMantle
}

func (f *failure) cloud() bool { return f.bedrock() || f.To.Kind == engine.KindVertex }

func (f *failure) namesModel() bool {
	m := f.To.Model
	return m != "" && f.says(strings.ToLower(m), strings.ToLower(f.To.Served()))
}

// parse finds the error's type and message in the forms of Anthropic, AWS, Google and OpenAI. Of a body that is none of them the text is
// the message.
func (f *failure) parse() {
	var said struct {
		Error struct {
			Type, Message, Status string
		}
		Message string
		Type    string `json:"__type"`
	}
	f.message = string(f.Body)
	if err := json.Unmarshal(bytes.Trim(f.Body, "[] \r\n\t"), &said); err == nil {
		f.message = said.Error.Message + said.Message
		f.kind = said.Error.Type + said.Error.Status + said.Type
	}
	if kind, _, _ := strings.Cut(f.Headers.Get("x-amzn-errortype"), ":"); kind != "" {
		f.kind = kind
	}
	f.message = strings.ToLower(f.message)
}
