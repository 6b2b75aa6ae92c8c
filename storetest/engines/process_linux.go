package engines

import (
	"os/exec"
	"runtime"
	"syscall"
)

// dieWithParent has the kernel end the server when the test is killed.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

// run starts and awaits a program. The kernel's "parent" is the thread that
// started it, so that thread must live as long as the program: a goroutine of
// its own keeps it.
func run(cmd *exec.Cmd, started chan<- error, exited chan<- struct{}) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := cmd.Start()
	started <- err
	if err == nil {
		cmd.Wait()
		close(exited)
	}
}
