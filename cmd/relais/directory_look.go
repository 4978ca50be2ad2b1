package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"relais.example/gateway/config"
	"relais.example/gateway/control"
	"relais.example/gateway/server"
)

// accessLog is the file in the data folder that keeps who looked at the
// Directory on the command line while the gateway did not run.
const accessLog = "directory-access.log"

// looked leaves a line in the audit log before anything of the gateway's
// Directory is shown: in its journal when it runs, else in a file beside it.
// A loose file (--file) is whoever's who has it.
func (s *directorySource) looked(cmd *cobra.Command, what, query string, results int) error {
	if s.file != "" {
		return nil
	}
	c, err := config.Read(s.config)
	if err != nil {
		return err
	}
	var done bool
	err = control.Call(cmd.Context(), c.DataDir, "directory-look", server.LookArgs{What: what, Query: query, Results: results}, &done)
	if errors.Is(err, control.ErrNotRunning) {
		err = appendAccess(c.DataDir, what, results)
	}
	if err != nil {
		return fmt.Errorf("nothing is shown, because the look at the Directory could not be recorded: %w", err)
	}
	return nil
}

// access is one line of the access log. What was looked for may be a person's
// name and is left out: no key seals it here.
type access struct {
	At      time.Time `json:"at"`
	By      string    `json:"by"`
	What    string    `json:"what"`
	Results int       `json:"results"`
	Gateway string    `json:"gateway"`
}

// appendAccess returns when the line is durable.
func appendAccess(dataDir, what string, results int) error {
	if err := os.MkdirAll(dataDir, 0o700); err != nil {
		return err
	}
	line, err := json.Marshal(access{time.Now().UTC(), fmt.Sprintf("local:%d", os.Getuid()), what, results, "not running"})
	if err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(dataDir, accessLog), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(line, '\n')) // one write: lines of several programs do not mix
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	d, err := os.Open(dataDir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
