// Command relais is a secure messaging gateway for the 24/7 Network of contact
// points of the Convention on Cybercrime (ETS 185, Article 35).
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// version is set when the program is built.
var version = "dev"

func main() { os.Exit(run()) }

// run is main with an exit status, so that tests can call it.
func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := newRootCommand().ExecuteContext(ctx); err != nil {
		fmt.Fprintf(os.Stderr, "relais: %v\n", err)
		return 1
	}
	return 0
}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "relais",
		Short:         "A secure messaging gateway for the 24/7 Network of the Convention on Cybercrime",
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(
		newServeCommand(), newKeyholderCommand(), newInitCommand(), newDemoCommand(), newBenchCommand(),
		newConfigCommand(), newKeyCommand(), newStaffCommand(), newDirectoryCommand(), newClassifyCommand(), newJournalCommand(), newPingCommand(), newMessageCommand(),
	)
	return root
}
