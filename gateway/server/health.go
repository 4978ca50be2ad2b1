package server

import (
	"time"

	"relais.example/crypto/keyholder"
	"relais.example/crypto/pgp"
	"relais.example/gateway/config"
	"relais.example/gateway/deskkey"
	"relais.example/routing/directory"
)

// DeskCertificates returns the certificates of the desks' private keys, from
// their files or from the keyholder, by desk; the first one of a desk signs. An
// administrator may often read the files but not ask the keyholder.
func DeskCertificates(c *config.Config) (map[string][]*pgp.Certificate, error) {
	if c.Keyholder.Socket == "" {
		keys, err := deskkey.ReadAll(c)
		return certificatesOf(keys), err
	}
	holder := keyholder.NewClient(c.Keyholder.Socket, keyholder.ClientOptions{})
	defer holder.Close()
	desks, err := holder.Keys()
	if err != nil {
		if keys, unread := deskkey.ReadAll(c); unread == nil {
			return certificatesOf(keys), nil
		}
		return nil, err
	}
	keys := deskkey.Set{}
	for _, d := range desks {
		keys[d.ID] = d.Keys
	}
	return certificatesOf(keys), nil
}

func certificatesOf(keys deskkey.Set) map[string][]*pgp.Certificate {
	out := map[string][]*pgp.Certificate{}
	for desk, list := range keys {
		for _, k := range list {
			out[desk] = append(out[desk], k.Certificate())
		}
	}
	return out
}

// KeyPolicy returns what the configuration asks of keys.
func KeyPolicy(c *config.Config) pgp.Policy { return keyPolicy(c) }

// health looks at the Directory in force with the eyes of this gateway.
func (s *Server) health(at time.Time) []directory.Finding {
	return s.directory.Current().Health(directory.HealthOptions{At: at, Policy: keyPolicy(s.c), Desks: certificatesOf(*s.keys.Load())})
}
