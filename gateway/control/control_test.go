package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// serve starts a server whose folder has a path longer than a socket's address.
func serve(t *testing.T, commands map[string]Handler) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 40))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := Listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	s := Server(commands)
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return dir
}

func TestCommandIsCarriedOutAndAnswered(t *testing.T) {
	dir := serve(t, map[string]Handler{
		"greet": func(_ context.Context, by string, args json.RawMessage) (any, error) {
			var a struct{ Name string }
			if err := json.Unmarshal(args, &a); err != nil {
				return nil, err
			}
			if a.Name == "" {
				return nil, errors.New("whom? give a name")
			}
			return "hello " + a.Name + " from " + by, nil
		},
	})
	var got string
	if err := Call(t.Context(), dir, "greet", map[string]string{"name": "XB-1"}, &got); err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("hello XB-1 from local:%d", os.Getuid()); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if err := Call(t.Context(), dir, "greet", struct{}{}, &got); err == nil || err.Error() != "whom? give a name" {
		t.Errorf("a failure reads %v", err)
	}
	if err := Call(t.Context(), dir, "dance", struct{}{}, &got); err == nil || !strings.Contains(err.Error(), `does not know "dance"`) {
		t.Errorf("an unknown command: %v", err)
	}
	if err := Call(t.Context(), dir, "greet", strings.Repeat("x", 2<<20), &got); err == nil {
		t.Error("a command of 2 MiB was taken")
	}
	info, err := os.Stat(filepath.Join(dir, SocketName))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("socket: %v, %v", info.Mode(), err)
	}
}

func TestNobodyThere(t *testing.T) {
	dir := t.TempDir()
	if err := Call(t.Context(), dir, "greet", struct{}{}, nil); err == nil || !strings.Contains(err.Error(), "relais serve") {
		t.Errorf("no socket: %v", err)
	}
	l, err := Listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := Call(t.Context(), dir, "greet", struct{}{}, nil); err == nil || !strings.Contains(err.Error(), "relais serve") {
		t.Errorf("a socket that a crash left: %v", err)
	}
	again, err := Listen(dir)
	if err != nil {
		t.Fatalf("starting again: %v", err)
	}
	again.Close()
}
