package health

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"slices"
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
	case shortage(err):
		return engine.ClassShortage
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

// shortages are errors of a machine that has nothing left of what a connection takes.
var shortages = []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.EADDRNOTAVAIL, syscall.ENOBUFS, syscall.ENOMEM}

// shortage reports whether err is our own machine's.
func shortage(err error) bool {
	return slices.ContainsFunc(shortages, func(why syscall.Errno) bool { return errors.Is(err, why) })
}
