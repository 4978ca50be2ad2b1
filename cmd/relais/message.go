package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"relais.example/gateway/config"
	"relais.example/gateway/control"
	"relais.example/gateway/server"
	"relais.example/routing/request"
)

func newMessageCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "message", Short: "Take messages as they came, for evidence"}
	cmd.AddCommand(newMessageExportCommand())
	return cmd
}

func newMessageExportCommand() *cobra.Command {
	var path, dir string
	cmd := &cobra.Command{
		Use:   "export REFERENCE",
		Short: "Write the messages of a request to files, byte for byte as they came",
		Long: `Writes every message that came for a request to a file of its own, still
encrypted and signed, and prints its SHA-256, which staff see in X-Relais-Original.
The gateway must run here. Each export stands in the journal. The key of the desk
opens the files: gpg --decrypt.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := config.Read(path)
			if err != nil {
				return err
			}
			ref, err := request.ParseReference(args[0])
			if err != nil {
				return err
			}
			if err := os.MkdirAll(dir, 0o700); err != nil {
				return err
			}
			for n, total := 0, 1; n < total; n++ {
				var got server.Exported
				if err := control.Call(cmd.Context(), c.DataDir, "export", server.ExportArgs{Reference: ref, N: n}, &got); err != nil {
					return err
				}
				total = got.Total
				file := filepath.Join(dir, fmt.Sprintf("%s-%d.eml", ref, n+1))
				if err := writeNew(file, got.Raw); err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s  came %s, sha256 %x\n", file, got.At.UTC().Format(time.RFC3339), sha256.Sum256(got.Raw))
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&path, "config", defaultConfig, "configuration file")
	cmd.Flags().StringVar(&dir, "dir", ".", "folder for the files; made if it is not there")
	return cmd
}

// writeNew writes a file that is not there yet.
func writeNew(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Write(content); err != nil {
		return err
	}
	return f.Sync()
}
