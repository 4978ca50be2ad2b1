package server

import (
	"time"

	"relais.example/crypto/pgp"
	"relais.example/gateway/config"
	"relais.example/routing/directory"
)

// DeskCertificates reads the private keys of the desks and returns their
// certificates, by desk; the first one of a desk signs.
func DeskCertificates(c *config.Config) (map[string][]*pgp.Certificate, error) {
	keys, err := readKeys(c)
	if err != nil {
		return nil, err
	}
	return certificatesOf(keys), nil
}

func certificatesOf(keys map[string][]*pgp.Key) map[string][]*pgp.Certificate {
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
	return s.directory.Current().Health(directory.HealthOptions{At: at, Policy: keyPolicy(s.c), Desks: s.held})
}
