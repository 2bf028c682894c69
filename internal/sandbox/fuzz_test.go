package sandbox

import (
	"bytes"
	"net/mail"
	"net/textproto"
	"testing"
)

// FuzzLinkRequest: whatever is accepted is a link that can be paid.
func FuzzLinkRequest(f *testing.F) {
	f.Add([]byte(plainOrder))
	f.Add([]byte(`{"merchant_order_id":"A","amount":1,"currency":"JPY","expiration_period":"P1M","customer":{"phone_numbers":["+31612345678"]}}`))
	f.Add([]byte(`{"customer":{"locale":[{}]}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		want, bad := readLinkRequest(body, monday)
		if bad.ok() && (want.MerchantOrderID == "" || want.Amount < 1 || len(want.Currency) != 3 || !want.Life.AddTo(monday).After(monday)) {
			t.Errorf("accepted: %+v", want)
		}
	})
}

// FuzzPlainPart: no mail, however made, stops a debtor from reading the next.
func FuzzPlainPart(f *testing.F) {
	f.Add([]byte(plainMail))
	f.Add([]byte("Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Transfer-Encoding: base64\r\n\r\nYQ==\r\n--b--\r\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		msg, err := mail.ReadMessage(bytes.NewReader(raw))
		if err != nil {
			return
		}
		text, found, err := plainPart(textproto.MIMEHeader(msg.Header), msg.Body, 0)
		if text != "" && !found && err == nil {
			t.Errorf("text %q of a part that was not found", text)
		}
	})
}
