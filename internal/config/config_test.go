package config

import (
	"os"
	"testing"
)

func environment(name string) (string, bool) {
	v, ok := map[string]string{"COSTPLUS_API_KEY": "canary-api-key", "SMTP_PASSWORD": "canary-smtp-password", "DB_PASSWORD": "canary-db-password"}[name]
	return v, ok
}

func TestExample(t *testing.T) {
	top, err := os.ReadFile("../../config.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if string(top) != Example {
		t.Error("example.yaml is not config.example.yaml; run go generate ./internal/config")
	}
	c, err := Parse("config.yaml", top, environment, os.ReadFile)
	if err != nil {
		t.Fatalf("the example has mistakes:\n%v", err)
	}
	if c.CostPlus.APIKey.Reveal() != "canary-api-key" || len(c.Jobs) != 6 || len(c.Policies.ByName["standard"].Steps) != 5 || c.Policies.ByName["standard"].MinAmount["EUR"] != 500 {
		t.Errorf("the example says %+v", c)
	}
}
