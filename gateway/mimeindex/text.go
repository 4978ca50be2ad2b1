package mimeindex

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"io"
	"mime"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/htmlindex"
)

// maxDecodedText bounds what Texts decodes of one part, in bytes.
const maxDecodedText = 8 << 20

// Texts calls f with the decoded text of every text part, in order, and with
// the decoded header of every embedded message, until f returns false.
func (x *Index) Texts(raw []byte, f func(text string) bool) {
	if len(raw) == x.size {
		x.Root.texts(raw, f)
	}
}

func (p *Part) texts(raw []byte, f func(string) bool) bool {
	switch {
	case p.IsMultipart():
		for _, child := range p.Parts {
			if !child.texts(raw, f) {
				return false
			}
		}
		return true
	case p.IsMessage():
		inner := p.Parts[0]
		return f(DecodeHeader(string(raw[inner.HeaderStart:inner.BodyStart]))) && inner.texts(raw, f)
	case p.Type != "text" && p.Type != "multipart":
		return true
	}
	body := raw[p.BodyStart:p.End]
	body = body[:min(len(body), maxDecodedText)]
	if decoded, ok := decodeTransfer(body, p.Encoding); ok {
		body = decoded
	}
	return f(decodeCharset(body, p.Params["charset"]))
}

// Header calls f with name and decoded, unfolded value of every field of the
// message's header until f returns false. raw may be nil when HasHeader.
func (x *Index) Header(raw []byte, f func(name, value string) bool) {
	header := x.header
	if header == nil && len(raw) == x.size {
		header = raw[:x.Root.BodyStart]
	}
	eachField(header, func(name, value, _ []byte) bool {
		return len(name) == 0 || f(string(name), DecodeHeader(unfold(value)))
	})
}

// HasHeader reports whether the index holds the message's header itself.
func (x *Index) HasHeader() bool { return x.header != nil }

// DecodeHeader decodes the encoded words of RFC 2047 in s. What cannot be
// decoded stays; the result is valid UTF-8.
func DecodeHeader(s string) string {
	if strings.Contains(s, "=?") {
		dec := mime.WordDecoder{CharsetReader: charsetReader}
		if out, err := dec.DecodeHeader(s); err == nil {
			s = out
		}
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// decodeTransfer undoes a Content-Transfer-Encoding. Broken input yields what
// could be decoded.
func decodeTransfer(body []byte, encoding string) (out []byte, ok bool) {
	switch {
	case identity(encoding):
		return body, true
	case encoding == "quoted-printable":
		return decodeQuotedPrintable(body), true
	case encoding == "base64":
		return decodeBase64(body), true
	}
	return nil, false
}

// decodeQuotedPrintable undoes RFC 2045, section 6.7. What is no encoding stays
// as it is.
func decodeQuotedPrintable(body []byte) []byte {
	out := make([]byte, 0, len(body))
	for len(body) > 0 {
		n := lineLen(body)
		line := body[:n]
		for len(line) > 0 && isSpace(line[len(line)-1]) { // added on the way, or the line's end
			line = line[:len(line)-1]
		}
		ending := body[len(line):n]
		body = body[n:]
		soft := bytes.HasSuffix(line, []byte("="))
		if soft {
			line = line[:len(line)-1]
		}
		out = appendEscaped(out, line)
		switch {
		case soft:
		case bytes.HasSuffix(ending, []byte("\r\n")):
			out = append(out, "\r\n"...)
		case bytes.HasSuffix(ending, []byte("\n")):
			out = append(out, '\n')
		}
	}
	return out
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// appendEscaped appends line with every "=E9" replaced by its byte.
func appendEscaped(out, line []byte) []byte {
	for {
		i := bytes.IndexByte(line, '=')
		if i < 0 {
			return append(out, line...)
		}
		out = append(out, line[:i]...)
		var b [1]byte
		if _, err := hex.Decode(b[:], line[i+1:min(i+3, len(line))]); err != nil || i+3 > len(line) {
			b[0], line = '=', line[i+1:]
		} else {
			line = line[i+3:]
		}
		out = append(out, b[0])
	}
}

// decodeBase64 ignores everything outside the alphabet (RFC 2045, section
// 6.8) and a broken end.
func decodeBase64(body []byte) []byte {
	out := make([]byte, base64.RawStdEncoding.DecodedLen(len(body))) // the padding may be missing
	if n, err := base64.StdEncoding.Decode(out, body); err == nil {
		return out[:n]
	}
	clean := make([]byte, 0, len(body))
	for _, c := range body {
		switch {
		case c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '+', c == '/':
			clean = append(clean, c)
		}
	}
	if len(clean)%4 == 1 {
		clean = clean[:len(clean)-1]
	}
	n, _ := base64.RawStdEncoding.Decode(out, clean)
	return out[:n]
}

func decodeCharset(b []byte, charset string) string {
	switch strings.ToLower(charset) {
	case "", "us-ascii", "utf-8":
	default:
		if r, err := charsetReader(charset, bytes.NewReader(b)); err == nil {
			if out, err := io.ReadAll(r); err == nil {
				b = out
			}
		}
	}
	if utf8.Valid(b) {
		return string(b)
	}
	return strings.ToValidUTF8(string(b), "\uFFFD")
}

// charsetReader knows the encodings of the WHATWG list, which are those that
// mail programs use.
func charsetReader(charset string, r io.Reader) (io.Reader, error) {
	enc, err := htmlindex.Get(charset)
	if err != nil {
		return nil, err
	}
	return enc.NewDecoder().Reader(r), nil
}
