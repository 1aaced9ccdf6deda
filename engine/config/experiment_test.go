package config_test

import (
	"testing"

	"sluice/engine"
	"sluice/engine/config"
)

func TestAnExperimentIsBound(t *testing.T) {
	t.Parallel()
	cfg, err := config.Parse("sluice.yaml", []byte(minimal+`
filters:
  - {name: tier, experiment: tier-language, on_error: closed}
  - {experiment: other}
experiments:
  - name: tier-language
    slot: filter
    arms:
      - {name: starlark, script: filters/tier.star, weight: 99.5}
      - {name: lua, script: filters/tier.lua, weight: 0, config: {name: team}}
    shadow: [{name: next, script: filters/next.star, budgets: {steps: 1000}}]
  - {name: other, slot: filter, unit: request, arms: [{script: filters/tier.star}]}
`), testEnv)
	if err != nil {
		t.Fatal(err)
	}
	first, second := cfg.Experiments[0], cfg.Experiments[1]
	if first.Unit != engine.UnitSession || second.Unit != engine.UnitRequest || second.Arms[0].Weight != 1 || second.Arms[0].Name != "tier" {
		t.Errorf("defaults: %+v", cfg.Experiments)
	}
	if first.Arms[0].Weight != 99.5 || first.Arms[1].Weight != 0 || first.Arms[1].Config.Len() != 1 {
		t.Errorf("arms: %+v", first.Arms)
	}
	if s := first.Shadow[0]; s.Budget.Steps != 1000 || s.Budget.Time != cfg.Budget.Time {
		t.Errorf("a shadow's budgets: %+v", s.Budget)
	}
	if b := cfg.Filters[0]; b.Experiment != "tier-language" || b.Policy != engine.FailClosed || b.Script != "" {
		t.Errorf("the binding: %+v", b)
	}
	if b := cfg.Filters[1]; b.Name != "other" {
		t.Errorf("a binding without a name is called %q, want it named after its experiment", b.Name)
	}
}
