// Package control lets the command line act on a running gateway: HTTP over a
// Unix socket in the data folder. Who may write to that socket may do
// everything, so only the gateway's own user and root can.
package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// SocketName is the name of the socket in the data folder.
const SocketName = "control.sock"

const maxBody = 1 << 20

// Handler answers one command: args is what the caller sent as JSON, by the
// local user who did.
type Handler func(ctx context.Context, by string, args json.RawMessage) (any, error)

// Listen makes the socket in dir, in place of one that a crash left.
func Listen(dir string) (net.Listener, error) {
	path, done, err := short(dir)
	if err != nil {
		return nil, err
	}
	defer done()
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil { // who comes before is asked for his user id
		l.Close()
		return nil, fmt.Errorf("control socket: %w", err)
	}
	l.SetUnlinkOnClose(false) // its path goes through a descriptor that is closed by then
	return l, nil
}

// short returns a path to the socket that fits into an address, which holds
// 107 bytes, however long the folder's own path is. It is good until done.
func short(dir string) (path string, done func(), err error) {
	folder, err := os.Open(dir)
	if err != nil {
		return "", nil, fmt.Errorf("control socket: %w", err)
	}
	return filepath.Join("/proc/self/fd", fmt.Sprint(folder.Fd()), SocketName), func() { folder.Close() }, nil
}

// Server returns the HTTP server for the commands, which are named by the
// last part of the path.
func Server(commands map[string]Handler) *http.Server {
	mux := http.NewServeMux()
	for name, h := range commands {
		mux.HandleFunc("POST /"+name, func(w http.ResponseWriter, r *http.Request) {
			by, ok := r.Context().Value(callerKey{}).(string)
			if !ok {
				answer(w, nil, errors.New("only the account that the gateway runs under, and root, may command it"))
				return
			}
			body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
			if err != nil {
				answer(w, nil, err)
				return
			}
			result, err := h(r.Context(), by, body)
			answer(w, result, err)
		})
	}
	return &http.Server{
		Handler: mux, ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 16 << 10,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			if uid, ok := userOf(c); ok && (uid == 0 || int(uid) == os.Getuid()) {
				ctx = context.WithValue(ctx, callerKey{}, fmt.Sprintf("local:%d", uid))
			}
			return ctx
		},
	}
}

type callerKey struct{}

// userOf returns the user at the other end of the socket.
func userOf(c net.Conn) (uid uint32, ok bool) {
	u, isUnix := c.(*net.UnixConn)
	if !isUnix {
		return 0, false
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return 0, false
	}
	err = raw.Control(func(fd uintptr) {
		if cred, err := syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED); err == nil {
			uid, ok = cred.Uid, true
		}
	})
	return uid, ok && err == nil
}

// failure is the answer to a command that failed.
type failure struct {
	Error string `json:"error"`
}

func answer(w http.ResponseWriter, result any, err error) {
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		w.WriteHeader(http.StatusUnprocessableEntity)
		result = failure{err.Error()}
	}
	json.NewEncoder(w).Encode(result)
}

// ErrNotRunning is wrapped when nobody listens at the socket.
var ErrNotRunning = errors.New("no gateway runs")

// Call sends a command to the gateway whose data folder is dir, and decodes
// its answer into result.
func Call(ctx context.Context, dir, command string, args, result any) error {
	path, done, err := short(dir)
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%w with the data folder %s; start it with 'relais serve'", ErrNotRunning, dir)
	}
	if err != nil {
		return err
	}
	defer done()
	body, err := json.Marshal(args)
	if err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}}}
	defer client.CloseIdleConnections()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://relais/"+command, bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := client.Do(r)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("%w with the data folder %s; start it with 'relais serve'", ErrNotRunning, dir)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("the gateway with the data folder %s does not let you in; use the account that it runs under", dir)
	case err != nil:
		return fmt.Errorf("asking the gateway: %w", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("asking the gateway: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		var f failure
		if json.Unmarshal(text, &f) != nil || f.Error == "" {
			f.Error = fmt.Sprintf("the gateway does not know %q (%s); is it of the same version?", command, strings.ToLower(resp.Status))
		}
		return errors.New(f.Error)
	}
	return json.Unmarshal(text, result)
}
