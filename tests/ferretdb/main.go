// SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary

// A MongoDB-compatible server for tests, where no mongod is to be had: FerretDB with SQLite below it.
//
//	ferretdb --listen ADDR --data DIR
//
// Prints `ready mongodb://ADDR/` on standard output once it accepts connections, stops on SIGTERM or SIGINT.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/FerretDB/FerretDB/ferretdb"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:27017", "TCP `address` to listen on")
	data := flag.String("data", "data", "`folder` of the SQLite files, made where it is missing")
	verbose := flag.Bool("verbose", false, "log what FerretDB says, not only its warnings")
	flag.Parse()

	if err := run(*listen, *data, *verbose); err != nil {
		fmt.Fprintln(os.Stderr, "ferretdb:", err)
		os.Exit(1)
	}
}

func run(listen, data string, verbose bool) error {
	folder, err := filepath.Abs(data)
	if err != nil {
		return err
	}

	if err = os.MkdirAll(folder, 0o700); err != nil {
		return err
	}

	level := slog.LevelWarn
	if verbose {
		level = slog.LevelInfo
	}

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()

	// FerretDB insists on a final slash: it names a folder of databases, not one database.
	sqlite := url.URL{Scheme: "file", Opaque: (&url.URL{Path: folder + "/"}).EscapedPath()}

	server, err := ferretdb.New(&ferretdb.Config{
		Listener:  ferretdb.ListenerConfig{TCP: listen},
		Handler:   "sqlite",
		SQLiteURL: sqlite.String(),
		Logger:    slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level})),
	})
	if err != nil {
		return err
	}

	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()

	// The address is known only once Run has its listener, which this call waits for.
	fmt.Println("ready", server.MongoDBURI())

	if err = <-done; errors.Is(err, context.Canceled) {
		err = nil
	}

	return err
}
