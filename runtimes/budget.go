package runtimes

import (
	"fmt"

	"sluice/engine"
	"sluice/engine/body"
)

// TimeOver is the error text of a call that ran longer than b and the part for so many bytes of body allow. It names the settings.
func TimeOver(b engine.Budget, body int) string {
	text := fmt.Sprintf("the call took longer than budgets.time: %v", b.Time)
	if body > 0 && b.TimePerMiB > 0 {
		text += fmt.Sprintf(" and per_mib.time: %v for %s", b.TimePerMiB, size(body))
	}
	return text
}

// StepsOver is the error text of a call that took more steps than b and the part for so many bytes of body allow. It names the settings.
func StepsOver(b engine.Budget, body int) string {
	text := fmt.Sprintf("the call took more steps than budgets.steps: %d", b.Steps)
	if body > 0 && b.StepsPerMiB > 0 {
		text += fmt.Sprintf(" and per_mib.steps: %d for %s", b.StepsPerMiB, size(body))
	}
	return text
}

// MemoryOver is the error text of a call that allocated more than b and the part for so many bytes of body allow. It names the settings.
func MemoryOver(b engine.Budget, body int) string {
	text := "the call allocated more than budgets.memory: " + size(int(b.Memory))
	if body > 0 && b.MemoryPerMiB > 0 {
		text += fmt.Sprintf(" and per_mib.memory: %s for %s", size(int(b.MemoryPerMiB)), size(body))
	}
	return text
}

// size writes a number of bytes in MiB, or as it is where that would be next to nothing.
func size(n int) string {
	if n < 100<<10 {
		return fmt.Sprintf("%d bytes", n)
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}

// spend charges steps for native work, one for about 25 ns.
func (c *Call) spend(steps int) error {
	if c.Spend == nil {
		return nil
	}
	return c.Spend(int64(steps))
}

// look lets others run between two pieces of native work.
func (c *Call) look() error {
	if c.Look == nil {
		return nil
	}
	return c.Look()
}

// Rest lets others run as look does; what ends the call is seen later.
func (c *Call) Rest() { _ = c.look() }

// pieces are moved in the call's time; those of nil in anybody's.
func (c *Call) pieces() body.Pieces {
	if c == nil {
		return body.Pieces{}
	}
	return body.Pieces{By: c}
}

// allocate charges bytes that native code is about to allocate, before it does.
func (c *Call) allocate(bytes int) error {
	if c.Allocate == nil {
		return nil
	}
	return c.Allocate(int64(bytes))
}

// payText charges the making of a text of so many bytes.
func (c *Call) payText(bytes int) error {
	if err := c.spend(bytes / 16); err != nil {
		return err
	}
	return c.allocate(bytes)
}
