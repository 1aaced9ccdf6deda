package starlark

import (
	"fmt"

	sky "go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// asOperators are functions of one argument that scripts call at every turn. As operators they cost no call.
var asOperators = map[string]func(sky.Value) (sky.Value, error){
	"len": func(v sky.Value) (sky.Value, error) {
		n := sky.Len(v)
		if n < 0 {
			return nil, fmt.Errorf("len: value of type %s has no len", v.Type())
		}
		return sky.MakeInt(n), nil
	},
	"type": func(v sky.Value) (sky.Value, error) {
		if name, ok := typeNames[v.Type()]; ok {
			return name, nil
		}
		return sky.String(v.Type()), nil
	},
}

// typeNames are the commonest words of type(x), made once.
var typeNames = func() map[string]sky.Value {
	out := make(map[string]sky.Value)
	for _, v := range []sky.Value{sky.None, sky.True, sky.MakeInt(0), sky.Float(0), sky.String(""), new(sky.List), new(sky.Dict), sky.Tuple(nil)} {
		out[v.Type()] = sky.String(v.Type())
	}
	return out
}()

// rebound finds which names of asOperators a file uses for anything but to call them: it may have given them another meaning.
func rebound(file *syntax.File) map[string]bool {
	out, fine := make(map[string]bool), make(map[*syntax.Ident]bool)
	called := func(e syntax.Expr) {
		if id, ok := e.(*syntax.Ident); ok {
			fine[id] = true
		}
	}
	syntax.Walk(file, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.DotExpr:
			fine[n.Name] = true
		case *syntax.CallExpr:
			called(n.Fn)
			for _, arg := range n.Args {
				if named, ok := arg.(*syntax.BinaryExpr); ok && named.Op == syntax.EQ {
					called(named.X)
				}
			}
		case *syntax.Ident:
			if asOperators[n.Name] != nil && !fine[n] {
				out[n.Name] = true
			}
		}
		return true
	})
	return out
}
