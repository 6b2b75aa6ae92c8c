//go:build unix

package engines

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// say sends one command to the Redis at addr, over a connection of its own, and
// returns the answer as a text: lists are flat, their parts one a line. A
// refusal is an error.
func say(addr string, args ...string) (string, error) {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(5 * time.Second))
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(args))
	for _, a := range args {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(a), a)
	}
	if _, err := io.WriteString(conn, b.String()); err != nil {
		return "", err
	}
	return hear(bufio.NewReader(conn))
}

func hear(r *bufio.Reader) (string, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return "", err
	}
	line = strings.TrimRight(line, "\r\n")
	if line == "" {
		return "", errors.New("the answer is empty")
	}
	switch n, _ := strconv.Atoi(line[1:]); line[0] {
	case '-':
		return "", errors.New(line[1:])
	case '$':
		if n < 0 {
			return "", nil
		}
		text := make([]byte, n+2)
		_, err := io.ReadFull(r, text)
		return string(text[:n]), err
	case '*':
		var parts []string
		for range n {
			part, err := hear(r)
			if err != nil {
				return "", err
			}
			parts = append(parts, part)
		}
		return strings.Join(parts, "\n"), nil
	}
	return line[1:], nil
}

// until polls cond. It fails the test when that takes too long, and says what
// was missing last.
func (p *process) until(what string, cond func() error) {
	p.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		err := cond()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("engines: not within %s: %s: %v", patience, what, err)
		}
	}
}

// followed reports whether each replica of the Redis at addr has confirmed what
// it was sent, and there are at least n. One that says itself that it is in sync
// may still be about to do so.
func followed(addr string, n int) error {
	info, err := say(addr, "INFO", "replication")
	for line := range strings.Lines(info) {
		if strings.HasPrefix(line, "slave") && strings.Contains(line, "state=") {
			if !strings.Contains(line, "state=online") || strings.Contains(line, ",offset=0,") {
				return errors.New(line)
			}
			n--
		}
	}
	if err == nil && n > 0 {
		err = errors.New("a replica is missing")
	}
	return err
}

// follows reports whether the Redis at addr is a replica that has all its
// master had when it came.
func follows(addr string) error {
	role, err := say(addr, "ROLE")
	if err == nil && (!strings.HasPrefix(role, "slave\n") || !strings.Contains(role, "\nconnected\n")) {
		err = errors.New("it is no replica that is in sync")
	}
	return err
}
