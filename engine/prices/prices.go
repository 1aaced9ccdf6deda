// Package prices knows what tokens cost.
//
//	table, err := prices.Parse(data) // or prices.Bundled()
//	cost, known := table.Cost("claude-sonnet-4-5-20250929", usage)
//
// Prices are micro-dollars for a million tokens, so that a token's price is a whole number of millionths of a micro-dollar.
package prices

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"go.yaml.in/yaml/v3"

	"sluice/engine"
)

//go:embed prices.yaml
var bundled []byte

// price is what a million tokens of each kind cost, in micro-dollars.
type price struct{ input, output, write5m, write1h, read int64 }

// Table is a price list. It never changes and may be used by any number of goroutines.
type Table struct {
	prices map[string]price // by the model's id, without a date
}

var _ engine.Prices = (*Table)(nil)

// Bundled is the table that comes with the program.
func Bundled() *Table { return bundledTable() }

var bundledTable = sync.OnceValue(func() *Table {
	t, err := Parse(bundled)
	if err != nil {
		panic("prices: the bundled table: " + err.Error())
	}
	return t
})

// Parse reads a table: a date, and a price for each model.
func Parse(data []byte) (*Table, error) {
	var file struct {
		Date   string                        `yaml:"date"`
		Models map[string]map[string]float64 `yaml:"models"`
	}
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	err := d.Decode(&file)
	switch {
	case errors.Is(err, io.EOF):
		return nil, errors.New("the file is empty")
	case err != nil:
		return nil, told(err)
	case len(file.Models) == 0:
		return nil, errors.New("want a date, and a map of models")
	case d.Decode(new(yaml.Node)) != io.EOF:
		return nil, errors.New("want one document")
	}
	if _, err := time.Parse(time.DateOnly, file.Date); err != nil {
		return nil, fmt.Errorf("date %q, want one such as 2026-05-29", file.Date)
	}
	t := &Table{prices: make(map[string]price, len(file.Models))}
	for _, model := range slices.Sorted(maps.Keys(file.Models)) {
		p, err := newPrice(file.Models[model])
		if model == "" {
			err = errors.New("want the id of a model")
		}
		if err != nil {
			return nil, fmt.Errorf("models.%s: %w", model, err)
		}
		t.prices[model] = p
	}
	return t, nil
}

// told is an error of the decoder without the types of ours that it names.
func told(err error) error {
	typed, ok := errors.AsType[*yaml.TypeError](err)
	if !ok {
		return err
	}
	var all []string
	for _, line := range typed.Errors {
		line, _, _ = strings.Cut(line, " in type ")
		line, _, _ = strings.Cut(line, " into ")
		all = append(all, line)
	}
	return fmt.Errorf("%s: want a date, and models with their prices", strings.Join(all, "; "))
}

// maxPrice is a thousand dollars for a million tokens. At this price a billion tokens of each kind still fit into a sum.
const maxPrice = 1e9

// newPrice wants all five: a price that was forgotten is no price of zero, nor is one in dollars.
func newPrice(given map[string]float64) (p price, err error) {
	for key, into := range map[string]*int64{"input": &p.input, "output": &p.output, "cache_write_5m": &p.write5m,
		"cache_write_1h": &p.write1h, "cache_read": &p.read} {
		n, ok := given[key]
		if !ok || n < 0 || n > maxPrice || n != math.Trunc(n) || len(given) != 5 {
			return p, errors.New("want input, output, cache_write_5m, cache_write_1h and cache_read, each a whole number of micro-dollars from 0")
		}
		*into = int64(n)
	}
	return p, nil
}

// Cost is in micro-dollars, rounded up. A model is found by its id, with or without what clouds and dates add to it; of two entries that
// fit, the longer one counts.
func (t *Table) Cost(model string, u engine.Usage) (microUSD int64, known bool) {
	p, known := t.find(model)
	if !known {
		return 0, false
	}
	hour := min(u.CacheCreation1hTokens, u.CacheCreationInputTokens)
	sum := u.InputTokens*p.input + u.OutputTokens*p.output + u.CacheReadInputTokens*p.read +
		(u.CacheCreationInputTokens-hour)*p.write5m + hour*p.write1h
	return (sum + 999_999) / 1_000_000, true
}

// find looks for the longest name that model is, maybe behind a cloud's prefix ("us.anthropic.") and before a date or version
// ("-20250929-v1:0", "@20250929", "-latest"). What follows a name must not make it another model: claude-opus-4 does not price
// claude-opus-4-5.
func (t *Table) find(model string) (found price, known bool) {
	length, ends := 0, ends(model)
	for start := 0; start < len(model); start++ {
		if start > 0 && model[start-1] != '.' && model[start-1] != '/' {
			continue
		}
		for _, end := range ends {
			if end-start <= length {
				continue
			}
			if p, ok := t.prices[model[start:end]]; ok {
				found, known, length = p, true, end-start
			}
		}
	}
	return found, known
}

// ends are where the name may end in a model: at its end, or before what dates and versions add. 0 stands for none.
func ends(model string) (out [5]int) {
	out[0] = len(model)
	if rest, ok := strings.CutSuffix(model, "-latest"); ok {
		out[1] = len(rest)
	}
	if i := strings.LastIndex(model, "-v"); i >= 0 && isVersion(model[i+2:]) {
		out[2] = i
	}
	out[3], out[4] = beforeDate(model), beforeDate(model[:out[2]])
	return out
}

// beforeDate is where a date begins that ends s, 0 = there is none.
func beforeDate(s string) int {
	i := len(s) - len("-20250929")
	if i < 0 || s[i] != '-' && s[i] != '@' || strings.Trim(s[i+1:], "0123456789") != "" {
		return 0
	}
	return i
}

// isVersion reports whether s is such as "1:0" or "1".
func isVersion(s string) bool { return s != "" && strings.Trim(s, "0123456789:") == "" }
