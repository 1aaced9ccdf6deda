package ledger

import (
	"github.com/google/uuid"

	"sluice/engine"
)

// maxDerived bounds the ids that a writer has looked at, and keeps.
const maxDerived = 4096

// derived are upstreams by id, each with its name where the id follows from that, so that a row need not tell it. Only the writer uses it.
type derived map[uuid.UUID]string

func (d derived) has(u *engine.Upstream) bool {
	name, known := d[u.ID]
	if !known {
		if len(d) >= maxDerived {
			clear(d)
		}
		if engine.UpstreamID(u.Name) == u.ID {
			name = u.Name
		}
		d[u.ID] = name
	}
	return name == u.Name && name != ""
}
