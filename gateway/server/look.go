package server

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"relais.example/routing/queue"
)

// LookArgs tells the running gateway that somebody looks at the Directory on
// the command line.
type LookArgs struct {
	What    string `json:"what"`
	Query   string `json:"query"` // what was looked for, as typed
	Results int    `json:"results"`
}

// looked writes such a look to the audit log, under the local user who makes
// it. It answers when that is durable.
func (s *Server) looked(_ context.Context, by string, args json.RawMessage) (any, error) {
	var a LookArgs
	if err := json.Unmarshal(args, &a); err != nil {
		return nil, fmt.Errorf("reading the command: %w", err)
	}
	look := &queue.Look{What: a.What, Results: a.Results}
	if a.Query != "" {
		look.Query = s.vault.Seal("query", a.Query)
	}
	return true, s.queue.Note(s.c.Desks[0].ID, queue.Record{At: time.Now().UTC(), By: by, Look: look})
}

// pendingDecided makes the gateway tell contact points what became of the
// changes that they asked for.
func (s *Server) pendingDecided(context.Context, string, json.RawMessage) (any, error) {
	s.reminders.Wake()
	return true, nil
}
