package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"os/user"
	"strconv"
	"syscall"

	"github.com/spf13/cobra"

	"relais.example/crypto/keyholder"
	"relais.example/gateway/config"
	"relais.example/gateway/deskkey"
)

// newKeyholderCommand returns `relais keyholder`.
func newKeyholderCommand() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "keyholder",
		Short: "Keep the desks' private keys for the gateway, in a process of its own",
		Long: `Reads the private keys of the desks and opens session keys and signs for 'relais
serve' through the Unix socket keyholder.socket, until SIGTERM. It gives out no
key and sees no message; the systemd unit gives it no network. Run it as another
user than the gateway, one that alone may read the keys. SIGHUP reads the keys
again.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := config.LoadKeyholder(path)
			if err != nil {
				return err
			}
			return holdKeys(cmd.Context(), path, c, newLogger(c.Log, cmd.ErrOrStderr()))
		},
	}
	cmd.Flags().StringVar(&path, "config", defaultConfig, "configuration file")
	return cmd
}

// holdKeys runs a keyholder until ctx ends.
func holdKeys(ctx context.Context, path string, c *config.Config, log *slog.Logger) error {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP) // before the start, which it must not end
	defer signal.Stop(hangup)
	if err := protectMemory(); err != nil {
		return err
	}
	users, err := userIDs(c.Keyholder.Users)
	if err != nil {
		return err
	}
	desks, err := desksWithKeys(c)
	if err != nil {
		return err
	}
	s, err := keyholder.NewServer(desks, keyholder.Options{Users: users, Log: log})
	if err != nil {
		return err
	}
	ln, err := keyholder.Listen(c.Keyholder.Socket)
	if err != nil {
		return err
	}
	log.Info("holding keys", "desks", len(desks), "socket", c.Keyholder.Socket)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		for {
			select {
			case <-hangup:
				if err := holdAgain(s, path); err != nil {
					log.Error("reloading: the old keys stay in force", "error", err)
				} else {
					log.Info("reloaded")
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return s.Serve(ctx, ln)
}

// holdAgain reads desks and keys again; socket and users stay.
func holdAgain(s *keyholder.Server, path string) error {
	c, err := config.LoadKeyholder(path)
	if err != nil {
		return err
	}
	desks, err := desksWithKeys(c)
	if err != nil {
		return err
	}
	return s.Hold(desks)
}

func desksWithKeys(c *config.Config) ([]keyholder.Desk, error) {
	keys, err := deskkey.ReadAll(c)
	if err != nil {
		return nil, err
	}
	var desks []keyholder.Desk
	for _, d := range c.Desks {
		desks = append(desks, keyholder.Desk{ID: d.ID, Keys: keys[d.ID]})
	}
	return desks, nil
}

// userIDs finds the numbers of users given by name or number.
func userIDs(names []string) ([]int, error) {
	var ids []int
	for _, name := range names {
		if id, err := strconv.ParseUint(name, 10, 31); err == nil {
			ids = append(ids, int(id))
			continue
		}
		u, err := user.Lookup(name)
		if err != nil {
			return nil, fmt.Errorf("keyholder.users: %w; add the user, or give its number", err)
		}
		id, err := strconv.Atoi(u.Uid)
		if err != nil {
			return nil, fmt.Errorf("keyholder.users: %s has no number: %w", name, err)
		}
		ids = append(ids, id)
	}
	return ids, nil
}
