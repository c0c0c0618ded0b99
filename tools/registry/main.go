// A registry in memory, for tests: go-containerregistry's own, with the referrers API or without.
package main

import (
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"

	"github.com/google/go-containerregistry/pkg/registry"
)

func main() {
	address := flag.String("address", "127.0.0.1:0", "where to listen")
	referrers := flag.Bool("referrers", true, "whether the referrers API exists")
	flag.Parse()
	listener, err := net.Listen("tcp", *address)
	if err != nil {
		log.Fatal(err)
	}
	quiet := registry.Logger(log.New(io.Discard, "", 0))
	handler := registry.New(registry.WithReferrersSupport(*referrers), quiet)
	fmt.Fprintln(os.Stdout, listener.Addr())
	// One line for each request, for tests that count them.
	counted := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(os.Stderr, r.Method, r.URL.Path)
		handler.ServeHTTP(w, r)
	})
	log.Fatal(http.Serve(listener, counted))
}
