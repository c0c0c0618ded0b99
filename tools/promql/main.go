// What Prometheus' own engine makes of expressions over series that are given.
//
// In: {"startSeconds": 0, "stepSeconds": 60, "series": {"up{job=\"a\"}": "1 1 0x5"}, "atSeconds": 600, "expressions":
// ["up == 0"]}, the values in the notation of promtool's unit tests. Out: for each expression the labels of what it gives.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/tsdb"
)

type asked struct {
	StartSeconds int64             `json:"startSeconds"`
	StepSeconds  int64             `json:"stepSeconds"`
	AtSeconds    int64             `json:"atSeconds"`
	Series       map[string]string `json:"series"`
	Expressions  []string          `json:"expressions"`
}

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer) error {
	var ask asked
	if err := json.NewDecoder(in).Decode(&ask); err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "promql")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	db, err := tsdb.Open(folder, nil, nil, tsdb.DefaultOptions(), nil)
	if err != nil {
		return err
	}
	defer db.Close()
	if err := fill(db, ask); err != nil {
		return err
	}
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 1_000_000, Timeout: time.Minute})
	found := make([][]map[string]string, 0, len(ask.Expressions))
	for _, text := range ask.Expressions {
		query, err := engine.NewInstantQuery(context.Background(), db, nil, text, time.Unix(ask.AtSeconds, 0))
		if err != nil {
			return fmt.Errorf("%s: %w", text, err)
		}
		result := query.Exec(context.Background())
		if result.Err != nil {
			return fmt.Errorf("%s: %w", text, result.Err)
		}
		vector, err := result.Vector()
		if err != nil {
			return fmt.Errorf("%s: %w", text, err)
		}
		labels := []map[string]string{}
		for _, sample := range vector {
			labels = append(labels, sample.Metric.Map())
		}
		found = append(found, labels)
	}
	return json.NewEncoder(out).Encode(found)
}

func fill(db *tsdb.DB, ask asked) error {
	appender := db.Appender(context.Background())
	for name, values := range ask.Series {
		labels, samples, err := parser.NewParser(parser.Options{}).ParseSeriesDesc(name + " " + values)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		for index, sample := range samples {
			if sample.Omitted {
				continue
			}
			at := (ask.StartSeconds + int64(index)*ask.StepSeconds) * 1000
			if _, err := appender.Append(0, labels, at, sample.Value); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return appender.Commit()
}
