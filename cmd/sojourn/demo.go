package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/cmd/sojourn/internal/demo"
	"github.com/sojourn-go/sojourn/keys"
)

func newDemo() *cobra.Command {
	var addr string
	var files []string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run a small web application that shows its session's cookie",
		Long: `Run a small web application that keeps a sign-in, a language, a cart and
messages in its session, and shows the cookie, taken apart, beside them. It
needs no set-up: without --secret-file it makes a key for itself, and its
sessions end when it stops. What happens to sessions is logged on standard error.`,
		Example: `  sojourn demo
  sojourn demo --addr 127.0.0.1:9000`,
		Args: noKeyArgument,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ring, err := demoRing(files)
			if err != nil {
				return err
			}
			config := demo.Config{
				Ring:   ring,
				Events: sojourn.LogEvents(slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))),
			}
			if len(files) > 0 {
				config.SecretFile = files[0]
			}
			handler, err := demo.New(config)
			if err != nil {
				return err
			}
			listener, err := net.Listen("tcp", addr)
			if errors.Is(err, syscall.EADDRINUSE) {
				return &failure{err: fmt.Errorf("%s is in use by another program; choose another address, such as --addr 127.0.0.1:8081", addr)}
			}
			if err != nil {
				return &failure{err: fmt.Errorf("--addr %s: %w", addr, err)}
			}
			if err := output(cmd, greeting(listener.Addr(), len(files) == 0)); err != nil {
				listener.Close()
				return err
			}
			return serve(cmd.Context(), listener, handler)
		},
	}
	cmd.Flags().StringVar(&addr, "addr", "127.0.0.1:8080", "address to listen at")
	cmd.Flags().StringArrayVar(&files, "secret-file", nil, "file that holds one key, as for cookie verify; repeatable, the first signs")
	return cmd
}

// demoRing makes the demo's keys. Weak ones are refused, as in a program.
func demoRing(files []string) (*keys.Ring, error) {
	if len(files) == 0 {
		return keys.New([][]byte{[]byte(keys.Generate())})
	}
	secrets, err := readSecrets(files)
	if err != nil {
		return nil, err
	}
	var list [][]byte
	var sources []string
	for _, s := range secrets {
		list, sources = append(list, s.bytes), append(sources, s.source)
	}
	return keys.New(list, keys.Named(sources...))
}

// greeting is what the demo says when it is ready.
func greeting(addr net.Addr, ownKey bool) string {
	text := fmt.Sprintf("the demo is at http://%s/\n", addr)
	if ownKey {
		text += "it made a key for itself, so its sessions end when it stops\n"
	}
	if a, ok := addr.(*net.TCPAddr); ok && !a.IP.IsLoopback() {
		text += "this address is open to the network, and plain http can be listened to: it is for looking only\n"
	}
	return text + "press Ctrl-C to stop it\n"
}

// serve serves until ctx ends, and then lets running requests finish.
func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      10 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    64 << 10,
	}
	stopped := make(chan error, 1)
	go func() { stopped <- server.Serve(listener) }()
	select {
	case err := <-stopped:
		return &failure{err: err}
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := server.Shutdown(grace); err != nil {
		return &failure{err: fmt.Errorf("stopping the demo: %w", err)}
	}
	return nil
}
