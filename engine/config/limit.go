package config

import (
	"errors"
	"math"
	"strconv"
	"time"

	"go.yaml.in/yaml/v3"
)

// limitKinds is what a limit may count. A rule of the last has no window.
var limitKinds = []string{"requests", "input_tokens", "output_tokens", "total_tokens", "cost_usd", "concurrency"}

// Limit bounds what a principal or a key spends. Max is in requests, tokens or micro-dollars.
type Limit struct {
	Pos    Pos
	Kind   string
	Window time.Duration // 0 for concurrency
	Max    int64
}

// spending reads the limits of a principal or a key.
func (d *decoder) spending(into *[]Limit) decode {
	items := list(d, into, d.limit)
	return func(n *yaml.Node) {
		items(n)
		first := make(map[Limit]Pos)
		for _, l := range *into {
			at := Limit{Kind: l.Kind, Window: l.Window}
			if was, twice := first[at]; twice && l.Kind != "" {
				d.failAt(l.Pos, "limits: "+l.Kind+" over this window is there twice, first at "+was.String())
			}
			first[at] = l.Pos
		}
	}
}

func (d *decoder) limit(l *Limit) decode {
	return func(n *yaml.Node) {
		l.Pos = posOf(n)
		var most string
		got := d.object(n,
			req("kind", enum(d, &l.Kind, limitKinds...)),
			opt("window", value(d, &l.Window, parseWindow)),
			req("max", value(d, &most, parseText)),
		)
		if got == nil || l.Kind == "" {
			return
		}
		switch {
		case l.Kind == "concurrency" && got["window"] != nil:
			d.fail(got["window"], "limits: kind concurrency counts requests at once, want no window")
		case l.Kind != "concurrency" && got["window"] == nil:
			d.fail(n, "limits: missing key \"window\", which kind %s needs", l.Kind)
		}
		if got["max"] == nil || most == "" {
			return // reported
		}
		parse := parseWhole[int64](1, 1<<53)
		if l.Kind == "cost_usd" {
			parse = parseDollars
		}
		var err error
		if l.Max, err = parse(most); err != nil {
			d.fail(got["max"], "max %s: %v", shown(got["max"]), err)
		}
	}
}

// parseWindow reads a length of time that can be cut into parts.
func parseWindow(s string) (time.Duration, error) {
	w, err := ParseDuration(s)
	if err == nil && w < time.Second {
		err = errors.New("want a window of at least 1s")
	}
	return w, err
}

// parseDollars returns micro-dollars.
func parseDollars(s string) (int64, error) {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || !decimal.MatchString(s) || f < 1e-6 || f > 1e9 {
		return 0, errors.New("want a number of dollars such as 0.5 or 100, up to 1000000000")
	}
	return int64(math.Round(f * 1e6)), nil
}
