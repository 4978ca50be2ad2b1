package server

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"relais.example/routing/journal"
	"relais.example/routing/queue"
	"relais.example/routing/request"
)

// ExportArgs asks for a message of a request as it came.
type ExportArgs struct {
	Reference request.Reference `json:"reference"`
	N         int               `json:"n"` // counted from 0, in order of arrival
}

// Exported is a message as it came, and how many the request has.
type Exported struct {
	Raw   []byte    `json:"raw"`
	At    time.Time `json:"at"` // of arrival
	Total int       `json:"total"`
}

// export hands out the original of a message, and notes that before.
func (s *Server) export(ctx context.Context, by string, args json.RawMessage) (any, error) {
	var a ExportArgs
	if err := json.Unmarshal(args, &a); err != nil {
		return nil, fmt.Errorf("reading the command: %w", err)
	}
	came, err := originals(s.c.Journal.Dir, a.Reference)
	if err != nil {
		return nil, err
	}
	if a.N < 0 || a.N >= len(came) {
		return nil, fmt.Errorf("%s: no message came for it; check the reference", a.Reference)
	}
	e := came[a.N]
	raw, err := s.vault.Get(ctx, e.Message)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", a.Reference, err)
	}
	note := queue.Record{At: time.Now().UTC(), By: by, Export: &queue.Export{Request: a.Reference, Item: e.Message}}
	if err := s.queue.Note(a.Reference.ContactPoint(), note); err != nil {
		return nil, err
	}
	return Exported{Raw: raw, At: e.At, Total: len(came)}, nil
}

// originals returns from the journal the events with which the messages of a
// request came. It knows also those that the queue has forgotten.
func originals(dir string, ref request.Reference) (out []request.Event, err error) {
	err = journal.Read(dir, func(line journal.Entry) error {
		if line.Desk != ref.ContactPoint() {
			return nil
		}
		var r queue.Record
		if err := json.Unmarshal(line.Record, &r); err != nil {
			return fmt.Errorf("reading journal: %w", err)
		}
		for _, e := range r.Events {
			if e.Ref == ref && (e.Type == request.EvReceived || e.Type == request.EvMessage) {
				out = append(out, e)
			}
		}
		return nil
	})
	return out, err
}
