// A load generator for `make bench`: standard library only.
module govgate.dev/tools/loadgen

go 1.26.0
