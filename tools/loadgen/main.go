// Command loadgen sends AdmissionReviews to one webhook server on this machine over TLS keep-alive connections and
// prints what it measured as JSON.
//
// With -rate 0 every connection sends its next request when the last one is answered (throughput). With a rate,
// requests start by the clock and latency counts from when a request was due, so that a slow server cannot hide behind
// requests that were never sent (coordinated omission).
//
// With -token-file it speaks to an API server instead: what is posted is then an object to create.
//
// With -nothing CERTIFICATE,KEY it is a webhook instead, which allows everything: what any webhook costs here.
package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

type result struct {
	Requests  int            `json:"requests"`
	Failed    int            `json:"failed"`
	Seconds   float64        `json:"seconds"`
	PerSecond float64        `json:"perSecond"`
	Statuses  map[string]int `json:"statuses"`
	Allowed   int            `json:"allowed"`
	Denied    int            `json:"denied"`
	// Latencies in milliseconds.
	First float64 `json:"firstMs"`
	P50   float64 `json:"p50Ms"`
	P90   float64 `json:"p90Ms"`
	P99   float64 `json:"p99Ms"`
	P999  float64 `json:"p999Ms"`
	Max   float64 `json:"maxMs"`
}

type sample struct {
	took   time.Duration
	status int
	denied bool
}

func main() {
	target := flag.String("url", "", "https://127.0.0.1:PORT/v1/validate?timeout=10s")
	authority := flag.String("ca", "", "CA file of the server")
	bodies := flag.String("bodies", "", "file with one AdmissionReview a line")
	tokenFile := flag.String("token-file", "", "file with the bearer token to send; without one, none")
	connections := flag.Int("connections", 8, "connections kept alive")
	rate := flag.Float64("rate", 0, "requests a second, by the clock; 0: as fast as they are answered")
	seconds := flag.Float64("seconds", 10, "how long to send")
	requests := flag.Int("requests", 0, "stop after so many requests instead; 0: by time")
	unique := flag.Bool("unique", false, "make every object of every request differ (its resourceVersion)")
	nothing := flag.String("nothing", "", "certificate and key, files with a comma between: be a webhook that allows everything")
	flag.Parse()
	if certificate, key, found := strings.Cut(*nothing, ","); found {
		fmt.Fprintln(os.Stderr, "loadgen:", serveNothing(certificate, key))
		os.Exit(1)
	}
	measured, err := run(*target, *authority, *bodies, *tokenFile, *connections, *rate, *seconds, *requests, *unique)
	if err != nil {
		fmt.Fprintln(os.Stderr, "loadgen:", err)
		os.Exit(1)
	}
	json.NewEncoder(os.Stdout).Encode(measured)
}

func run(target, authority, file, tokenFile string, connections int, rate, seconds float64, limit int, unique bool) (*result, error) {
	where, err := url.Parse(target)
	if err != nil || (where.Hostname() != "127.0.0.1" && where.Hostname() != "localhost") {
		return nil, fmt.Errorf("only servers on this machine are loaded: %q", target)
	}
	lines, err := read(file)
	if err != nil {
		return nil, err
	}
	authorization := ""
	if tokenFile != "" {
		token, err := os.ReadFile(tokenFile)
		if err != nil {
			return nil, err
		}
		authorization = "Bearer " + string(bytes.TrimSpace(token))
	}
	client, err := clientFor(authority, connections)
	if err != nil {
		return nil, err
	}
	var next atomic.Int64
	var group sync.WaitGroup
	perConnection := make([][]sample, connections)
	started := time.Now()
	ends := started.Add(time.Duration(seconds * float64(time.Second)))
	for c := range connections {
		group.Go(func() {
			for {
				n := next.Add(1) - 1
				due := time.Now()
				if rate > 0 {
					due = started.Add(time.Duration(float64(n) / rate * float64(time.Second)))
					time.Sleep(time.Until(due))
				}
				if (limit > 0 && n >= int64(limit)) || (limit == 0 && due.After(ends)) {
					return
				}
				body := lines[n%int64(len(lines))]
				if unique {
					body = bytes.ReplaceAll(body, []byte(`"resourceVersion":"1`), []byte(`"resourceVersion":"`+strconv.FormatInt(n, 10)))
				}
				status, denied := send(client, target, authorization, body)
				perConnection[c] = append(perConnection[c], sample{time.Since(due), status, denied})
			}
		})
	}
	group.Wait()
	return summarize(perConnection, time.Since(started)), nil
}

func read(file string) ([][]byte, error) {
	source, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer source.Close()
	var lines [][]byte
	scanner := bufio.NewScanner(source)
	scanner.Buffer(nil, 16<<20)
	for scanner.Scan() {
		lines = append(lines, bytes.Clone(scanner.Bytes()))
	}
	if len(lines) == 0 {
		return nil, fmt.Errorf("%s has no AdmissionReview", file)
	}
	return lines, scanner.Err()
}

func clientFor(authority string, connections int) (*http.Client, error) {
	pem, err := os.ReadFile(authority)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s has no certificate", authority)
	}
	transport := &http.Transport{
		TLSClientConfig:     &tls.Config{RootCAs: roots},
		MaxIdleConnsPerHost: connections,
		MaxConnsPerHost:     connections,
	}
	return &http.Client{Transport: transport, Timeout: 30 * time.Second}, nil
}

var deniedMark = []byte(`"allowed":false`)

func send(client *http.Client, target, authorization string, body []byte) (status int, denied bool) {
	request, err := http.NewRequest(http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return 0, false
	}
	request.Header.Set("Content-Type", "application/json")
	if authorization != "" {
		request.Header.Set("Authorization", authorization)
	}
	answer, err := client.Do(request)
	if err != nil {
		return 0, false
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, false
	}
	return answer.StatusCode, bytes.Contains(content, deniedMark)
}

func summarize(perConnection [][]sample, took time.Duration) *result {
	all := slices.Concat(perConnection...)
	found := &result{Requests: len(all), Seconds: took.Seconds(), Statuses: map[string]int{}}
	if len(all) == 0 {
		return found
	}
	latencies := make([]float64, 0, len(all))
	for _, one := range all {
		found.Statuses[strconv.Itoa(one.status)]++
		switch {
		case one.status != http.StatusOK && one.status != http.StatusCreated:
			found.Failed++
		case one.denied:
			found.Denied++
		default:
			found.Allowed++
		}
		latencies = append(latencies, float64(one.took.Microseconds())/1000)
	}
	found.First = latencies[0]
	slices.Sort(latencies)
	at := func(share float64) float64 {
		return latencies[min(len(latencies)-1, int(share*float64(len(latencies))))]
	}
	found.P50, found.P90, found.P99, found.P999 = at(0.50), at(0.90), at(0.99), at(0.999)
	found.Max = latencies[len(latencies)-1]
	found.PerSecond = float64(len(all)) / took.Seconds()
	return found
}
