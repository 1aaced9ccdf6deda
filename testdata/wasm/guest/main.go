//go:build wasip1

// Guest is filters/headroom as a WebAssembly module: JSON in, JSON out, which is how a filter in another language would be asked.
package main

import (
	"encoding/json"
	"fmt"
	"unsafe"
)

type request struct {
	Config struct {
		Windows        []string `json:"windows"`
		MaxUtilization *float64 `json:"max_utilization"`
	} `json:"config"`
	Candidates []candidate `json:"candidates"`
}

type candidate struct {
	ID     string             `json:"id"`
	Quotas map[string]float64 `json:"quotas"`
}

type decision struct {
	Keep    []string          `json:"keep"`
	Reason  string            `json:"reason"`
	Reasons map[string]string `json:"reasons,omitempty"`
}

// given and made are what went in and came out last. They keep the memory alive that the host reads and writes.
var given, made []byte

//go:wasmexport room
func room(n uint32) uint32 {
	if cap(given) < int(n) {
		given = make([]byte, n)
	}
	given = given[:n]
	return uint32(uintptr(unsafe.Pointer(unsafe.SliceData(given))))
}

// filter reads what the host wrote into room and returns where its decision is: the address above the length.
//
//go:wasmexport filter
func filter() uint64 {
	var r request
	if err := json.Unmarshal(given, &r); err != nil {
		panic(err)
	}
	var err error
	if made, err = json.Marshal(decide(&r)); err != nil {
		panic(err)
	}
	return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(made))))<<32 | uint64(len(made))
}

func decide(r *request) decision {
	limit, windows := 0.9, r.Config.Windows
	if r.Config.MaxUtilization != nil {
		limit = *r.Config.MaxUtilization
	}
	if len(windows) == 0 {
		windows = []string{"5h", "7d"}
	}
	out := decision{Keep: []string{}, Reason: fmt.Sprintf("windows below %d%%", int(limit*100)), Reasons: map[string]string{}}
	for i := range r.Candidates {
		c := &r.Candidates[i]
		if full := fullest(c, windows, limit); full != "" {
			out.Reasons[c.ID] = full + " window is full"
		} else {
			out.Keep = append(out.Keep, c.ID)
		}
	}
	if len(out.Keep) > 0 {
		return out
	}
	for i := range r.Candidates {
		out.Keep = append(out.Keep, r.Candidates[i].ID)
	}
	return decision{Keep: out.Keep, Reason: "no upstream has room"}
}

func fullest(c *candidate, windows []string, limit float64) string {
	for _, w := range windows {
		if c.Quotas[w] >= limit {
			return w
		}
	}
	return ""
}

func main() {}
