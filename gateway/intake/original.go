package intake

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"relais.example/gateway/vault"
	"relais.example/routing/request"
)

// A view with the original attached is stored without it, and its item names
// both bodies: nothing is kept twice. [Body] puts them together.
const itemJoin = "+"

// originalHeader is the header of the part that holds the message as it came.
// It is no message/rfc822: programs show those beside the message, with
// headers that anybody may have written.
func originalHeader(ref request.Reference) string {
	name := "original.eml"
	if ref != "" {
		name = string(ref) + "-original.eml"
	}
	return "Content-Type: application/octet-stream; name=\"" + name + "\"\r\n" +
		"Content-Disposition: attachment; filename=\"" + name + "\"\r\n" +
		"Content-Description: The message as it came\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
}

// viewed is the view that stands for a rendered one and the original.
func (a *arrival) viewed(item string, size int, original string) view {
	if !a.desk.AttachOriginal || a.broken { // the note on it holds the original as a file
		return view{item, int64(size)}
	}
	return view{item + itemJoin + original, int64(size + len(a.inbound.Raw))}
}

// Body returns the bytes of a message in a folder.
func Body(ctx context.Context, v *vault.Vault, item string) ([]byte, error) {
	shown, original, attached := strings.Cut(item, itemJoin)
	body, err := v.Get(ctx, shown)
	if err != nil || !attached {
		return body, err
	}
	end := bytes.LastIndex(body, []byte("\r\n--")) // the original goes before the last boundary
	if end < 0 {
		return nil, fmt.Errorf("%s: %w", item, vault.ErrDamaged)
	}
	raw, err := v.Get(ctx, original)
	if err != nil {
		return nil, err
	}
	whole := make([]byte, 0, len(body)+len(raw))
	whole = append(append(whole, body[:end]...), raw...)
	return append(whole, body[end:]...), nil
}
