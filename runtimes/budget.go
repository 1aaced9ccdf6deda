package runtimes

import (
	"fmt"
	"time"
)

// TimeOver is the error text of a call that ran longer than it may.
func TimeOver(d time.Duration) string {
	return fmt.Sprintf("the call took longer than budgets.time: %v", d)
}

// StepsOver is the error text of a call that took more steps than it may.
func StepsOver(n int64) string {
	return fmt.Sprintf("the call took more steps than budgets.steps: %d", n)
}

// spend charges steps for native work, one for about 25 ns.
func (c *Call) spend(steps int) error {
	if c.Spend == nil {
		return nil
	}
	return c.Spend(int64(steps))
}
