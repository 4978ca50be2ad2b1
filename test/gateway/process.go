package gateway

import (
	"io"
	"os/exec"
	"runtime"
	"testing"
)

// process is a program that runs beside the test.
type process struct {
	*exec.Cmd
	exited chan error // gets the result of Wait
}

// start runs a program with its output in log.
func start(t testing.TB, log io.Writer, name string, args ...string) *process {
	t.Helper()
	p := &process{exec.Command(name, args...), make(chan error, 1)}
	p.Stdout, p.Stderr, p.SysProcAttr = log, log, notOrphaned()
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // see notOrphaned: the thread must outlive the program
		defer runtime.UnlockOSThread()
		err := p.Start()
		started <- err
		if err == nil {
			p.exited <- p.Wait()
		}
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	return p
}

// kill ends it with SIGKILL and waits.
func (p *process) kill() {
	p.Process.Kill()
	<-p.exited
}
