package experiment

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"sluice/engine"
)

// Files keep what lasts. Replace leaves the old file or the new one, whatever happens, and returns once the new one would survive a loss
// of power. Read's error is fs.ErrNotExist where there is none.
type Files interface {
	Read(name string) ([]byte, error)
	Replace(name string, text []byte) error
}

// Definition is what the config says of an experiment, with the versions of the scripts that serve.
type Definition struct {
	Name    string
	Slot    engine.SlotKind
	Unit    engine.Unit
	Arms    []Arm // at least one, at most engine.MaxArms; their weights are not all 0
	Shadows []Arm
}

// Arm is one policy of an experiment.
type Arm struct {
	Name    string
	Script  string
	Version string  // hex SHA-256 of the script with its libraries
	Config  string  // any text that differs where the script's config does
	Weight  float64 // of an arm
}

// says is a digest of what the config says: a promotion holds as long as it stands.
func (d *Definition) says() string {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q %q", d.Name, d.Slot, d.Unit)
	for _, a := range d.Arms {
		fmt.Fprintf(h, "\n%q %q %q %v", a.Name, a.Script, a.Config, a.Weight)
	}
	return fmt.Sprintf("%x", h.Sum(nil)[:16])
}

func (d *Definition) weights() []weight {
	out := make([]weight, len(d.Arms))
	for i, a := range d.Arms {
		out[i] = weight{a.Name, a.Weight}
	}
	return out
}

// Event is something that somebody did to an experiment.
type Event struct {
	At   time.Time `json:"at"`
	By   string    `json:"by"`   // "admin", or "config"
	From string    `json:"from"` // who had the requests: an arm, or the weights
	To   string    `json:"to"`
}

// maxHistory is how many events are kept.
const maxHistory = 100

// Promotion makes one arm the only one.
type Promotion struct {
	Arm   string    `json:"arm"`
	At    time.Time `json:"at"`
	By    string    `json:"by"`
	Under string    `json:"under"` // what the config said
}

// lasting is what a file holds.
type lasting struct {
	Experiment string     `json:"experiment"`
	Layout     []Run      `json:"layout"`
	Promoted   *Promotion `json:"promoted"`
	History    []Event    `json:"history"`
}

// Book keeps the experiments across generations. Its methods may be called from any goroutine.
type Book struct {
	files  Files
	meters *engine.Meters
	report func(format string, args ...any)

	mu     sync.Mutex
	trials map[string]*trial // by name; guarded by mu
	served []*Live           // of the newest generation; guarded by mu
}

// trial is an experiment across generations.
type trial struct {
	promoted atomic.Pointer[Promotion] // nil = the weights hold

	kept    lasting            // guarded by Book.mu
	figures map[string]*counts // of each arm and shadow that serves, by what they are keyed with; guarded by Book.mu
}

// Open makes a book that keeps what lasts in files; nil = nothing lasts. meters makes the meters of arms. report, which may be nil, is told
// what a person should know.
func Open(files Files, meters *engine.Meters, report func(format string, args ...any)) *Book {
	return &Book{files: files, meters: meters, report: report, trials: make(map[string]*trial)}
}

func fileOf(name string) string { return "experiment-" + name + ".json" }

// trial finds what is known of an experiment, on disk where it was not asked for before. mu is held.
func (b *Book) trial(name string) (*trial, error) {
	if t := b.trials[name]; t != nil {
		return t, nil
	}
	t := &trial{kept: lasting{Experiment: name}, figures: make(map[string]*counts)}
	if b.files != nil {
		text, err := b.files.Read(fileOf(name))
		if err == nil {
			err = json.Unmarshal(text, &t.kept)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("read what lasts of experiment %q: %w", name, err)
		}
	}
	t.promoted.Store(t.kept.Promoted)
	b.trials[name] = t
	return t, nil
}

// Plan makes the experiment of a generation that may come to serve. Nothing of it lasts before Adopt.
func (b *Book) Plan(d Definition) (*Live, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t, err := b.trial(d.Name)
	if err != nil {
		return nil, err
	}
	l := &Live{def: d, says: d.says(), trial: t, shares: allot(d.weights())}
	l.layout.from(t.kept.Layout, d.weights())
	for i, a := range d.Arms {
		l.arms = append(l.arms, b.countsOf(t, "arm", &d, a))
		l.choices = append(l.choices, engine.ArmChoice{Experiment: l, Arm: i, Label: d.Name + "=" + a.Name})
	}
	served := ""
	for _, a := range d.Arms {
		served += fmt.Sprintf(" %s %q", a.Version, a.Config)
	}
	for _, a := range d.Shadows {
		a.Config += served // it is compared with what these decide
		l.shadows = append(l.shadows, b.countsOf(t, "shadow", &d, a))
	}
	return l, nil
}

// countsOf are the figures of an arm or a shadow: those there are, if nothing of it changed. b.mu is held.
func (b *Book) countsOf(t *trial, kind string, d *Definition, a Arm) *counts {
	key := fmt.Sprintf("%s %q %q %q %q %q %q", kind, a.Name, a.Script, a.Version, a.Config, d.Slot, d.Unit)
	if c := t.figures[key]; c != nil {
		return c
	}
	return newCounts(key, d.Unit, b.meters.New())
}

// Adopt takes note that a generation with these experiments, and no others, serves. What is promoted under another config is no more. What
// could not be kept is reported: it serves all the same.
func (b *Book) Adopt(lives []*Live) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.served = lives
	for _, l := range lives {
		t := l.trial
		t.figures = make(map[string]*counts)
		for _, c := range slices.Concat(l.arms, l.shadows) {
			t.figures[c.key] = c
		}
		next := t.kept
		next.Layout = l.layout.runs(l.def.weights())
		if p := next.Promoted; p != nil && p.Under != l.says {
			next.demote(l.def.split())
			b.tell("experiment %s: the config changed: arm %s is promoted no more, from now on %s", l.def.Name, p.Arm, l.def.split())
		}
		b.turn(t, next)
	}
	for name, t := range b.trials {
		if p := t.kept.Promoted; p != nil && !slices.ContainsFunc(lives, func(l *Live) bool { return l.trial == t }) {
			next := t.kept
			next.demote("no experiment")
			b.tell("experiment %s: the config has it no more: arm %s is promoted no more", name, p.Arm)
			b.turn(t, next)
		}
	}
}

// turn makes next what holds of t, and lasts. b.mu is held.
func (b *Book) turn(t *trial, next lasting) {
	if !slices.Equal(next.Layout, t.kept.Layout) || next.Promoted != t.kept.Promoted {
		if err := b.keep(next); err != nil {
			b.tell("%v", err)
		}
	}
	t.kept = next
	t.promoted.Store(next.Promoted)
}

// demote ends a promotion since the config changed. to says who has the requests from now on.
func (k *lasting) demote(to string) {
	k.note(Event{time.Now(), "config", k.Promoted.Arm, to})
	k.Promoted = nil
}

func (k *lasting) note(e Event) {
	e.At = e.At.UTC().Truncate(time.Millisecond)
	k.History = append(slices.Clone(k.History), e)
	k.History = k.History[max(0, len(k.History)-maxHistory):]
}

func (b *Book) keep(k lasting) error {
	if b.files == nil {
		return nil
	}
	text, err := json.MarshalIndent(k, "", "  ")
	if err == nil {
		err = b.files.Replace(fileOf(k.Experiment), append(text, '\n'))
	}
	if err != nil {
		return fmt.Errorf("keep what lasts of experiment %q: %w", k.Experiment, err)
	}
	return nil
}

func (b *Book) tell(format string, args ...any) {
	if b.report != nil {
		b.report(format, args...)
	}
}

// split is how the weights divide the requests: "starlark 50%, lua 50%".
func (d *Definition) split() string {
	var parts []string
	for i, n := range allot(d.weights()) {
		parts = append(parts, fmt.Sprintf("%s %v%%", d.Arms[i].Name, float64(n)*100/Slots))
	}
	return strings.Join(parts, ", ")
}

// UnknownError is an experiment, or an arm of one, that there is not. Its text is for a person.
type UnknownError struct {
	Arm  bool // the experiment is there
	text string
}

func (e *UnknownError) Error() string { return e.text }

// find is an experiment that serves. mu is held. An error is an *UnknownError.
func (b *Book) find(name string) (*Live, error) {
	var names []string
	for _, l := range b.served {
		if l.def.Name == name {
			return l, nil
		}
		names = append(names, l.def.Name)
	}
	if len(names) == 0 {
		return nil, &UnknownError{false, fmt.Sprintf("no experiment %q: the config has none", name)}
	}
	return nil, &UnknownError{false, fmt.Sprintf("no experiment %q, want %s", name, strings.Join(names, " or "))}
}

// Promote makes an arm the only one, at once and until Stop or another config. An error is an *UnknownError, or nothing changed because
// it could not be kept.
func (b *Book) Promote(name, arm, by string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	l, err := b.find(name)
	if err != nil {
		return err
	}
	var names []string
	for _, a := range l.def.Arms {
		names = append(names, a.Name)
	}
	if !slices.Contains(names, arm) {
		return &UnknownError{true, fmt.Sprintf("experiment %q has no arm %q, want %s", name, arm, strings.Join(names, " or "))}
	}
	if p := l.trial.kept.Promoted; p != nil && p.Arm == arm {
		return nil
	}
	return b.change(l, &Promotion{Arm: arm, At: time.Now().UTC().Truncate(time.Millisecond), By: by, Under: l.says}, by)
}

// Stop ends a promotion, if there is one: the weights hold again. An error is an *UnknownError, or nothing changed because it could not be
// kept.
func (b *Book) Stop(name, by string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	l, err := b.find(name)
	if err != nil || l.trial.kept.Promoted == nil {
		return err
	}
	return b.change(l, nil, by)
}

// change promotes, or ends what is promoted, and keeps that before it counts. mu is held.
func (b *Book) change(l *Live, p *Promotion, by string) error {
	next := l.trial.kept
	from, to := l.def.split(), l.def.split()
	if next.Promoted != nil {
		from = next.Promoted.Arm
	}
	if p != nil {
		to = p.Arm
	}
	next.Promoted = p
	next.note(Event{time.Now(), by, from, to})
	if err := b.keep(next); err != nil {
		return err
	}
	l.trial.kept = next
	l.trial.promoted.Store(p)
	b.tell("experiment %s: from %s to %s, by %s", l.def.Name, from, to, by)
	return nil
}
