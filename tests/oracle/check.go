package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	listener "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"

	"istio.io/istio/pilot/pkg/simulation"
)

// Cross-check of envoy.go with Istio's own simulation package (flag -check).

func (w *world) complain(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "check %s: %s\n", w.id, fmt.Sprintf(format, args...))
}

func simCall(a Arrival) simulation.Call {
	c := simulation.Call{Address: a.address, Port: a.port, Protocol: simulation.TCP, TLS: simulation.Plaintext, HostHeader: "any.example"}
	switch a.app {
	case "http":
		c.Protocol = simulation.HTTP
	case "http2":
		c.Protocol = simulation.HTTP2
	}
	switch a.kind {
	case "mutual-tls":
		c.TLS = simulation.MTLS
	case "tls":
		c.TLS = simulation.TLS
	}
	return c
}

func (w *world) compareInbound(k string, a Arrival, got string, fc *listener.FilterChain) {
	sim := w.sims[k]
	if sim == nil || a.kind == "tls-client-cert" {
		return
	}
	c := simCall(a)
	c.CallMode = simulation.CallModeInbound
	r := sim.Run(c)
	want := "?"
	switch {
	case errors.Is(r.Error, simulation.ErrNoFilterChain):
		want = "refuse:no-filter-chain"
	case errors.Is(r.Error, simulation.ErrMTLSError):
		want = "refuse:client-certificate-required"
	case errors.Is(r.Error, simulation.ErrTLSError):
		want = "refuse:tls-required"
	case errors.Is(r.Error, simulation.ErrProtocolError):
		want = "refuse:not-http"
		if a.kind == "tls" || (a.kind == "mutual-tls" && fc.GetTransportSocket() == nil) {
			want = "refuse:tls-on-plaintext-http"
		}
	case r.Error == nil && fc.GetTransportSocket() != nil:
		want = "terminate"
	case r.Error == nil:
		want = "pass"
	default:
		want = r.Error.Error()
	}
	if want != got || (fc != nil && r.FilterChainMatched != "" && r.FilterChainMatched != fc.Name) {
		w.complain("inbound %s %+v: ours %s (%s), simulation %s (%s)", k, a, got, fc.GetName(), want, r.FilterChainMatched)
	}
}

func (w *world) compareOutbound(k string, a Arrival, host string, r routed) {
	sim := w.sims[k]
	if sim == nil {
		return
	}
	c := simCall(a)
	c.CallMode, c.HostHeader, c.Path = simulation.CallModeOutbound, host, "/"
	if len(r.clusters) > 1 || r.why == answered {
		return // it knows neither shares nor answers of the proxy
	}
	ours := strings.Join(r.clusters, "")
	got := sim.Run(c)
	if got.Error == nil && got.ClusterMatched != ours && !strings.Contains(r.why, "blocked") {
		w.complain("outbound %s -> %s:%d (%s): ours %q %s, simulation %q", k, host, a.port, a.app, ours, r.why, got.ClusterMatched)
	}
	if got.Error != nil && r.why == "" {
		w.complain("outbound %s -> %s:%d (%s): ours %q, simulation %v", k, host, a.port, a.app, ours, got.Error)
	}
}
