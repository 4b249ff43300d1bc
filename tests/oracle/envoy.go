package main

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	cluster "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpoint "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listener "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	fault "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/fault/v3"
	hcm "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	tcp "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/tcp_proxy/v3"
	tls "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	matcher "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/types/known/structpb"

	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pilot/test/xdstest"
)

// The little of Envoy that is needed: listener choice, filter-chain match, route choice, transport-socket match.

// Arrival is one connection as it reaches a listener.
type Arrival struct {
	address string
	port    int
	kind    string   // plaintext | mutual-tls | tls | tls-client-cert
	app     string   // http | http2 | tcp
	alpn    []string // offered by the client in its ClientHello
	sni     string
}

func (a Arrival) isTLS() bool { return a.kind != "plaintext" }

func filterOn(l *listener.Listener, name string, port int) bool {
	for _, f := range l.ListenerFilters {
		if f.Name == name {
			return f.FilterDisabled == nil || !xdstest.EvaluateListenerFilterPredicates(f.FilterDisabled, port)
		}
	}
	return false
}

// chainFor follows Envoy's FilterChainManagerImpl: most specific first at every step, and no way back.
func chainFor(l *listener.Listener, a Arrival) *listener.FilterChain {
	transport, alpn, sni := "raw_buffer", []string(nil), ""
	if filterOn(l, "envoy.filters.listener.tls_inspector", a.port) && a.isTLS() {
		transport, alpn, sni = "tls", a.alpn, a.sni
	}
	if transport == "raw_buffer" && !a.isTLS() && filterOn(l, "envoy.filters.listener.http_inspector", a.port) {
		switch a.app {
		case "http":
			alpn = []string{"http/1.1"}
		case "http2":
			alpn = []string{"h2c"}
		}
	}
	chains := l.FilterChains
	// destination port
	if exact := keep(chains, func(m *listener.FilterChainMatch) bool { return int(m.GetDestinationPort().GetValue()) == a.port }); len(exact) > 0 {
		chains = exact
	} else {
		chains = keep(chains, func(m *listener.FilterChainMatch) bool { return m.GetDestinationPort() == nil })
	}
	// destination address: longest prefix
	best := -2
	for _, c := range chains {
		best = max(best, prefix(c.GetFilterChainMatch(), a.address))
	}
	chains = keep(chains, func(m *listener.FilterChainMatch) bool { return best > -2 && prefix(m, a.address) == best })
	// server name
	bestSni := -1
	for _, c := range chains {
		bestSni = max(bestSni, sniRank(c.GetFilterChainMatch(), sni))
	}
	chains = keep(chains, func(m *listener.FilterChainMatch) bool { return bestSni >= 0 && sniRank(m, sni) == bestSni })
	// transport protocol
	if exact := keep(chains, func(m *listener.FilterChainMatch) bool { return m.GetTransportProtocol() == transport }); len(exact) > 0 {
		chains = exact
	} else {
		chains = keep(chains, func(m *listener.FilterChainMatch) bool { return m.GetTransportProtocol() == "" })
	}
	// application protocols, in the client's order
	for _, p := range alpn {
		if hit := keep(chains, func(m *listener.FilterChainMatch) bool { return slices.Contains(m.GetApplicationProtocols(), p) }); len(hit) > 0 {
			return hit[0]
		}
	}
	if none := keep(chains, func(m *listener.FilterChainMatch) bool { return len(m.GetApplicationProtocols()) == 0 }); len(none) > 0 {
		return none[0]
	}
	return l.DefaultFilterChain
}

func keep(cs []*listener.FilterChain, f func(*listener.FilterChainMatch) bool) []*listener.FilterChain {
	var out []*listener.FilterChain
	for _, c := range cs {
		if f(c.GetFilterChainMatch()) {
			out = append(out, c)
		}
	}
	return out
}

func prefix(m *listener.FilterChainMatch, address string) int {
	if len(m.GetPrefixRanges()) == 0 {
		return -1
	}
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return -2
	}
	best := -2
	for _, r := range m.GetPrefixRanges() {
		p, err := netip.ParseAddr(r.AddressPrefix)
		if err != nil {
			continue
		}
		pr := netip.PrefixFrom(p, int(r.GetPrefixLen().GetValue()))
		if pr.Contains(ip) {
			best = max(best, pr.Bits())
		}
	}
	return best
}

func sniRank(m *listener.FilterChainMatch, sni string) int {
	if len(m.GetServerNames()) == 0 {
		return 0
	}
	best := -1
	for _, s := range m.GetServerNames() {
		switch {
		case s == sni && sni != "":
			return 1 << 20
		case strings.HasPrefix(s, "*.") && strings.HasSuffix(sni, s[1:]):
			best = max(best, len(s))
		}
	}
	return best
}

func hcmOf(fc *listener.FilterChain) *hcm.HttpConnectionManager {
	for _, f := range fc.GetFilters() {
		if f.GetTypedConfig().MessageIs(&hcm.HttpConnectionManager{}) {
			h := &hcm.HttpConnectionManager{}
			if f.GetTypedConfig().UnmarshalTo(h) == nil {
				return h
			}
		}
	}
	return nil
}

func tcpOf(fc *listener.FilterChain) *tcp.TcpProxy {
	for _, f := range fc.GetFilters() {
		if f.GetTypedConfig().MessageIs(&tcp.TcpProxy{}) {
			t := &tcp.TcpProxy{}
			if f.GetTypedConfig().UnmarshalTo(t) == nil {
				return t
			}
		}
	}
	return nil
}

func downstreamTLS(fc *listener.FilterChain) *tls.DownstreamTlsContext {
	t := &tls.DownstreamTlsContext{}
	if fc.GetTransportSocket().GetTypedConfig() == nil || fc.GetTransportSocket().GetTypedConfig().UnmarshalTo(t) != nil {
		return nil
	}
	return t
}

// handle says what a server listener does with an arrival:
// "pass" (bytes go on to the application), "terminate" (Istio mutual TLS ends here) or "refuse:<why>".
func handle(l *listener.Listener, a Arrival) (string, *listener.FilterChain) {
	fc := chainFor(l, a)
	if fc == nil {
		return "refuse:no-filter-chain", nil
	}
	http := hcmOf(fc) != nil
	if ctx := downstreamTLS(fc); ctx != nil {
		switch {
		case a.kind == "plaintext":
			return "refuse:tls-required", fc
		case ctx.GetRequireClientCertificate().GetValue() && a.kind == "tls":
			return "refuse:client-certificate-required", fc
		case ctx.GetRequireClientCertificate().GetValue() && a.kind == "tls-client-cert":
			if http && a.app == "tcp" {
				return "refuse:not-http", fc
			}
			return "terminate-if-mesh-certificate", fc
		}
		if http && a.app == "tcp" {
			return "refuse:not-http", fc
		}
		return "terminate", fc
	}
	if http {
		if a.isTLS() {
			return "refuse:tls-on-plaintext-http", fc
		}
		if a.app == "tcp" {
			return "refuse:not-http", fc
		}
	}
	return "pass", fc
}

// outboundListener picks as an original-dst listener does: exact address, any address, else virtualOutbound.
func outboundListener(ls []*listener.Listener, address string, port int) *listener.Listener {
	for _, want := range []string{address, "0.0.0.0"} {
		for _, l := range ls {
			if l.TrafficDirection == core.TrafficDirection_INBOUND {
				continue
			}
			sa := l.GetAddress().GetSocketAddress()
			if sa.GetAddress() == want && int(sa.GetPortValue()) == port {
				return l
			}
		}
	}
	for _, l := range ls {
		if l.Name == model.VirtualOutboundListenerName {
			return l
		}
	}
	return nil
}

// routed is where a client sidecar sends a call.
type routed struct {
	clusters []string // several where a VirtualService shares the calls out
	why      string
	http     bool
}

// answered is a call that the client's own proxy answers: redirect, direct response, abort.
const answered = "answered-by-client-proxy"

func routeCall(ls []*listener.Listener, routes map[string]*route.RouteConfiguration, a Arrival, host string) routed {
	l := outboundListener(ls, a.address, a.port)
	if l == nil {
		return routed{why: "no-listener"}
	}
	fc := chainFor(l, a)
	if fc == nil {
		return routed{why: "no-filter-chain"}
	}
	if h := hcmOf(fc); h != nil {
		if a.app == "tcp" {
			return routed{why: "not-http", http: true}
		}
		rc := h.GetRouteConfig()
		if rc == nil {
			rc = routes[h.GetRds().GetRouteConfigName()]
		}
		return routeRequest(rc, host, a.port)
	}
	if t := tcpOf(fc); t != nil {
		if c := t.GetCluster(); c != "" {
			return routed{clusters: []string{c}}
		}
		var names []string
		for _, c := range t.GetWeightedClusters().GetClusters() {
			if c.Weight > 0 && !slices.Contains(names, c.Name) {
				names = append(names, c.Name)
			}
		}
		if len(names) > 0 {
			return routed{clusters: names}
		}
	}
	return routed{why: "no-route"}
}

// routeRequest follows the request `GET /` without headers of its own. Istio's virtual hosts leave the port of the authority aside;
// a route that matches the authority sees it.
func routeRequest(rc *route.RouteConfiguration, host string, port int) routed {
	vh := virtualHost(rc, host)
	authority := host
	if port != 80 {
		authority = fmt.Sprintf("%s:%d", host, port)
	}
	for _, r := range vh.GetRoutes() {
		if !takes(r.GetMatch(), authority) {
			continue
		}
		if vh.Name == "block_all" && r.GetDirectResponse() != nil {
			return routed{why: "blocked-by-outbound-policy", http: true}
		}
		if r.GetRedirect() != nil || r.GetDirectResponse() != nil || alwaysAborts(r) {
			return routed{why: answered, http: true}
		}
		if c := r.GetRoute().GetCluster(); c != "" {
			return routed{clusters: []string{c}, http: true}
		}
		var names []string
		for _, c := range r.GetRoute().GetWeightedClusters().GetClusters() {
			if c.GetWeight().GetValue() > 0 && !slices.Contains(names, c.Name) {
				names = append(names, c.Name)
			}
		}
		if len(names) > 0 {
			return routed{clusters: names, http: true}
		}
		break
	}
	return routed{why: "no-route", http: true}
}

func takes(m *route.RouteMatch, authority string) bool {
	switch p := m.GetPathSpecifier().(type) {
	case *route.RouteMatch_Prefix:
		if !strings.HasPrefix("/", p.Prefix) {
			return false
		}
	case *route.RouteMatch_Path:
		if p.Path != "/" {
			return false
		}
	case *route.RouteMatch_SafeRegex:
		if !whole(p.SafeRegex.GetRegex(), "/") {
			return false
		}
	default:
		return false // a prefix of whole segments is never just "/"
	}
	for _, q := range m.GetQueryParameters() {
		if present, ok := q.GetQueryParameterMatchSpecifier().(*route.QueryParameterMatcher_PresentMatch); !ok || present.PresentMatch {
			return false
		}
	}
	sent := map[string]string{":method": "GET", ":scheme": "http", ":authority": authority, ":path": "/"}
	for _, h := range m.GetHeaders() {
		if !headerTakes(h, sent) {
			return false
		}
	}
	return true
}

func headerTakes(h *route.HeaderMatcher, sent map[string]string) bool {
	value, there := sent[strings.ToLower(h.GetName())]
	if m, ok := h.GetHeaderMatchSpecifier().(*route.HeaderMatcher_PresentMatch); ok {
		return (there == m.PresentMatch) != h.GetInvertMatch()
	}
	if !there && !h.GetTreatMissingHeaderAsEmpty() {
		// Envoy: a missing header fits an inverted match of a value, and no other
		return h.GetInvertMatch()
	}
	hit := false
	s := h.GetStringMatch()
	if s.GetIgnoreCase() {
		value = strings.ToLower(value)
	}
	fold := func(x string) string {
		if s.GetIgnoreCase() {
			return strings.ToLower(x)
		}
		return x
	}
	switch m := s.GetMatchPattern().(type) {
	case *matcher.StringMatcher_Exact:
		hit = value == fold(m.Exact)
	case *matcher.StringMatcher_Prefix:
		hit = strings.HasPrefix(value, fold(m.Prefix))
	case *matcher.StringMatcher_Suffix:
		hit = strings.HasSuffix(value, fold(m.Suffix))
	case *matcher.StringMatcher_Contains:
		hit = strings.Contains(value, fold(m.Contains))
	case *matcher.StringMatcher_SafeRegex:
		hit = whole(m.SafeRegex.GetRegex(), value)
	}
	return hit != h.GetInvertMatch()
}

func whole(pattern, text string) bool {
	re, err := regexp.Compile("^(?:" + pattern + ")$")
	return err == nil && re.MatchString(text)
}

// alwaysAborts is a fault of a hundred percent.
func alwaysAborts(r *route.Route) bool {
	a, ok := r.GetTypedPerFilterConfig()["envoy.filters.http.fault"]
	f := &fault.HTTPFault{}
	if !ok || a.UnmarshalTo(f) != nil || f.GetAbort() == nil {
		return false
	}
	p := f.GetAbort().GetPercentage()
	of := map[string]uint32{"HUNDRED": 100, "TEN_THOUSAND": 10000, "MILLION": 1000000}[p.GetDenominator().String()]
	return p.GetNumerator() >= of
}

func virtualHost(rc *route.RouteConfiguration, host string) *route.VirtualHost {
	for _, vh := range rc.GetVirtualHosts() {
		if slices.Contains(vh.Domains, host) {
			return vh
		}
	}
	var best *route.VirtualHost
	n := 0
	for _, vh := range rc.GetVirtualHosts() {
		for _, d := range vh.Domains {
			if len(d) > 1 && d[0] == '*' && len(host) > len(d)-1 && strings.HasSuffix(host, d[1:]) && len(d) > n {
				best, n = vh, len(d)
			}
		}
	}
	if best != nil {
		return best
	}
	for _, vh := range rc.GetVirtualHosts() {
		for _, d := range vh.Domains {
			if len(d) > 1 && d[len(d)-1] == '*' && strings.HasPrefix(host, d[:len(d)-1]) && len(d) > n {
				best, n = vh, len(d)
			}
		}
	}
	if best != nil {
		return best
	}
	for _, vh := range rc.GetVirtualHosts() {
		if slices.Contains(vh.Domains, "*") {
			return vh
		}
	}
	return nil
}

// upstreamTLS reads a transport socket; nil means plaintext.
func upstreamTLS(ts *core.TransportSocket) *tls.UpstreamTlsContext {
	if ts.GetTypedConfig() == nil {
		return nil
	}
	t := &tls.UpstreamTlsContext{}
	if ts.GetTypedConfig().UnmarshalTo(t) != nil {
		return nil
	}
	return t
}

// socketFor picks the transport socket for one endpoint.
func socketFor(c *cluster.Cluster, marks map[string]string) *core.TransportSocket {
	for _, m := range c.TransportSocketMatches {
		ok := true
		for k, v := range m.GetMatch().GetFields() {
			if marks[k] != v.GetStringValue() {
				ok = false
			}
		}
		if ok {
			return m.TransportSocket
		}
	}
	return c.TransportSocket
}

func marksOf(lb *endpoint.LbEndpoint) map[string]string {
	out := map[string]string{}
	var s *structpb.Struct = lb.GetMetadata().GetFilterMetadata()["envoy.transport_socket_match"]
	for k, v := range s.GetFields() {
		out[k] = v.GetStringValue()
	}
	return out
}

// kindOf names what an upstream context sends.
func kindOf(t *tls.UpstreamTlsContext) string {
	if t == nil {
		return "plaintext"
	}
	certs := t.GetCommonTlsContext().GetTlsCertificateSdsSecretConfigs()
	switch {
	case len(certs) == 0:
		return "tls"
	case certs[0].Name == "default":
		return "mutual-tls"
	default:
		return "tls-client-cert"
	}
}

func sansOf(t *tls.UpstreamTlsContext) []string {
	v := t.GetCommonTlsContext().GetCombinedValidationContext().GetDefaultValidationContext()
	var out []string
	for _, m := range v.GetMatchSubjectAltNames() { //nolint:staticcheck
		out = append(out, m.GetExact()+m.GetPrefix())
	}
	for _, m := range v.GetMatchTypedSubjectAltNames() {
		out = append(out, m.GetMatcher().GetExact()+m.GetMatcher().GetPrefix())
	}
	slices.Sort(out)
	return out
}
