package sdk

import (
	"context"
	"encoding/json"

	"github.com/anthropics/anthropic-sdk-go/v2"
	"github.com/anthropics/anthropic-sdk-go/v2/option"
)

// askV2 asks with the SDK's major version 2 and returns the message, whole or accumulated from its events.
func askV2(ctx context.Context, url, key string, q question) (string, error) {
	client := anthropic.NewClient(option.WithBaseURL(url), option.WithAPIKey(key), option.WithMaxRetries(0))
	params := anthropic.MessageNewParams{
		Model:     "claude-sonnet-4-5",
		MaxTokens: 99,
		System:    []anthropic.TextBlockParam{{Text: "Be brief.", CacheControl: anthropic.NewCacheControlEphemeralParam()}},
		Messages:  []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock(q.text))},
	}
	if q.tools {
		for _, name := range []string{"weather", "clock"} {
			schema := anthropic.ToolInputSchemaParam{Properties: map[string]any{"city": map[string]any{"type": "string"}}, Required: []string{"city"}}
			params.Tools = append(params.Tools, anthropic.ToolUnionParamOfTool(schema, name))
		}
	}
	if q.thinking {
		params.Thinking = anthropic.ThinkingConfigParamOfEnabled(50)
	}
	if !q.stream {
		m, err := client.Messages.New(ctx, params)
		if err != nil {
			return "", err
		}
		return toldV2(m)
	}
	var m anthropic.Message
	events := client.Messages.NewStreaming(ctx, params)
	defer events.Close()
	for events.Next() {
		if err := m.Accumulate(events.Current()); err != nil {
			return "", err
		}
	}
	if err := events.Err(); err != nil {
		return "", err
	}
	return toldV2(&m)
}

func toldV2(m *anthropic.Message) (string, error) {
	var content []any
	for _, block := range m.Content {
		content = append(content, block.ToParam())
	}
	b, err := json.Marshal([]any{m.ID, m.Role, m.StopReason, m.StopSequence, m.Usage.InputTokens, m.Usage.CacheReadInputTokens, m.Usage.OutputTokens, content})
	return string(b), err
}

// countV2 counts the tokens of a question.
func countV2(ctx context.Context, url, key string, q question) (int64, error) {
	client := anthropic.NewClient(option.WithBaseURL(url), option.WithAPIKey(key), option.WithMaxRetries(0))
	n, err := client.Messages.CountTokens(ctx, anthropic.MessageCountTokensParams{
		Model:    "claude-sonnet-4-5",
		Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock(q.text))},
	})
	if err != nil {
		return 0, err
	}
	return n.InputTokens, nil
}
