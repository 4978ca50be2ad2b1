package pgp

import (
	"bytes"
	"errors"
	"io"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
)

// ErrNotClearsigned is returned for text that is not one whole cleartext-signed
// message (RFC 9580 section 7) with nothing but white space around it.
var ErrNotClearsigned = errors.New("not one whole cleartext-signed message")

var clearsignStart = []byte("-----BEGIN PGP SIGNED MESSAGE-----")

// VerifyClearsigned returns the text that was signed, with CRLF line ends and
// without trailing blanks (they are not signed), and what the signature is
// worth.
func VerifyClearsigned(data []byte, ring *Ring, p Policy, at time.Time) ([]byte, Signature, error) {
	data = bytes.TrimSpace(data)
	if !bytes.HasPrefix(data, clearsignStart) || bytes.Count(data, clearsignStart) != 1 {
		return nil, Signature{}, ErrNotClearsigned
	}
	block, rest := clearsign.Decode(data)
	if block == nil || len(bytes.TrimSpace(rest)) > 0 || block.ArmoredSignature.Type != armorSignature {
		return nil, Signature{}, ErrNotClearsigned
	}
	packets, err := io.ReadAll(block.ArmoredSignature.Body)
	if err != nil {
		return nil, Signature{}, ErrNotClearsigned
	}
	raws, err := signaturePackets(packets)
	if err != nil || len(raws) == 0 {
		return nil, Signature{}, ErrNotClearsigned
	}
	return block.Bytes, judgement{ring, p, at}.all(raws, block.Bytes), nil
}
