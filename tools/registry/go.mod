// The registry of the tests: go-containerregistry's in-memory one.
module govgate.dev/tools/registry

go 1.26.0

require github.com/google/go-containerregistry v0.20.7
