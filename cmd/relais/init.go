package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"relais.example/crypto/pgp"
	"relais.example/gateway/accounts"
	"relais.example/gateway/setup"
	"relais.example/routing/directory"
)

func newInitCommand() *cobra.Command {
	var hostname, party, partyName, desk, institution, address, user, algo string
	var high bool
	cmd := &cobra.Command{
		Use:   "init DIR",
		Short: "Write a working installation into a folder",
		Long: `Writes into DIR: relais.yaml, a self-signed TLS certificate for trial, the
OpenPGP key of one desk, a Directory authority with a signed Directory that
lists the desk, and the first staff account, whose password is printed once.
'relais serve --config DIR/relais.yaml' starts it as it is.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			algorithm, err := parseAlgorithm(algo)
			if err != nil {
				return err
			}
			if address == "" {
				address = "cp247@" + strings.TrimPrefix(hostname, "relais.")
				if !strings.Contains(address, ".") { // a host name for trial, such as localhost
					address += ".example"
				}
			}
			in := setup.Installation{
				Hostname: hostname, Desks: []string{desk}, Algorithm: algorithm,
				Parties: []directory.Party{{
					Code: party, Names: map[string]string{"en": partyName},
					ContactPoints: []directory.ContactPoint{{
						ID: desk, Role: directory.Police, Institution: institution, Addresses: []string{address}, Hours: "24/7", Zone: "UTC",
					}},
				}},
				Staff: []accounts.Account{{User: user, Desk: desk, Role: accounts.Supervisor, Name: user}},
			}
			if high {
				in.Listen = map[string]string{"mx": ":2525", "submission": ":2587", "submissions": ":2465", "imap": ":2143", "imaps": ":2993", "http": "127.0.0.1:9465"}
			}
			done, err := in.Write(args[0])
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), `Written: %[1]s
Desk %[2]s receives at %[3]s; senders encrypt to %[4]s/keys/%[2]s-public.asc
Staff account: %[5]s
Password:      %[6]s   (shown only now; change it with 'relais staff password')

Next:  relais serve --config %[1]s
Then:  replace tls/ by a real certificate, directory/ by the Network's Directory and
       directory/authority.asc by the certificate of its authority, and take
       keys/directory-authority.asc away from this machine.
`, done.Config, desk, address, args[0], user, done.Passwords[user])
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&hostname, "hostname", "relais.alphaland.example", "full host name of the gateway")
	f.StringVar(&party, "party", "XA", "code of the Party")
	f.StringVar(&partyName, "party-name", "Alphaland", "name of the Party in English")
	f.StringVar(&desk, "desk", "XA-1", "identifier of the contact point")
	f.StringVar(&institution, "institution", "National Cybercrime Unit", "name of the institution")
	f.StringVar(&address, "address", "", "mail address of the contact point (default: cp247@ and the host name's domain)")
	f.StringVar(&user, "user", "officer", "name of the first staff account")
	f.StringVar(&algo, "algorithm", "curve25519", "keys: curve25519, rsa3072 or rsa4096")
	f.BoolVar(&high, "high-ports", false, "listen on 2525, 2587, 2465, 2143 and 2993, which need no privileges")
	return cmd
}

func parseAlgorithm(s string) (pgp.Algorithm, error) {
	switch a := pgp.Algorithm(s); a {
	case pgp.Curve25519, pgp.RSA3072, pgp.RSA4096:
		return a, nil
	}
	return "", fmt.Errorf("unknown algorithm %q; use curve25519, rsa3072 or rsa4096", s)
}
