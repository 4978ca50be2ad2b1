package server

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"net/http"
	"slices"
	"time"

	"relais.example/gateway/control"
	"relais.example/routing/request"
)

// PingArgs asks the running gateway to test contact points.
type PingArgs struct {
	Desk          string   `json:"desk"`           // that asks; empty: the first one
	ContactPoints []string `json:"contact_points"` // empty: all but our own desks
}

// Pinged says what became of one test.
type Pinged struct {
	ContactPoint string            `json:"contact_point"`
	Reference    request.Reference `json:"reference,omitempty"`
	Error        string            `json:"error,omitempty"` // why none was sent
}

// serveControl builds the server for the command line.
func (s *Server) serveControl() *http.Server {
	return control.Server(map[string]control.Handler{
		"ping": s.ping, "directory-send": s.sendDirectory, "directory-pending": s.pendingDecided, "directory-look": s.looked, "export": s.export,
	})
}

func (s *Server) ping(ctx context.Context, by string, args json.RawMessage) (any, error) {
	var a PingArgs
	if err := json.Unmarshal(args, &a); err != nil {
		return nil, fmt.Errorf("reading the command: %w", err)
	}
	if a.Desk == "" {
		a.Desk = s.c.Desks[0].ID
	}
	if !slices.Contains(s.c.DeskIDs(), a.Desk) {
		return nil, fmt.Errorf("desk %q is not served here", a.Desk)
	}
	if len(a.ContactPoints) == 0 {
		a.ContactPoints = s.others()
	}
	var out []Pinged
	for _, id := range a.ContactPoints {
		p := Pinged{ContactPoint: id}
		var err error
		if p.Reference, err = s.reply.Ping(ctx, a.Desk, by, id, ""); err != nil {
			p.Error = err.Error()
		}
		out = append(out, p)
	}
	return out, nil
}

// others lists the contact points that have no desk here.
func (s *Server) others() []string {
	own := s.c.DeskIDs()
	var out []string
	for _, p := range s.directory.Current().Document().Parties {
		for _, cp := range p.ContactPoints {
			if !slices.Contains(own, cp.ID) {
				out = append(out, cp.ID)
			}
		}
	}
	return out
}

// pingOnSchedule tests each other contact point once in each period, all of
// them spread over it. Which test is due follows from the time alone, so that
// a restart repeats none and several gateways send one.
func (s *Server) pingOnSchedule(ctx context.Context) {
	every := s.c.Ping.Every
	if every <= 0 {
		return
	}
	tick := time.NewTicker(min(every, time.Minute))
	defer tick.Stop()
	sent := map[string]string{} // last test by contact point, to ask the queue only once
	for {
		for _, id := range s.others() {
			once := pingName(id, time.Now(), every)
			if sent[id] == once {
				continue
			}
			ref, err := s.reply.Ping(ctx, s.c.Desks[0].ID, "gateway", id, once)
			switch {
			case ctx.Err() != nil:
				return
			case err != nil:
				s.log.Warn("contact point not tested; trying again", "contact_point", id, "error", err)
				continue
			case ref != "":
				s.log.Info("contact point is tested", "contact_point", id, "request", ref)
			}
			sent[id] = once
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// pingName names the test of a contact point that is due at that time.
func pingName(contactPoint string, at time.Time, every time.Duration) string {
	h := fnv.New64a()
	h.Write([]byte(contactPoint))
	offset := int64(h.Sum64() % uint64(every))
	return fmt.Sprintf("ping:%s:%s:%d", contactPoint, every, (at.UnixNano()-offset)/int64(every))
}
