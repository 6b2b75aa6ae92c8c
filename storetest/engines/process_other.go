//go:build unix && !linux

package engines

import (
	"os/exec"
	"syscall"
)

// dieWithParent: only Linux can end a server when its test is killed.
func dieWithParent() *syscall.SysProcAttr { return nil }

// run starts and awaits a program.
func run(cmd *exec.Cmd, started chan<- error, exited chan<- struct{}) {
	err := cmd.Start()
	started <- err
	if err == nil {
		cmd.Wait()
		close(exited)
	}
}

// children: only Linux shows the processes that a server has started.
func children(pid int) []int { return nil }

func finish(pids []int) {}
