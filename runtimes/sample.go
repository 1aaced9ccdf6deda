package runtimes

import (
	"net/url"
	"time"

	"github.com/google/uuid"

	"sluice/engine"
)

// The sample request is one of the real shape. Probes, tests and fixtures start from it and change what they are about.

const sampleRequestID = "019a0b1c-2d3e-7f40-8a5b-6c7d8e9fa0b1"

var sampleNow = time.Date(2026, 1, 15, 12, 0, 0, 0, time.UTC)

// SampleNow is when the sample request came, and the time of tests.
func SampleNow() time.Time { return sampleNow }

const sampleBody = `{"model":"claude-sonnet-4-5","max_tokens":32000,"stream":true,` +
	`"system":[{"type":"text","text":"You are Claude Code, Anthropic's official CLI for Claude.","cache_control":{"type":"ephemeral"}}],` +
	`"messages":[{"role":"user","content":[{"type":"text","text":"What does main.go do?"}]},` +
	`{"role":"assistant","content":[{"type":"tool_use","id":"toolu_01A","name":"Read","input":{"file_path":"main.go"}}]},` +
	`{"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_01A","content":"package main"}]}],` +
	`"tools":[{"name":"Read","description":"Reads a file.","input_schema":{"type":"object",` +
	`"properties":{"file_path":{"type":"string"}},"required":["file_path"]}}],` +
	`"metadata":{"user_id":"{\"device_id\":\"d1\",\"account_uuid\":\"\",\"session_id\":\"5f0c1b9e-7f0a-4f6e-9a53-1f1d6b6f1a10\"}"},` +
	`"temperature":1}`

// SampleRequest is a request as Claude Code sends it, without its credential. Each call makes a new one.
func SampleRequest() *engine.RequestContext {
	return &engine.RequestContext{
		RequestID: sampleRequestID,
		SessionID: "5f0c1b9e-7f0a-4f6e-9a53-1f1d6b6f1a10",
		Method:    "POST",
		Path:      "/v1/messages",
		Query:     "beta=true",
		Headers: engine.Headers{
			{Name: "Accept", Value: "application/json"},
			{Name: "Content-Type", Value: "application/json"},
			{Name: "User-Agent", Value: "claude-cli/2.0.31 (external, cli)"},
			{Name: "anthropic-version", Value: "2023-06-01"},
			{Name: "anthropic-beta", Value: "claude-code-20250219,interleaved-thinking-2025-05-14"},
			{Name: "x-app", Value: "cli"},
			{Name: "X-Stainless-Lang", Value: "js"},
			{Name: "X-Stainless-Retry-Count", Value: "0"},
			{Name: "X-Stainless-Timeout", Value: "600"},
		},
		Body:      []byte(sampleBody),
		Model:     "claude-sonnet-4-5",
		Stream:    true,
		MaxTokens: 32000,
		Now:       sampleNow,
		Seed:      engine.SeedOf(sampleRequestID),
	}
}

// SamplePrincipal is a principal of the usual kind. Each call makes a new one.
func SamplePrincipal() *engine.Principal {
	p := &engine.Principal{ID: "alice", Name: "alice", Kind: engine.PrincipalAPIKey, Claims: &engine.Object{}}
	p.Claims.Set("team", "core")
	return p
}

// SampleUpstreams are one upstream of the API and one of a cloud, each with a rate limit and a quota, sorted by id.
func SampleUpstreams() []*engine.Upstream {
	cloud := sampleUpstream("bedrock")
	cloud.Kind, cloud.Region = engine.KindBedrockRuntime, "us-east-1"
	cloud.BaseURL = &url.URL{Scheme: "https", Host: "bedrock-runtime.us-east-1.amazonaws.com"}
	cloud.Models = map[string]string{"claude-sonnet-4-5": "anthropic.claude-sonnet-4-5-20250929-v1:0"}
	return sortUpstreams([]*engine.Upstream{sampleUpstream("direct"), cloud})
}

func sampleUpstream(name string) *engine.Upstream {
	return &engine.Upstream{
		ID:      uuid.NewSHA1(uuid.NameSpaceURL, []byte("sluice:upstream:"+name)),
		Name:    name,
		Kind:    engine.KindAnthropicDirect,
		BaseURL: &url.URL{Scheme: "https", Host: "api.anthropic.com"},
		Weight:  1,
		Labels:  &engine.Object{},
	}
}

// sampleVitals are those of an upstream that is well and has room. Each call makes new ones.
func sampleVitals(now time.Time) *engine.Vitals {
	return &engine.Vitals{
		Healthy:     true,
		Breaker:     "closed",
		Concurrency: 100,
		TTFB:        800 * time.Millisecond,
		RateLimits: []engine.RateLimit{
			{Kind: "requests", Window: "1m", Limit: 1000, Remaining: 990, Resets: now.Add(30 * time.Second)},
		},
		Quotas: []engine.Quota{
			{Window: "5h", Status: "allowed", Utilization: 0.25, Resets: now.Add(3 * time.Hour), Observed: now},
		},
	}
}
