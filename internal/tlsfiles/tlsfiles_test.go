package tlsfiles_test

import (
	"crypto/x509"
	"errors"
	"net/url"
	"os"
	"strings"
	"testing"

	"muster/internal/testcerts"
	"muster/internal/tlsfiles"
)

func TestParametersOfOthersStay(t *testing.T) {
	q, err := url.ParseQuery("cacertfile=/a&db=3&keyfile=k&certfile=c&server_name_indication=s")
	if err != nil {
		t.Fatal(err)
	}
	got, want := tlsfiles.FromQuery(q), tlsfiles.Files{CA: "/a", Cert: "c", Key: "k", ServerName: "s"}
	if got != want || q.Encode() != "db=3" {
		t.Errorf("got %+v and left %s, want %+v and db=3", got, q.Encode(), want)
	}
	if !got.Given() || tlsfiles.FromQuery(q).Given() {
		t.Error("only what names something counts as given")
	}
}

func TestWhatIsNotAboutTrustStaysAsItIs(t *testing.T) {
	for _, err := range []error{errors.New("no route"), os.ErrDeadlineExceeded} {
		if got := tlsfiles.Explain(err); got != err { //nolint:errorlint // the very same
			t.Errorf("got %v, want %v", got, err)
		}
	}
	err := tlsfiles.Explain(x509.HostnameError{Host: "here", Certificate: &x509.Certificate{DNSNames: strings.Split("a b c d e f g", " ")}})
	if !errors.Is(err, tlsfiles.ErrTrust) || !strings.Contains(err.Error(), "for a, b, c, d, e, others, not for here") {
		t.Errorf("got %v, want the first names", err)
	}
}

func TestAnEmptyConfigTrustsTheSystem(t *testing.T) {
	cfg, err := tlsfiles.Files{}.Config()
	if err != nil || cfg.RootCAs != nil || cfg.InsecureSkipVerify || len(cfg.Certificates) != 0 {
		t.Errorf("got %+v, %v, want the system's authorities and nothing else", cfg, err)
	}
	ca := testcerts.New(t)
	if cfg, err = (tlsfiles.Files{CA: ca.File}).Config(); err != nil || cfg.RootCAs == nil || cfg.InsecureSkipVerify {
		t.Errorf("got %+v, %v, want the one authority", cfg, err)
	}
}
