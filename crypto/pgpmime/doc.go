// Package pgpmime finds the OpenPGP structure in a mail message and opens it,
// and seals messages: PGP/MIME (RFC 3156), inline PGP, and header protection
// (RFC 9788 and the older protected-headers="v1").
//
// It works on the raw bytes with bounds on depth, parts and headers, and it is
// strict where leniency lets an attacker mix his text with decrypted text
// (EFAIL) or place a signature beside what the reader sees:
//
//   - One decrypted part is one message. Only multipart/encrypted at the very
//     top, or a text body that is one single PGP block and nothing else, counts
//     as encrypted.
//   - A signature counts only if it covers the whole entity that is returned.
//   - Headers count as signed only if they stand inside the signed part.
//   - Nothing is repaired. When a signature in clear fails because a server
//     changed the message on its way, [Message.Altered] says how, and it stays
//     failed.
package pgpmime
