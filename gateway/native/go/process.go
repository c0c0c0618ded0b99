package main

import (
	"encoding/json"
	"runtime"
	"runtime/debug"
)

func init() {
	register("process.tune", tune)
	register("process.version", version)
}

// tuning of the Go runtime; a field that is absent leaves what the environment (GOGC, GOMEMLIMIT, GOMAXPROCS) says.
type tuning struct {
	GCPercent   *int   `json:"gcPercent"`
	MemoryBytes *int64 `json:"memoryBytes"`
	Processors  *int   `json:"processors"`
}

func tune(in []byte) ([]byte, error) {
	var wanted tuning
	if err := json.Unmarshal(in, &wanted); err != nil {
		return nil, err
	}
	if wanted.GCPercent != nil {
		debug.SetGCPercent(*wanted.GCPercent)
	}
	if wanted.MemoryBytes != nil {
		debug.SetMemoryLimit(*wanted.MemoryBytes)
	}
	if wanted.Processors != nil {
		runtime.GOMAXPROCS(*wanted.Processors)
	}
	return nil, nil
}

// version names Go and every module that the library is made of.
func version([]byte) ([]byte, error) {
	modules := map[string]string{"go": runtime.Version()}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, module := range info.Deps {
			modules[module.Path] = module.Version
		}
	}
	return json.Marshal(modules)
}
