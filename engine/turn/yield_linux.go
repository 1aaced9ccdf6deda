package turn

import "syscall"

// schedYield lets another process have the processor, if one waits for it. A kernel that preempts nobody would let it wait until its next tick,
// which takes 4 ms.
func schedYield() { _, _, _ = syscall.Syscall(syscall.SYS_SCHED_YIELD, 0, 0, 0) }
