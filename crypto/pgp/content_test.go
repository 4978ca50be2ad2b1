package pgp

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"
)

func TestPiecesAreJoinedAndBounded(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789"), 1000)
	for _, first := range []int{1, 7, 9999, 10000, 10001} {
		for name, r := range map[string]io.Reader{
			"at once": bytes.NewReader(data), "byte by byte": iotest.OneByteReader(bytes.NewReader(data)), "end with the data": iotest.DataErrReader(bytes.NewReader(data)),
		} {
			if got, err := readPieces(r, first, 10000); err != nil || !bytes.Equal(got, data) {
				t.Errorf("%d, %s: %d bytes, %v", first, name, len(got), err)
			}
		}
		if got, err := readPieces(bytes.NewReader(data), first, 9999); !errors.Is(err, ErrTooLarge) || got != nil {
			t.Errorf("%d, one too many: %v", first, err)
		}
		// A decompressor says this of data that was cut off.
		cut := io.MultiReader(bytes.NewReader(data), iotest.ErrReader(io.ErrUnexpectedEOF))
		if got, err := readPieces(cut, first, 1<<20); err != io.ErrUnexpectedEOF || got != nil {
			t.Errorf("%d, cut off: %v", first, err)
		}
	}
}
