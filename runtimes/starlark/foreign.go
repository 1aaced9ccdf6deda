package starlark

import "strings"

// foreign are names of other languages, and what stands for them here.
var foreign = map[string]string{
	"nil": "None", "null": "None", "true": "True", "false": "False", "pairs": "enumerate(x) or x.items()", "ipairs": "enumerate(x)",
	"tostring": "str(x)", "tonumber": "int(x) or float(x)", "error": "fail(message)", "require": "load",
}

// meant is an error of the resolver with what stands for a name of another language, where it would look for one that is spelt alike.
func meant(message string) string {
	name, undefined := strings.CutPrefix(message, "undefined: ")
	name, _, _ = strings.Cut(name, " ")
	if want := foreign[name]; undefined && want != "" {
		return "undefined: " + name + ", want " + want
	}
	return message
}
