package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"

	"relais.example/gateway/config"
	"relais.example/gateway/server"
)

func newServeCommand() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the gateway",
		Long: `Runs the gateway until SIGTERM. SIGHUP reads the staff accounts, the Directory,
the TLS certificate and, where there is no keyholder, the desks' keys again.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := config.Load(path)
			if err != nil {
				return err
			}
			return serve(cmd.Context(), c, newLogger(c.Log, cmd.ErrOrStderr()), nil)
		},
	}
	cmd.Flags().StringVar(&path, "config", "relais.yaml", "configuration file")
	return cmd
}

// serve runs a gateway until ctx ends. started, if not nil, is called once the
// ports are bound.
func serve(ctx context.Context, c *config.Config, log *slog.Logger, started func(*server.Server)) error {
	redis.SetLogger(redisLog{log})
	tuneMemory()
	if err := protectMemory(); err != nil {
		log.Warn("the memory is not protected as it should be", "error", err)
	}
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP) // before the start, which it must not end
	defer signal.Stop(hangup)
	s, err := server.New(c, version, log)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		for {
			select {
			case <-hangup:
				if s.Reload() == nil {
					log.Info("reloaded")
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	if started != nil {
		started(s)
	}
	return s.Run(ctx)
}

// newLogger writes to w as the configuration says.
func newLogger(c config.Log, w io.Writer) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		level = slog.LevelInfo
	}
	o := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// redisLog passes on what the Redis client says of its connections.
type redisLog struct{ log *slog.Logger }

// Printf implements the logger of go-redis.
func (l redisLog) Printf(_ context.Context, format string, v ...any) {
	l.log.Debug("redis client", "text", fmt.Sprintf(format, v...))
}
