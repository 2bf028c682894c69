package costplus

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestNewRefuses(t *testing.T) {
	good := func() Options {
		return Options{
			BaseURL: "https://api.costplus.online", APIKey: canary, Mode: Live,
			PaymentHosts: []string{"api.costplus.online"}, Now: func() time.Time { return today },
		}
	}
	if _, err := New(good()); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		says   string
		change func(*Options)
		want   string // in the message
	}{
		{"no address", func(o *Options) { o.BaseURL = "" }, "base_url is missing"},
		{"http over the network", func(o *Options) { o.BaseURL = "http://api.costplus.online" }, `begins with "http": write https`},
		{"http to another machine of the house", func(o *Options) { o.BaseURL = "http://10.0.0.1" }, "write https"},
		{"http to a name that only begins with the loopback address", func(o *Options) { o.BaseURL = "http://127.0.0.1.evil.example" }, "write https"},
		{"no scheme", func(o *Options) { o.BaseURL = "api.costplus.online" }, "write it like"},
		{"a password in the address", func(o *Options) { o.BaseURL = "https://" + canary + "@api.costplus.online" }, "user name"},
		{"a password in an address that is none", func(o *Options) { o.BaseURL = "https://" + canary + "@%zz" }, "not a URL"},
		{"a query", func(o *Options) { o.BaseURL = "https://api.costplus.online/?a=b" }, "must end with its path"},
		{"a line end", func(o *Options) { o.BaseURL = "https://api.costplus.online/\n" }, "not a URL"},
		{"a webhook with a query", func(o *Options) { o.WebhookURL = "https://hooks.example.com/?a=b" }, "webhook_url must end with its path"},
		{"a webhook without TLS", func(o *Options) { o.WebhookURL = "http://hooks.example.com/" }, "webhook_url begins with"},
		{"a page without a host", func(o *Options) { o.ReturnURL = "https:///thanks" }, "return_url has no host"},
		{"a page that is a script", func(o *Options) { o.FailureURL = "javascript:alert(1)" }, "failure_url"},
		{"no key", func(o *Options) { o.APIKey = "" }, "API key is empty"},
		{"a key with a line end", func(o *Options) { o.APIKey = canary + "\n" }, "at place 17 of 17"},
		{"a key with a colon", func(o *Options) { o.APIKey = "a:b" }, "at place 2 of 3"},
		{"a whole file for a key", func(o *Options) { o.APIKey = strings.Repeat("k", 2000) }, "2000 characters"},
		{"no mode", func(o *Options) { o.Mode = "" }, "test or live"},
		{"a mode in capitals", func(o *Options) { o.Mode = "LIVE" }, "test or live"},
		{"no hosts", func(o *Options) { o.PaymentHosts = nil }, "payment_hosts is empty"},
		{"a URL for a host", func(o *Options) { o.PaymentHosts = []string{"https://pay.example.com"} }, `payment host "https://pay.example.com"`},
		{"a disclosure of its own", func(o *Options) { o.SendCustomer = "all" }, "none, name or full"},
		{"a negative rate", func(o *Options) { o.PerSecond = -1 }, "-1 requests a second"},
		{"an endless rate", func(o *Options) { o.PerSecond = math.Inf(1) }, "+Inf requests a second"},
		{"no number for a rate", func(o *Options) { o.PerSecond = math.NaN() }, "NaN requests a second"},
		{"a negative time-out", func(o *Options) { o.Timeout = -time.Second }, "time-out of -1s"},
		{"an hour's time-out", func(o *Options) { o.Timeout = time.Hour }, "time-out of 1h0m0s"},
		{"no clock", func(o *Options) { o.Now = nil }, "clock"},
	}
	for _, tt := range tests {
		t.Run(tt.says, func(t *testing.T) {
			o := good()
			tt.change(&o)
			c, err := New(o)
			if err == nil || c != nil {
				t.Fatalf("got %v, %v", c, err)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%q does not say %q", err, tt.want)
			}
			if strings.Contains(err.Error(), canary) {
				t.Errorf("the key shows in %q", err)
			}
		})
	}
	if _, err := New(Options{}); strings.Count(err.Error(), "\n") < 4 {
		t.Errorf("not all mistakes at once: %v", err)
	}
	for _, base := range []string{"http://127.0.0.1:8025", "http://[::1]:8025/", "http://localhost", "https://proxy.example.com/costplus/"} {
		o := good()
		o.BaseURL = base
		if _, err := New(o); err != nil {
			t.Errorf("%s: %v", base, err)
		}
	}
}

func TestR26_Fingerprint(t *testing.T) {
	test, _ := newClient(t, "https://api.example.com")
	live, _ := newClient(t, "https://api.example.com", func(o *Options) { o.Mode = Live })
	other, _ := newClient(t, "https://api.example.com", func(o *Options) { o.APIKey = "another" })
	if got := test.Fingerprint(); got != "test:a2313528" { // stored with links: it must never change
		t.Errorf("got %s", got)
	}
	if got := live.Fingerprint(); got != "live"+strings.TrimPrefix(test.Fingerprint(), "test") {
		t.Errorf("got %s", got)
	}
	if other.Fingerprint() == test.Fingerprint() {
		t.Error("two keys have one fingerprint")
	}
}
