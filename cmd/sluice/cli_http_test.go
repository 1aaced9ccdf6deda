package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// question is one request of a script.
type question struct {
	status  int
	request *http.Request
	client  *http.Client
	wait    bool           // ask until the status is the one that is wanted
	until   *regexp.Regexp // ask until the body matches; nil: whatever it is
}

func (q *question) answered(resp *http.Response, body []byte, err error) bool {
	return err == nil && (!q.wait || resp.StatusCode == q.status) && (q.until == nil || q.until.Match(body))
}

// ask [-H LINE]… [-d BODY | -f FILE] [-ca FILE] [-wait] [-for REGEXP] STATUS METHOD URL: the answer's body is stdout, its head stderr.
func askCommand(ts *testscript.TestScript, neg bool, args []string) {
	q := parseQuestion(ts, args)
	resp, body, err := q.ask()
	for late := time.Now().Add(patience); (q.wait || q.until != nil) && !q.answered(resp, body, err) && time.Now().Before(late); {
		time.Sleep(10 * time.Millisecond)
		resp, body, err = q.ask()
	}
	if neg {
		if err == nil {
			ts.Fatalf("an answer came: %s", resp.Status)
		}
		fmt.Fprintln(ts.Stderr(), err)
		return
	}
	ts.Check(err)
	ts.Stdout().Write(body)
	fmt.Fprintln(ts.Stderr(), resp.Status)
	resp.Header.Write(ts.Stderr())
	if resp.StatusCode != q.status || !q.answered(resp, body, err) {
		ts.Fatalf("status %d, want %d: %s", resp.StatusCode, q.status, body)
	}
}

func parseQuestion(ts *testscript.TestScript, args []string) *question {
	q := &question{client: &http.Client{Timeout: patience}}
	header := http.Header{"Anthropic-Version": {"2023-06-01"}}
	flags := flag.NewFlagSet("ask", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	body := flags.String("d", "", "")
	file := flags.String("f", "", "")
	ca := flags.String("ca", "", "")
	flags.BoolVar(&q.wait, "wait", false, "")
	flags.Func("for", "", func(pattern string) (err error) {
		q.until, err = regexp.Compile(pattern)
		return err
	})
	flags.Func("H", "", func(line string) error {
		name, value, _ := strings.Cut(line, ":")
		header.Add(name, strings.TrimSpace(value))
		return nil
	})
	if err := flags.Parse(args); err != nil || flags.NArg() != 3 {
		ts.Fatalf("ask: want [FLAG…] STATUS METHOD URL: %v", err)
	}
	if *file != "" {
		*body = ts.ReadFile(*file)
	}
	var err error
	q.status, err = strconv.Atoi(flags.Arg(0))
	ts.Check(err)
	q.request, err = http.NewRequest(flags.Arg(1), flags.Arg(2), strings.NewReader(*body))
	ts.Check(err)
	q.request.Header = header
	q.request.Host = header.Get("Host")
	// Its connection stays open, as those of clients do.
	q.client.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots(ts, *ca)}}
	return q
}

func roots(ts *testscript.TestScript, file string) *x509.CertPool {
	if file == "" {
		return nil
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(ts.ReadFile(file))) {
		ts.Fatalf("%s holds no certificate", file)
	}
	return pool
}

func (q *question) ask() (*http.Response, []byte, error) {
	request := q.request.Clone(context.Background())
	if q.request.GetBody != nil {
		request.Body, _ = q.request.GetBody()
	}
	resp, err := q.client.Do(request)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp, body, err
}

const messageBody = `{"model":"claude-sonnet-4-5","max_tokens":64,"messages":[{"role":"user","content":"hello"}]}`

// message [FLAG…] STATUS KEY: asks the gateway at URL for a message.
func messageCommand(ts *testscript.TestScript, neg bool, args []string) {
	last := len(args) - 1
	askCommand(ts, neg, append([]string{"-H", "x-api-key: " + args[last], "-d", messageBody},
		append(args[:last:last], "POST", ts.Getenv("URL")+"/v1/messages")...))
}

// stream begin KEY: opens an event stream and reads its first event. stream end: reads the rest, which is stdout.
func streamCommand(ts *testscript.TestScript, _ bool, args []string) {
	ps := ts.Value(processesKey{}).(*processes)
	if args[0] == "end" {
		rest, err := io.ReadAll(ps.stream)
		ts.Check(err)
		ts.Stdout().Write(rest)
		return
	}
	body := strings.Replace(messageBody, "{", `{"stream":true,`, 1)
	request, err := http.NewRequest("POST", ts.Getenv("URL")+"/v1/messages", strings.NewReader(body))
	ts.Check(err)
	request.Header.Set("x-api-key", args[1])
	request.Header.Set("anthropic-version", "2023-06-01")
	resp, err := http.DefaultTransport.RoundTrip(request)
	ts.Check(err)
	ts.Defer(func() { resp.Body.Close() })
	ps.stream = bufio.NewReader(resp.Body)
	first, err := ps.stream.ReadString('\n')
	ts.Check(err)
	ts.Logf("the stream begins: %s", first)
}

// mirror NAME: an upstream that answers with the credentials it was sent. The variable NAME, in capitals, is set to its URL.
func mirrorCommand(ts *testscript.TestScript, _ bool, args []string) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("content-type", "application/json")
		json.NewEncoder(w).Encode(map[string]string{"x-api-key": r.Header.Get("x-api-key"), "authorization": r.Header.Get("authorization")})
	}))
	ts.Defer(server.Close)
	ts.Setenv(strings.ToUpper(args[0]), server.URL)
}

// certificate NAME: NAME.pem and NAME.key, good for 127.0.0.1 and its own authority.
func certificateCommand(ts *testscript.TestScript, _ bool, args []string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: args[0]},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	ts.Check(err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	ts.Check(err)
	blocks := map[string]*pem.Block{".pem": {Type: "CERTIFICATE", Bytes: cert}, ".key": {Type: "PRIVATE KEY", Bytes: secret}}
	for suffix, block := range blocks {
		ts.Check(os.WriteFile(ts.MkAbs(args[0]+suffix), pem.EncodeToMemory(block), 0o600))
	}
}
