package pgpmime

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"strings"
	"unicode/utf8"
)

const maxLine = 998 // RFC 5322 section 2.1.1, without CRLF

// encodeBody returns the content type with the header protection parameters,
// the transfer encoding and the encoded body.
func (d *Draft) encodeBody() (media, encoding string, body []byte, err error) {
	contentType := d.ContentType
	if contentType == "" {
		if !utf8.Valid(d.Body) {
			return "", "", nil, errors.New("body: text is not valid UTF-8")
		}
		contentType = "text/plain; charset=utf-8"
	}
	if _, err := unstructured(contentType); err != nil {
		return "", "", nil, fmt.Errorf("content type: %w", err)
	}
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return "", "", nil, fmt.Errorf("content type: %w", err)
	}
	if media = formatMedia(kind, params); media == "" {
		return "", "", nil, errors.New("content type: cannot be written")
	}
	switch {
	case strings.HasPrefix(kind, "multipart/"), strings.HasPrefix(kind, "message/"):
		if body, err = crlf(d.Body); err != nil {
			return "", "", nil, fmt.Errorf("body: %w", err)
		}
		if longestLine(body) > maxLine {
			return "", "", nil, fmt.Errorf("body: a line is longer than %d bytes: encode the parts first", maxLine)
		}
		if !ascii(body) {
			return media, "8bit", body, nil
		}
		return media, "", body, nil
	case strings.HasPrefix(kind, "text/"):
		body, err = quotedPrintable(d.Body)
		return media, "quoted-printable", body, err
	}
	return media, "base64", base64Lines(d.Body), nil
}

// formatMedia writes a content type with our own header protection parameters,
// in the quoted form that older programs look for.
func formatMedia(kind string, params map[string]string) string {
	delete(params, "hp")
	delete(params, "protected-headers")
	plain := mime.FormatMediaType(kind, params)
	if plain == "" {
		return ""
	}
	return plain + `; hp="cipher"; protected-headers="v1"`
}

func quotedPrintable(text []byte) ([]byte, error) {
	var b bytes.Buffer
	b.Grow(len(text) + len(text)/8)
	w := quotedprintable.NewWriter(&b)
	if _, err := w.Write(text); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func base64Lines(data []byte) []byte {
	const perLine = 57 // 76 characters
	out := make([]byte, 0, base64.StdEncoding.EncodedLen(len(data))+2*(len(data)/perLine+1))
	for len(data) > 0 {
		n := min(perLine, len(data))
		out = append(base64.StdEncoding.AppendEncode(out, data[:n]), "\r\n"...)
		data = data[n:]
	}
	return out
}

func longestLine(text []byte) int {
	longest := 0
	for line := range bytes.Lines(text) {
		longest = max(longest, len(bytes.TrimRight(line, "\r\n")))
	}
	return longest
}

func ascii(text []byte) bool {
	for _, c := range text {
		if c >= 0x80 {
			return false
		}
	}
	return true
}
