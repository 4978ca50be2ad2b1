package pgp

import (
	"bytes"
	"strings"
)

const tagUserID, tagUserAttribute = 13, 17 // RFC 9580 sections 5.11, 5.12

// ForAddress returns the certificate in binary form with only the user ids
// that name the address, as a Web Key Directory serves it: other addresses,
// pictures and their signatures stay out. It returns nil if no user id with a
// valid self-signature names the address. Upper and lower case of ASCII letters
// do not matter.
func (c *Certificate) ForAddress(addr string) []byte {
	named := false
	for _, id := range c.userIDs {
		named = named || strings.EqualFold(userIDAddress(id), addr)
	}
	if !named {
		return nil
	}
	var out bytes.Buffer
	keep := true
	for rest := c.raw; len(rest) > 0; {
		p, next, err := nextPacket(rest)
		if err != nil {
			return nil // cannot be: it was read before
		}
		rest = next
		switch p.tag {
		case tagUserID:
			keep = strings.EqualFold(userIDAddress(string(p.body)), addr)
		case tagUserAttribute:
			keep = false
		case tagPublicKey, tagPublicSub:
			keep = true
		}
		if keep && !p.ignorable() {
			out.Write(p.raw)
		}
	}
	return out.Bytes()
}

// userIDAddress returns the address in a user id: what stands between angle
// brackets at its end, or all of it (RFC 9580 section 5.11 names a convention,
// no grammar).
func userIDAddress(id string) string {
	if open := strings.LastIndexByte(id, '<'); open >= 0 && strings.HasSuffix(id, ">") {
		return id[open+1 : len(id)-1]
	}
	return id
}
