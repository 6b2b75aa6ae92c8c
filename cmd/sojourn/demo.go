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
)

func newDemo() *cobra.Command {
	var addr string
	var how demoKeeping
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run a small web application that shows its session, in the browser and in the store",
		Long: `Run a small web application that keeps a sign-in, a language, a cart and
messages in its session, and shows beside them what the browser holds and what
is stored. It needs no set-up: its sessions are kept in SQLite, in a file of
yours that survives a restart. What happens to sessions is logged on standard
error.

--store keeps them elsewhere:

  memory:                 in memory: they end when the demo stops
  sqlite:PATH             in SQLite, in this file; it is made if need be
  redis://HOST:PORT/DB    in Redis or Valkey; name:password@ stands before the
                          host, and rediss:// is for TLS

--keep keeps the whole session in the cookie instead:

  flask                   signed, in Flask's form: the visitor can read it
  encrypted               encrypted: the visitor can read nothing

Without --secret-file the demo makes a key for itself, and such sessions end
when it stops. Signing out ends copies of a cookie only if there is a list of
ended sessions. For encrypted ones it is in memory, or where --store says, and
what outgrows its cookie goes on there; for signed ones there is one only with
--store. The file with the keys is read again about twice a minute while the
demo runs: change them with "sojourn key add" and "sojourn key activate".

Several demos can share one file or one Redis, and then have the same sessions;
those in cookies are shared by the key, and --store shares the list.`,
		Example: `  sojourn demo
  sojourn demo --addr 127.0.0.1:9000
  sojourn demo --store redis://127.0.0.1:6379
  sojourn demo --keep flask --secret-file demo.key
  sojourn demo --keep encrypted --secret-file demo.key --store sqlite:ended.db`,
		Args: noKeyArgument,
		RunE: func(cmd *cobra.Command, _ []string) error {
			how.storeGiven, how.keepGiven = cmd.Flags().Changed("store"), cmd.Flags().Changed("keep")
			return runDemo(cmd, addr, &how)
		},
	}
	cmd.Flags().StringVar(&addr, "addr", "127.0.0.1:8080", "address to listen at")
	cmd.Flags().StringVar(&how.store, "store", "", "store to keep sessions in, see above (default SQLite, in a file of yours); with --keep the list of ended ones")
	cmd.Flags().StringVar(&how.keep, "keep", "", `"flask" keeps sessions in signed cookies, "encrypted" in encrypted ones`)
	cmd.Flags().StringArrayVar(&how.files, "secret-file", nil, "with --keep: file that holds a key, or several as sojourn key add writes them; repeatable, the first writes")
	return cmd
}

// runDemo opens what the sessions are kept in, serves until the command's
// context ends, and closes it again.
func runDemo(cmd *cobra.Command, addr string, how *demoKeeping) (err error) {
	if err := how.check(); err != nil {
		return err
	}
	config := demo.Config{Events: sojourn.LogEvents(slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil)))}
	kept, closeStore, err := how.open(cmd.Context(), &config)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := closeStore(); err == nil && cerr != nil {
			err = &failure{err: fmt.Errorf("closing the store: %w", cerr)}
		}
	}()
	app, err := demo.New(config)
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
	if err := output(cmd, greeting(listener.Addr(), kept)); err != nil {
		listener.Close()
		return err
	}
	ctx, stop := context.WithCancel(cmd.Context())
	background := make(chan struct{})
	go func() {
		defer close(background)
		_ = app.Run(ctx) // ctx has ended, it says
	}()
	defer func() { stop(); <-background }() // before the store is closed
	return serve(ctx, listener, app)
}

// greeting is what the demo says when it is ready.
func greeting(addr net.Addr, kept string) string {
	text := fmt.Sprintf("the demo is at http://%s/\n%s\n", addr, kept)
	if a, ok := addr.(*net.TCPAddr); ok && !a.IP.IsLoopback() {
		text += "this address is open to the network, and plain http can be listened to: it is for looking only\n"
	}
	return text + "press Ctrl-C to stop it\n"
}

// serve serves until ctx ends, and then lets running requests finish, for a
// moment.
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
	grace, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if server.Shutdown(grace) != nil {
		server.Close() // a browser has connected and asks nothing, or an answer takes too long
	}
	return nil
}
