package runtimes

import (
	"fmt"
	"strings"
	"time"

	"sluice/engine"
)

// testCalls is how many calls' budgets a test may use.
const testCalls = 10

// isTest reports whether a name is that of a test.
func isTest(name string) bool { return strings.HasPrefix(name, "test_") && name != configOfTests }

const configOfTests = "test_config"

// runTests runs every test once and counts those that pass.
func (a *Admission) runTests(functions []Function, out *Admitted) {
	if a.Tested || !hasTests(functions) || out.stuck() {
		return
	}
	passes := func(err error) bool { return a.Restart && late(err) }
	err := a.EachTest(func(string) bool { return !out.stuck() }, func(name string, err error) {
		switch {
		case err == nil:
			out.Tests++
		case !passes(err):
			out.Errors = append(out.Errors, named(name, scriptError(a.Path, err)))
		}
	})
	if err != nil && !passes(err) {
		out.fail(a.Path, err)
	}
}

// EachTest runs the test_ functions whose names match, in the order of the file and with the file's test_config as config, and tells each
// result. An error means that the rest cannot run: the script does not load or has a hook that is none, a test
// outlived its deadline, or all together outlived theirs.
func (a *Admission) EachTest(match func(name string) bool, each func(name string, err error)) error {
	m, err := a.load(a.firstConfig())
	if err != nil {
		return err
	}
	if found := a.checkLocals(m); len(found) > 0 {
		return found[0]
	}
	config, err := a.testConfig(m)
	if err != nil {
		return err
	}
	most := a.suite()
	roomy := *a // a test may call a hook many times, each of which would have a budget of its own; the memory is the machine's all the same
	roomy.Budget.Time = min(roomy.Budget.Time*testCalls, most)
	roomy.Budget.Steps *= testCalls
	roomy.Restart = false // there is room enough for its top level
	if m, err = roomy.load(config); err != nil {
		return err
	}
	over := time.Now().Add(most)
	for _, f := range a.tests(m, match, each) {
		if time.Now().After(over) {
			text := fmt.Sprintf("the tests took longer than %v together, %s and what follows did not run", most, f.Name)
			return &engine.ScriptError{File: a.Path, Message: text, Budget: "time"}
		}
		_, err := within(a, f.Name, func() (struct{}, error) { return struct{}{}, m.Test(f.Name) })
		if wasAbandoned(err) {
			return err
		}
		each(f.Name, err)
	}
	return nil
}

// tests are the functions that EachTest is to run. It tells of those that cannot run.
func (a *Admission) tests(m Module, match func(name string) bool, each func(name string, err error)) (run []Function) {
	functions := m.Functions()
	wanted := func(name string) bool { return isTest(name) && match(name) }
	for name, v := range others(m, functions, wanted) {
		each(name, a.noFunction(m, name, v))
	}
	for i := range functions {
		f := &functions[i]
		if !wanted(f.Name) {
			continue
		}
		if err := checkFunction(f); err != nil {
			each(f.Name, a.atFunction(f, err))
			continue
		}
		run = append(run, *f)
	}
	return run
}

func hasTests(functions []Function) bool {
	for i := range functions {
		if isTest(functions[i].Name) {
			return true
		}
	}
	return false
}

func (a *Admission) testConfig(m Module) (*engine.Object, error) {
	v, ok := m.Global(configOfTests)
	if !ok {
		return nil, nil
	}
	config, err := ToObject(v)
	if err != nil {
		return nil, a.atGlobal(m, configOfTests, fmt.Errorf("test_config %w", err))
	}
	return config, nil
}
