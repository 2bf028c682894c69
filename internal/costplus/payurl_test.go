package costplus

import (
	"net/url"
	"regexp"
	"strings"
	"testing"
)

func TestPaymentURL(t *testing.T) {
	tests := []struct {
		says, url string
	}{
		{"no URL", ""},
		{"a space alone", " "},
		{"http", "http://pay.example.com/p/1"},
		{"http on loopback while the API is not", "http://127.0.0.1/p/1"},
		{"a script", "javascript:alert(1)//pay.example.com/"},
		{"data", "data:text/html,pay.example.com"},
		{"another scheme", "ftp://pay.example.com/p/1"},
		{"a scheme in capitals", "HTTPS://pay.example.com/p/1"},
		{"no scheme", "//pay.example.com/p/1"},
		{"a path alone", "/p/1"},
		{"a host alone", "pay.example.com/p/1"},
		{"no slashes", "https:pay.example.com/p/1"},
		{"one slash", "https:/pay.example.com/p/1"},
		{"three slashes", "https:///pay.example.com/p/1"},
		{"no host", "https://"},
		{"no host but a port", "https://:443/p/1"},
		{"another host", "https://evil.example/p/1"},
		{"another host that ends alike", "https://evilpay.example.com/p/1"},
		{"a host below the listed one", "https://x.pay.example.com/p/1"},
		{"a host above the listed one", "https://example.com/p/1"},
		{"the listed host in front of another", "https://pay.example.com.evil.example/p/1"},
		{"a dot behind the host", "https://pay.example.com./p/1"},
		{"the listed host as the user", "https://pay.example.com@evil.example/p/1"},
		{"the listed host as user and password", "https://pay.example.com:443@evil.example/p/1"},
		{"a user on the listed host", "https://jan@pay.example.com/p/1"},
		{"an empty user", "https://@pay.example.com/p/1"},
		{"an escaped at sign", "https://pay.example.com%40evil.example/p/1"},
		{"an escaped slash in the host", "https://evil.example%2f.pay.example.com/p/1"},
		{"an escaped dot in the host", "https://pay%2eexample.com/p/1"},
		{"a backslash as a slash", `https://evil.example\.pay.example.com/p/1`},
		{"backslashes for slashes", `https:\\pay.example.com\p\1`},
		{"a backslash and an at sign", `https://pay.example.com\@evil.example/p/1`},
		{"an escaped backslash", "https://pay.example.com/%5c%5cevil.example"},
		{"a question mark in the host", "https://evil.example?@pay.example.com/"},
		{"a number sign in the host", "https://evil.example#@pay.example.com/"},
		{"a semicolon in the host", "https://evil.example;pay.example.com/"},
		{"a port that is not listed", "https://pay.example.com:8443/p/1"},
		{"the port of http", "https://pay.example.com:80/p/1"},
		{"a port that is none", "https://pay.example.com:abc/p/1"},
		{"an empty port", "https://pay.example.com:/p/1"},
		{"two ports", "https://pay.example.com:443:443/p/1"},
		{"the usual port of a host listed with another", "https://port.example.com/p/1"},
		{"a space in front", " https://pay.example.com/p/1"},
		{"a line end behind", "https://pay.example.com/p/1\n"},
		{"a header in the path", "https://pay.example.com/p/1\r\nBcc: x@evil.example"},
		{"an escaped header in the path", "https://pay.example.com/p/1%0d%0aBcc:x"},
		{"an escaped NUL", "https://pay.example.com/p/%00"},
		{"an escaped delete", "https://pay.example.com/p/%7f"},
		{"a tab in the host", "https://pay.exam\tple.com/p/1"},
		{"a NUL", "https://pay.example.com/p/\x001"},
		{"a space in the path", "https://pay.example.com/p/ 1"},
		{"quotes", `https://pay.example.com/p/"onclick="x`},
		{"angle brackets", "https://pay.example.com/p/<script>"},
		{"a letter that looks alike", "https://pаy.example.com/p/1"},
		{"a wide dot", "https://pay。example.com/p/1"},
		{"punycode of another host", "https://xn--py-6kc.example.com/p/1"},
		{"an order to write from right to left", "https://pay.example.com/p/\u202e1"},
		{"bytes that are not UTF-8", "https://pay.example.com/p/\xff"},
		{"half an escape", "https://pay.example.com/p/%4"},
		{"a broken escape in the query", "https://pay.example.com/p?x=%zz"},
		{"an address as a number", "https://2130706433/p/1"},
		{"an IPv6 address", "https://[::1]/p/1"},
		{"an IPv6 address with a zone", "https://[fe80::1%25eth0]/p/1"},
		{"brackets around the host", "https://[pay.example.com]/p/1"},
		{"longer than any link", "https://pay.example.com/" + strings.Repeat("a", longestPaymentURL)},
	}
	c, _ := newClient(t, "https://api.example.com", func(o *Options) {
		o.PaymentHosts = []string{"Pay.Example.com", "port.example.com:8443"}
	})
	for _, tt := range tests {
		t.Run(tt.says, func(t *testing.T) {
			err := c.checkPaymentURL(tt.url)
			if err == nil {
				t.Fatalf("%q is accepted", tt.url)
			}
			checkText(t, err.Error())
			if strings.Contains(err.Error(), "/p/1") {
				t.Errorf("%q names more than the host", err)
			}
		})
	}
	for _, good := range []string{
		payURL,
		"https://PAY.example.COM/p/1",
		"https://pay.example.com",
		"https://pay.example.com/",
		"https://pay.example.com:443/p/1",
		"https://port.example.com:8443/p/1",
		"https://pay.example.com?id=1&x=a%20b",
		"https://pay.example.com/p/a-b_c~d.e;f=g,h(i)/@me?x=1#top",
	} {
		if err := c.checkPaymentURL(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	if err := c.checkPaymentURL("https://evil.example/p/1"); !strings.Contains(err.Error(), "evil.example") || !strings.Contains(err.Error(), "payment_hosts") {
		t.Errorf("%q names neither the host nor the setting", err)
	}
}

func TestPaymentURLOnLoopback(t *testing.T) {
	c, _ := newClient(t, "http://127.0.0.1:8025", func(o *Options) {
		o.PaymentHosts = []string{"127.0.0.1:8025", "[::1]:8025", "localhost", "pay.example.com"}
	})
	for u, good := range map[string]bool{
		"http://127.0.0.1:8025/p/1":   true,
		"http://[::1]:8025/p/1":       true,
		"http://localhost/p/1":        true,
		"http://localhost:80/p/1":     true,
		"https://pay.example.com/p/1": true,
		"https://localhost/p/1":       true,
		"http://127.0.0.1:8026/p/1":   false,
		"http://127.0.0.1/p/1":        false,
		"http://127.0.0.2:8025/p/1":   false,
		"http://pay.example.com/p/1":  false,
		"http://localhost:443/p/1":    false,
		"http://u@localhost/p/1":      false,
	} {
		if err := c.checkPaymentURL(u); (err == nil) != good {
			t.Errorf("%s: %v", u, err)
		}
	}
}

func TestPaymentHosts(t *testing.T) {
	for _, bad := range []string{
		"", " ", "https://api.costplus.online", "api.costplus.online/", "api.costplus.online ", "*.costplus.online", ".costplus.online",
		"api..online", "api.costplus.online.", "-a.online", "a_b.online", "user@api.online", "api.online:", "api.online:x", "api.online:0",
		"api.online:123456", "::1", "[::1", "[::1%25eth0]", "[api.online]", "äpi.online", "api.online#", strings.Repeat("a.", 127) + "aa",
	} {
		if hosts, err := readPayHosts([]string{"good.example", bad}); err == nil {
			t.Errorf("%q is accepted as %+v", bad, hosts)
		}
	}
	if _, err := readPayHosts(nil); err == nil {
		t.Error("an empty list is accepted")
	}
}

// FuzzPaymentURL holds what is accepted against a second opinion: the URL as
// text begins with a listed host, and net/url sees that host too.
func FuzzPaymentURL(f *testing.F) {
	for _, seed := range []string{
		payURL, "https://pay.example.com:443/?a=b#c", "http://pay.example.com/", "https://pay.example.com@evil.example/",
		`https://pay.example.com\@evil.example/`, "https://pay.example.com%2f@evil.example/", "https://[::1]:8443/", "//pay.example.com",
		"https://pay.example.com/%0a", "https://pay.example.com:8443:443/",
	} {
		f.Add(seed)
	}
	c, _ := newClient(f, "https://api.example.com", func(o *Options) { o.PaymentHosts = []string{"pay.example.com", "[::1]:8443"} })
	safe := regexp.MustCompile(`^https://(?i:pay\.example\.com(:443)?|\[::1\]:8443)([/?#][!-~]*)?$`)
	f.Fuzz(func(t *testing.T, text string) {
		err := c.checkPaymentURL(text)
		if err != nil {
			if n := len([]rune(err.Error())); n > 200 || printable(err.Error()) != err.Error() {
				t.Errorf("%d characters: %q", n, err)
			}
			return
		}
		u, err := url.Parse(text)
		if err != nil || !safe.MatchString(text) || strings.ContainsAny(text, "\\\"<> ") || u.User != nil {
			t.Fatalf("%q is accepted, %v", text, err)
		}
		if h := strings.ToLower(u.Hostname()); u.Scheme != "https" || h != "pay.example.com" && h != "::1" {
			t.Fatalf("%q leads to %s", text, u.Host)
		}
	})
}
