package reach

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"relais.example/routing/directory"
	"relais.example/routing/journal"
	"relais.example/routing/queue"
)

// Version tells which Directory a contact point has, as far as it is known.
type Version struct {
	ContactPoint string    `json:"contact_point"`
	Sent         uint64    `json:"sent"` // version last sent to it, 0: none
	SentAt       time.Time `json:"sent_at,omitzero"`
	Delivered    bool      `json:"delivered"` // the next hop took it
	GivenUp      bool      `json:"given_up"`
	Installed    uint64    `json:"installed"` // as its signed receipt says, 0: none came
	InstalledAt  time.Time `json:"installed_at,omitzero"`
	Digest       string    `json:"digest,omitempty"` // SHA-256 of what it has installed
}

// Versions reads from the journal in dir who has which Directory: one line for
// each contact point of d but those in own, in the order of d.
func Versions(dir string, d *directory.Directory, own []string) ([]Version, error) {
	known := map[string]*Version{}
	var order []string
	skip := map[string]bool{}
	for _, id := range own {
		skip[id] = true
	}
	for _, p := range d.Document().Parties {
		for _, cp := range p.ContactPoints {
			if !skip[cp.ID] {
				known[cp.ID] = &Version{ContactPoint: cp.ID}
				order = append(order, cp.ID)
			}
		}
	}
	sending := map[string]string{} // contact point by outgoing message, the last one only
	err := journal.Read(dir, func(e journal.Entry) error {
		var r queue.Record
		if err := json.Unmarshal(e.Record, &r); err != nil {
			return fmt.Errorf("reading journal: record %d of desk %s: %w", e.Seq, e.Desk, err)
		}
		for _, out := range r.Out {
			v := known[out.To]
			if v == nil || out.Purpose != queue.PurposeRelease {
				continue
			}
			switch {
			case out.Op == queue.OutQueue:
				v.Sent, _ = strconv.ParseUint(out.Code, 10, 64)
				v.SentAt, v.Delivered, v.GivenUp = out.Since, false, false
				sending[out.To] = out.ID
			case sending[out.To] != out.ID:
			case out.Op == queue.OutDone:
				v.Delivered = true
			case out.Op == queue.OutFail:
				v.GivenUp = true
			}
		}
		if i := r.Installed; i != nil && known[i.ContactPoint] != nil {
			v := known[i.ContactPoint]
			v.Installed, v.InstalledAt, v.Digest = i.Version, r.At, i.Digest
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var out []Version
	for _, id := range order {
		out = append(out, *known[id])
	}
	return out, nil
}
