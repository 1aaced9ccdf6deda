package runtimes

import (
	"errors"
	"fmt"

	"sluice/engine"
)

// attempt makes the dialect of a fixture about an answer, and the state of its attempt: shape's where the input has an upstream.
func (r *fixtureRun) attempt() (engine.AnswerDialect, *engine.RequestContext, *engine.State, error) {
	ctx, p, err := r.asked()
	if err != nil {
		return nil, nil, nil, err
	}
	d, err := r.lang.InstantiateDialect(r.manifest)
	if err != nil {
		return nil, nil, nil, err
	}
	answering, ok := d.(engine.AnswerDialect)
	if !ok {
		return nil, nil, nil, fmt.Errorf("%s: its language has no transform hooks", r.manifest.Artifact)
	}
	if responses, events := answering.Transforms(); r.Hook == "transform_event" && !events || r.Hook == "transform_response" && !responses {
		return nil, nil, nil, &engine.ScriptError{File: r.manifest.Artifact, Message: "defines no " + r.Hook}
	}
	state := &engine.State{}
	if v := r.input("upstream"); v.Kind != Nil {
		to, err := r.upstream(v)
		if err != nil {
			return nil, nil, nil, err
		}
		sent, err := Shape(d, ctx, p, to)
		if err != nil {
			return nil, nil, nil, err
		}
		state = sent.State
	}
	return answering, ctx, state, nil
}

func (r *fixtureRun) transformResponse() (any, error) {
	if err := r.takes("ctx", "principal", "upstream", "response"); err != nil {
		return nil, err
	}
	d, ctx, state, err := r.attempt()
	if err != nil {
		return nil, err
	}
	given := NewResponse(r.call, sampleReply())
	if err := build(TypeResponse, given, r.input("response")); err != nil {
		return nil, &inputError{err}
	}
	reply, err := d.TransformResponse(ctx, state, given.reply())
	if err != nil || reply == nil {
		return nil, err
	}
	o := r.result()
	o.Set("status", int64(reply.Status))
	o.Set("headers", headersByName(reply.Headers))
	o.Set("body", string(reply.Body))
	return o, nil
}

func (r *fixtureRun) transformEvents() (any, error) {
	if err := r.takes("ctx", "principal", "upstream", "events"); err != nil {
		return nil, err
	}
	given, err := r.events()
	if err != nil {
		return nil, err
	}
	d, ctx, state, err := r.attempt()
	if err != nil {
		return nil, err
	}
	out := []any{}
	for _, e := range given {
		sent, err := d.TransformEvent(ctx, state, e)
		if err != nil {
			return nil, err
		}
		if sent == nil && !e.End {
			sent = []engine.StreamEvent{e}
		}
		for _, s := range sent {
			o := &engine.Object{}
			o.Set("name", s.Name)
			o.Set("data", string(s.Data))
			out = append(out, o)
		}
	}
	o := r.result()
	o.Set("events", out)
	return o, nil
}

// events builds the events of the input.
func (r *fixtureRun) events() ([]engine.StreamEvent, error) {
	list, ok := asList(r.input("events"))
	if !ok {
		return nil, &inputError{errors.New("events: want a list of {name, data}")}
	}
	out := make([]engine.StreamEvent, list.Len())
	for i := range out {
		e := NewStreamEvent(r.call, engine.StreamEvent{})
		if err := build(TypeStreamEvent, e, list.At(i)); err != nil {
			return nil, &inputError{err}
		}
		out[i] = e.of
	}
	return out, nil
}
