package runtimes

import "sluice/engine"

// TypePrincipal is who asks. Its receiver is an *engine.Principal.
var TypePrincipal = newType(Type{
	Name: "principal",
	Doc:  "Who asks: a person, a team or a machine that holds a key.",
	Fields: []Field{
		principalText("id", "Stable and unique in a deployment.", func(p *engine.Principal) *string { return &p.ID }),
		principalText("name", "The configured name.", func(p *engine.Principal) *string { return &p.Name }),
		{Name: "kind", Type: "string", Doc: "How it proves who it is: api_key.", Static: true,
			Get: func(receiver any) Value { return text(receiver.(*engine.Principal).Kind) },
			Put: func(receiver any, v Value) error { return putString(&receiver.(*engine.Principal).Kind, v) }},
		{Name: "claims", Type: "map", Doc: "What the config says of it.", Static: true,
			Get: func(receiver any) Value { return OfMap((*plainMap)(receiver.(*engine.Principal).Claims)) },
			Put: func(receiver any, v Value) error { return putObject(&receiver.(*engine.Principal).Claims, v) }},
	},
})

func principalText(name, doc string, at func(p *engine.Principal) *string) Field {
	return Field{Name: name, Type: "string", Doc: doc, Static: true,
		Get: func(receiver any) Value { return text(*at(receiver.(*engine.Principal))) },
		Put: func(receiver any, v Value) error { return putString(at(receiver.(*engine.Principal)), v) }}
}
