// Package pgp is the only package of Relais that speaks OpenPGP (RFC 9580).
//
// It reports facts and decides nothing: whether a message was encrypted to one
// of our keys, who signed it, when, with what, and whether that signature and
// its certificate hold up. What follows from the facts is the caller's
// business.
//
// Three rules hold throughout:
//
//   - Nothing of a message is returned unless all of it was read and its
//     integrity protection was checked. Packets inside the encryption are
//     parsed only after that check (so no parser ever sees bytes that an
//     attacker altered on the way).
//   - Every failure to decrypt is the one error [ErrCannotOpen]. An outsider
//     must not learn which step failed.
//   - A signature that fails is a fact, [Signature.State], never an error, and
//     no later success can overwrite it.
//
// Certificate, Key and Ring are immutable once made and may be shared by all
// goroutines.
package pgp
