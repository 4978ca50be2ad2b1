// Package keyholder keeps private keys in a process of their own. The [Server]
// has the keys and is reachable by Unix socket only; the [Client], in the
// process that faces the network, has the certificates and asks.
//
// The server never sees a message. It gets session key packets and states of
// hash functions (see [pgp.Holder]), gives back session keys and signatures,
// and has no request that would give out a private key or have anything signed
// but a document, now, with the first key of a desk. Whoever takes over the
// asking process can have mail opened and signed for as long as he is in it,
// and finds no key to take away.
//
// # Protocol
//
// One request, one reply, then the next; as many connections as are wanted.
// Request and reply are frames: a length (4 octets, big-endian), then as many
// octets, the first of which is the version of the protocol, 1. The second is
// the operation or, in replies, the status. The rest is fields; a field of no
// fixed size begins with its length in as many octets as told here.
//
//	keys         1  no fields
//	             →  for each key: desk (1), certificate in ASCII armor (3)
//	session key  2  fingerprint of the certificate (1), of the subkey (1), session key packet (2)
//	             →  cipher (1 octet), key (1)
//	sign         3  fingerprint of the certificate (1), of the subkey (1), time in seconds since 1970 (8 octets),
//	                hash function (1 octet), salt (1), state of the hash function (2), recipients (2): fingerprints (1)
//	             →  signature packet (2)
//
// Statuses: 0 done; 1 the session key does not decrypt (no fields); 2 the key
// is not held here, 3 refused, 4 not understood, 5 failed (each with a text of
// one field (1) for the log).
package keyholder
