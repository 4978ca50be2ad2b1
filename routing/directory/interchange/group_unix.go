//go:build unix

package interchange

import (
	"os/exec"
	"syscall"
)

// ownGroup lets the end of a program be the end of what it started, too:
// soffice is a script around the program itself.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
