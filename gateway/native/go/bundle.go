package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/bundle"
)

// bundleRequest is a bundle as it came, and the keys that may have signed it. Without keys it must not be signed.
type bundleRequest struct {
	Archive  []byte                       `json:"archive"`
	Keys     map[string]*bundle.KeyConfig `json:"keys"`
	Scope    string                       `json:"scope"`
	MaxBytes int64                        `json:"max_bytes"`
}

type bundleModule struct {
	Path    string `json:"path"`
	Text    string `json:"text"`
	Version int    `json:"version"`
}

type bundleReply struct {
	Modules  []bundleModule `json:"modules"`
	Data     map[string]any `json:"data"`
	Revision string         `json:"revision"`
	Roots    []string       `json:"roots"`
}

func init() {
	register("rego.bundle", readBundle)
}

// readBundle reads an OPA bundle (a gzipped tar), verified as OPA verifies it.
func readBundle(in []byte) ([]byte, error) {
	var request bundleRequest
	if err := json.Unmarshal(in, &request); err != nil {
		return nil, err
	}
	if err := checkUnpacked(request.Archive, request.MaxBytes); err != nil {
		return nil, err
	}
	reader := bundle.NewCustomReader(bundle.NewTarballLoaderWithBaseURL(bytes.NewReader(request.Archive), "")).
		WithSizeLimitBytes(request.MaxBytes).WithRegoVersion(ast.RegoV1)
	if len(request.Keys) > 0 {
		verification := bundle.NewVerificationConfig(request.Keys, onlyKey(request.Keys), request.Scope, nil)
		reader = reader.WithBundleVerificationConfig(verification)
	}
	read, err := reader.Read()
	if err != nil {
		return nil, err
	}
	if len(read.WasmModules) > 0 || read.Type() == bundle.DeltaBundleType {
		return nil, errors.New("the bundle holds Wasm modules or is a delta: neither is supported")
	}
	reply := bundleReply{Modules: []bundleModule{}, Data: read.Data, Revision: read.Manifest.Revision}
	if read.Manifest.Roots != nil {
		reply.Roots = *read.Manifest.Roots
	}
	for _, module := range read.Modules {
		version, err := read.RegoVersionForFile(module.Path, ast.RegoV1)
		if err != nil {
			return nil, err
		}
		number := 1
		if version == ast.RegoV0 {
			number = 0
		}
		reply.Modules = append(reply.Modules, bundleModule{Path: module.Path, Text: string(module.Raw), Version: number})
	}
	return json.Marshal(reply)
}

// onlyKey is the id of the one key there is: a signature need not name it then.
func onlyKey(keys map[string]*bundle.KeyConfig) string {
	for id := range keys {
		if len(keys) == 1 {
			return id
		}
	}
	return ""
}

// checkUnpacked refuses what unpacks to more than limit bytes: OPA bounds each file, not all of them.
func checkUnpacked(archive []byte, limit int64) error {
	unpacked, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		return fmt.Errorf("not a gzipped tar: %w", err)
	}
	size, err := io.Copy(io.Discard, io.LimitReader(unpacked, limit+1))
	if err != nil {
		return fmt.Errorf("not a gzipped tar: %w", err)
	}
	if size > limit {
		return fmt.Errorf("the bundle unpacks to more than %d bytes", limit)
	}
	return nil
}
