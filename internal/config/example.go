package config

import _ "embed"

// Example is the commented configuration that `dunning init` writes. It is the
// file config.example.yaml at the top of the repository, which embedding cannot
// reach; a test keeps the two alike.
//
//go:generate cp ../../config.example.yaml example.yaml
//go:embed example.yaml
var Example string
