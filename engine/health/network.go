package health

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"sluice/engine"
)

// classOf says at which step an upstream could not be talked to.
func classOf(err error) engine.FailureClass {
	var dns *net.DNSError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	var verify *tls.CertificateVerificationError
	var host x509.HostnameError
	var timeout net.Error
	switch {
	case errors.Is(err, engine.ErrUpstreamTimeout), errors.Is(err, os.ErrDeadlineExceeded):
		return engine.ClassTimeout
	case errors.As(err, &dns):
		return engine.ClassDNS
	case errors.As(err, &timeout) && timeout.Timeout():
		return engine.ClassTimeout
	case errors.Is(err, syscall.ECONNREFUSED):
		return engine.ClassRefused
	case errors.As(err, &record), errors.As(err, &alert), errors.As(err, &verify), errors.As(err, &host):
		return engine.ClassTLS
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return engine.ClassReset
	}
	return engine.ClassUnreachable
}
