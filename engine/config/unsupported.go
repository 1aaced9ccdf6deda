package config

import (
	"slices"

	"go.yaml.in/yaml/v3"
)

// unsupported are the keys and values that the config knows and this version cannot serve. A key stands with the place that the
// decoder calls it by, a value with its key.
var unsupported = []string{
	"experiments",

	"filters[].experiment",
	"dialect.experiment",
}

// refuseUnsupported reports n if its entry is in the table, and whether it is.
func (d *decoder) refuseUnsupported(n *yaml.Node, entry string) bool {
	found := slices.Contains(unsupported, entry)
	if found {
		d.fail(n, "%s is not supported by this version", shown(n))
	}
	return found
}
