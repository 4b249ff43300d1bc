package main

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	cluster "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	endpoint "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listener "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	httpopts "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"

	networking "istio.io/api/networking/v1alpha3"
	"istio.io/istio/pilot/pkg/model"
	core "istio.io/istio/pilot/pkg/networking"
	"istio.io/istio/pilot/pkg/security/authn"
	"istio.io/istio/pilot/pkg/simulation"
	"istio.io/istio/pilot/pkg/xds/endpoints"
	"istio.io/istio/pilot/test/xds"
	"istio.io/istio/pilot/test/xdstest"
	"istio.io/istio/pkg/kube"
	"istio.io/istio/pkg/test"
	"istio.io/istio/pkg/util/sets"
)

// Answer is what istiod programs for a mesh and what a request would meet.
type Answer struct {
	Mesh    MeshFacts `json:"mesh"`
	Invalid []string  `json:"invalid,omitempty"` // objects an admission webhook would have refused
	Servers []Server  `json:"servers"`
	Pairs   []Pair    `json:"pairs"`
	Probes  []Probe   `json:"probes,omitempty"`
}

type MeshFacts struct {
	RootNamespace  string `json:"rootNamespace"`
	AutoMtls       bool   `json:"autoMtls"`
	OutboundPolicy string `json:"outboundPolicy"`
}

type Server struct {
	Pod       string            `json:"pod"`
	Sidecar   bool              `json:"sidecar"`
	Mode      string            `json:"mode,omitempty"`
	NsMode    string            `json:"namespaceMode,omitempty"` // what clients assume for Services of this namespace; UNKNOWN = no policy
	PortModes map[string]string `json:"portModes,omitempty"`
	Policies  []string          `json:"peerAuthentications,omitempty"`
	Ports     []ServerPort      `json:"ports,omitempty"`
}

type ServerPort struct {
	Port    int               `json:"port"`
	Class   string            `json:"class"` // http | tcp | auto | undeclared
	Mode    string            `json:"mode"`  // as read from the filter chains
	Accepts map[string]string `json:"accepts"`
}

type Pair struct {
	Client          string          `json:"client"`
	ClientSidecar   bool            `json:"clientSidecar"`
	Service         string          `json:"service"` // namespace/name, or namespace/host for a ServiceEntry
	Host            string          `json:"host"`
	Port            int             `json:"port"`
	PortName        string          `json:"portName,omitempty"`
	Protocol        string          `json:"protocol"`
	Resolution      string          `json:"resolution"`
	Subset          string          `json:"subset,omitempty"`
	Visible         bool            `json:"visible"`
	Cluster         string          `json:"cluster,omitempty"`
	ClusterType     string          `json:"clusterType,omitempty"`
	DestinationRule string          `json:"destinationRule,omitempty"`
	MergedFrom      []string        `json:"mergedFrom,omitempty"`
	ServiceMode     string          `json:"serviceMode,omitempty"`
	Originates      *Originates     `json:"originates,omitempty"`
	Calls           map[string]Call `json:"calls"`
}

type Originates struct {
	Kind      string   `json:"kind"` // auto | mutual-tls | tls | tls-client-cert | plaintext
	SNI       string   `json:"sni,omitempty"`
	SANs      []string `json:"subjectAltNames,omitempty"`
	ALPN      []string `json:"alpn,omitempty"`
	Certs     []string `json:"certificates,omitempty"`
	CA        string   `json:"ca,omitempty"`
	NoALPNSet bool     `json:"alpnOverrideOff,omitempty"`
}

type Call struct {
	Route     string   `json:"route,omitempty"`  // cluster the client's own proxy picks
	Routes    []string `json:"routes,omitempty"` // where a VirtualService shares the calls out to several clusters: all of them, instead of route
	Why       string   `json:"why,omitempty"`
	Endpoints []End    `json:"endpoints"`
	Wire      string   `json:"wire"` // mutual-tls | plaintext | tls | refused | depends | mixed | none
}

type End struct {
	Address string `json:"address"`
	Pod     string `json:"pod,omitempty"`
	Marked  *bool  `json:"marked,omitempty"` // EDS metadata tlsMode=istio
	Route   string `json:"route,omitempty"`  // where an address dialled directly leaves by another cluster than the Service's
	Sends   string `json:"sends,omitempty"`
	Wire    string `json:"wire"`
	Why     string `json:"why,omitempty"`
	Self    bool   `json:"self,omitempty"` // the client's own pod: not counted in the call's wire
}

// Probe is one extra question about a server pod (only used to replay test vectors).
type Probe struct {
	Pod      string   `json:"pod"`
	Port     int      `json:"port"`
	Kind     string   `json:"kind"`
	App      string   `json:"app"`
	ALPN     []string `json:"alpn"`
	Handling string   `json:"handling"`
	Chain    string   `json:"chain"`
	Cluster  string   `json:"cluster"`
	HTTP     bool     `json:"http"`

	TLSALPN  []string `json:"tlsAlpn,omitempty"` // of the chain's own TLS context
	Require  bool     `json:"requireClientCertificate,omitempty"`
	Cert     string   `json:"certificate,omitempty"`
	CA       string   `json:"ca,omitempty"`
	MinTLS   string   `json:"minTls,omitempty"`
	MaxTLS   string   `json:"maxTls,omitempty"`
	Prefixes []string `json:"sanPrefixes,omitempty"`
}

func (w *world) probe(q Probe) Probe {
	l := w.inbound[q.Pod]
	if l == nil {
		q.Handling = "no-listener"
		return q
	}
	address := ""
	for ip, p := range w.byIP {
		if podKey(p) == q.Pod {
			address = ip
		}
	}
	got, fc := handle(l, Arrival{address: address, port: q.Port, kind: q.Kind, app: q.App, alpn: q.ALPN})
	q.Handling, q.Chain = got, fc.GetName()
	if t := downstreamTLS(fc); t != nil {
		c := t.GetCommonTlsContext()
		q.TLSALPN, q.Require = c.GetAlpnProtocols(), t.GetRequireClientCertificate().GetValue()
		for _, s := range c.GetTlsCertificateSdsSecretConfigs() {
			q.Cert = s.Name
		}
		v := c.GetCombinedValidationContext()
		q.CA = v.GetValidationContextSdsSecretConfig().GetName()
		q.MinTLS, q.MaxTLS = c.GetTlsParams().GetTlsMinimumProtocolVersion().String(), c.GetTlsParams().GetTlsMaximumProtocolVersion().String()
		for _, m := range v.GetDefaultValidationContext().GetMatchSubjectAltNames() { //nolint:staticcheck
			q.Prefixes = append(q.Prefixes, m.GetPrefix())
		}
		for _, m := range v.GetDefaultValidationContext().GetMatchTypedSubjectAltNames() {
			q.Prefixes = append(q.Prefixes, m.GetMatcher().GetPrefix())
		}
	}
	if h := hcmOf(fc); h != nil {
		q.HTTP = true
		for _, vh := range h.GetRouteConfig().GetVirtualHosts() {
			for _, r := range vh.Routes {
				q.Cluster = r.GetRoute().GetCluster()
			}
		}
	} else if t := tcpOf(fc); t != nil {
		q.Cluster = t.GetCluster()
	}
	return q
}

// world is one mesh, loaded.
type world struct {
	t       test.Failer
	id      string
	m       *Mesh
	fs      *xds.FakeDiscoveryServer
	push    *model.PushContext
	byIP    map[string]*corev1.Pod
	proxies map[string]*model.Proxy // ns/pod, sidecars only
	ls      map[string][]*listener.Listener
	inbound map[string]*listener.Listener
	cls     map[string]map[string]*cluster.Cluster
	routes  map[string]map[string]*route.RouteConfiguration
	eps     map[string]*endpoint.ClusterLoadAssignment
	sims    map[string]*simulation.Simulation
}

func podKey(p *corev1.Pod) string { return p.Namespace + "/" + p.Name }

func (m *Mesh) answer(t test.Failer, id string, probes []Probe) *Answer {
	w := &world{
		t: t, id: id, m: m, byIP: map[string]*corev1.Pod{}, proxies: map[string]*model.Proxy{}, ls: map[string][]*listener.Listener{},
		inbound: map[string]*listener.Listener{}, cls: map[string]map[string]*cluster.Cluster{},
		routes: map[string]map[string]*route.RouteConfiguration{}, eps: map[string]*endpoint.ClusterLoadAssignment{},
		sims: map[string]*simulation.Simulation{},
	}
	w.fs = xds.NewFakeDiscoveryServer(t, xds.FakeOptions{
		KubernetesObjects: m.objects, Configs: m.configs, MeshConfig: m.mesh, KubeClientBuilder: clientWith,
	})
	w.push = w.fs.PushContext()
	w.settle()
	a := &Answer{Invalid: m.invalid, Servers: []Server{}, Pairs: []Pair{}, Mesh: MeshFacts{
		RootNamespace: m.mesh.RootNamespace, AutoMtls: m.mesh.EnableAutoMtls.GetValue(), OutboundPolicy: m.mesh.OutboundTrafficPolicy.GetMode().String(),
	}}
	pods := slices.Clone(m.pods)
	sort.Slice(pods, func(i, j int) bool { return podKey(pods[i]) < podKey(pods[j]) })
	for _, p := range pods {
		w.byIP[p.Status.PodIP] = p
		if hasSidecar(p) {
			w.load(p)
		}
	}
	services := w.services()
	for _, p := range pods {
		a.Servers = append(a.Servers, w.server(p, services))
	}
	for _, p := range pods {
		for _, s := range services {
			for _, port := range s.Ports {
				a.Pairs = append(a.Pairs, w.pairs(p, s, port)...)
			}
		}
	}
	for _, q := range probes {
		a.Probes = append(a.Probes, w.probe(q))
	}
	return a
}

// clientWith is a client of a cluster that has the objects. They are put there, not created: creation keeps account of managed
// fields, which costs half of all the time and which nobody reads.
func clientWith(objects ...runtime.Object) kube.Client {
	c := kube.NewFakeClient()
	tracker := c.Kube().(*fake.Clientset).Tracker()
	for _, o := range objects {
		if err := tracker.Add(o.DeepCopyObject()); err != nil {
			panic(err)
		}
	}
	return c
}

// settle waits until the endpoint index holds every endpoint of every EndpointSlice.
func (w *world) settle() {
	want := 0
	for _, s := range w.m.services {
		for _, es := range endpointSlices(s, w.m.pods) {
			for _, e := range es.Endpoints {
				if e.Conditions.Ready == nil || *e.Conditions.Ready {
					want += len(es.Ports)
				}
			}
		}
	}
	for range 400 {
		got := 0
		for _, s := range w.fs.Env().ServiceDiscovery.Services() {
			if s.Attributes.ServiceRegistry != "Kubernetes" {
				continue
			}
			if sh, ok := w.fs.Env().EndpointIndex.ShardsForService(string(s.Hostname), s.Attributes.Namespace); ok {
				sh.RLock()
				for _, eps := range sh.Shards {
					got += len(eps)
				}
				sh.RUnlock()
			}
		}
		if got >= want {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	// the push context caches service instances: build a fresh one now that everything is in
	push := model.NewPushContext()
	push.InitContext(w.fs.Env(), nil, nil)
	w.fs.Env().SetPushContext(push)
	w.push = push
}

func (w *world) load(p *corev1.Pod) {
	k := podKey(p)
	px := &model.Proxy{
		Type: model.SidecarProxy, ID: p.Name + "." + p.Namespace, ConfigNamespace: p.Namespace, IPAddresses: []string{p.Status.PodIP},
		DNSDomain: p.Namespace + ".svc.cluster.local",
		Metadata: &model.NodeMetadata{
			Namespace: p.Namespace, Labels: p.Labels, ClusterID: "Kubernetes", IstioVersion: "1.32.0", ServiceAccount: p.Spec.ServiceAccountName,
		},
	}
	px.IstioVersion = model.ParseIstioVersion(px.Metadata.IstioVersion)
	px.DiscoverIPMode()
	px.SetWorkloadLabels(w.fs.Env())
	px.SetServiceTargets(w.fs.Env().ServiceDiscovery)
	px.SetSidecarScope(w.push)
	px.LastPushContext = w.push
	w.proxies[k] = px
	ls := w.fs.ConfigGen.BuildListeners(px, w.push)
	w.ls[k] = ls
	for _, l := range ls {
		if l.Name == model.VirtualInboundListenerName {
			w.inbound[k] = l
		}
	}
	w.cls[k] = map[string]*cluster.Cluster{}
	raw, _ := w.fs.ConfigGen.BuildClusters(px, &model.PushRequest{Push: w.push, Forced: true})
	all := make([]*cluster.Cluster, 0, len(raw))
	for _, r := range raw {
		c := &cluster.Cluster{}
		if err := r.Resource.UnmarshalTo(c); err != nil {
			w.t.Fatal(err)
		}
		all = append(all, c)
		w.cls[k][c.Name] = c
	}
	var rs []*route.RouteConfiguration
	// Envoy asks for each route name once; asking twice in one request would leave the second answer empty
	names := sets.SortedList(sets.New(xdstest.ExtractRoutesFromListeners(ls)...))
	res, _ := w.fs.ConfigGen.BuildHTTPRoutes(px, &model.PushRequest{Push: w.push, Forced: true}, names)
	for _, r := range res {
		rc := &route.RouteConfiguration{}
		if err := r.Resource.UnmarshalTo(rc); err != nil {
			w.t.Fatal(err)
		}
		rs = append(rs, rc)
	}
	w.routes[k] = xdstest.ExtractRouteConfigurations(rs)
	for _, c := range xdstest.ExtractEdsClusterNames(all) {
		b := endpoints.NewEndpointBuilder(c, px, w.push)
		w.eps[k+" "+c] = b.BuildClusterLoadAssignment(w.fs.Env().EndpointIndex)
	}
	if *check {
		w.sims[k] = simulation.NewSimulationFromConfigGen(&testing.T{}, w.fs.ConfigGenTest, px)
		w.sims[k].Listeners, w.sims[k].Clusters, w.sims[k].Routes = ls, all, rs
	}
}

func (w *world) services() []*model.Service {
	var out []*model.Service
	seen := map[string]bool{}
	for _, s := range w.fs.Env().ServiceDiscovery.Services() {
		k := s.Attributes.Namespace + "/" + string(s.Hostname)
		if !seen[k] {
			seen[k] = true
			out = append(out, s)
		}
	}
	sort.Slice(out, func(i, j int) bool {
		a, b := out[i], out[j]
		if a.Attributes.Namespace != b.Attributes.Namespace {
			return a.Attributes.Namespace < b.Attributes.Namespace
		}
		return a.Hostname < b.Hostname
	})
	return out
}

func class(p *model.Port) string {
	switch core.ModelProtocolToListenerProtocol(p.Protocol) {
	case core.ListenerProtocolHTTP:
		return "http"
	case core.ListenerProtocolTCP:
		return "tcp"
	}
	return "auto"
}

// arrivals are the kinds of connection a server port is asked about.
var arrivals = []struct {
	name string
	a    Arrival
}{
	{"plaintext-http", Arrival{kind: "plaintext", app: "http"}},
	{"plaintext-tcp", Arrival{kind: "plaintext", app: "tcp"}},
	{"mutual-tls-http", Arrival{kind: "mutual-tls", app: "http", alpn: []string{"istio-http/1.1", "istio", "http/1.1"}}},
	{"mutual-tls-tcp", Arrival{kind: "mutual-tls", app: "tcp", alpn: []string{"istio-peer-exchange", "istio"}}},
	{"tls", Arrival{kind: "tls", app: "http", alpn: []string{"http/1.1"}}},
	{"tls-no-alpn", Arrival{kind: "tls", app: "tcp"}},
	{"tls-client-cert", Arrival{kind: "tls-client-cert", app: "http", alpn: []string{"http/1.1"}}},
}

func (w *world) server(p *corev1.Pod, services []*model.Service) Server {
	k := podKey(p)
	s := Server{Pod: k, Sidecar: hasSidecar(p)}
	if !s.Sidecar {
		return s
	}
	px := w.proxies[k]
	ports := map[int]string{}
	for _, c := range p.Spec.Containers {
		for _, cp := range c.Ports {
			if c.Name != "istio-proxy" {
				ports[int(cp.ContainerPort)] = "undeclared"
			}
		}
	}
	pol := authn.NewPolicyApplier(w.push, px, nil)
	s.Mode = pol.GetMutualTLSModeForPort(0).String()
	s.NsMode = w.push.AuthnPolicies.GetNamespaceMutualTLSMode(p.Namespace).String()
	for n, m := range pol.PortLevelSetting() {
		if s.PortModes == nil {
			s.PortModes = map[string]string{}
		}
		s.PortModes[fmt.Sprint(n)] = m.String()
		if ports[int(n)] == "" {
			ports[int(n)] = "undeclared"
		}
	}
	for _, c := range w.push.AuthnPolicies.GetPeerAuthenticationsForWorkload(model.PolicyMatcherForProxy(px)) {
		s.Policies = append(s.Policies, c.Namespace+"/"+c.Name)
	}
	for _, t := range px.ServiceTargets {
		// the oldest service decides; the chain below is what counts, this is a label only
		if c := ports[int(t.Port.TargetPort)]; c == "" || c == "undeclared" {
			ports[int(t.Port.TargetPort)] = class(t.Port.ServicePort)
		} else if c != class(t.Port.ServicePort) {
			ports[int(t.Port.TargetPort)] = "conflict"
		}
	}
	nums := make([]int, 0, len(ports))
	for n := range ports {
		nums = append(nums, n)
	}
	sort.Ints(nums)
	for _, n := range append(nums, 0) {
		sp := ServerPort{Port: n, Class: ports[n], Accepts: map[string]string{}}
		probe := n
		if n == 0 {
			sp.Class, probe = "any-other", 64999
		}
		for _, a := range arrivals {
			x := a.a
			x.address, x.port = p.Status.PodIP, probe
			if x.kind == "mutual-tls" {
				x.sni = "outbound_._"
			}
			got, fc := handle(w.inbound[k], x)
			sp.Accepts[a.name] = got
			w.compareInbound(k, x, got, fc)
		}
		plain := sp.Accepts["plaintext-http"] == "pass" || sp.Accepts["plaintext-tcp"] == "pass"
		mtls := sp.Accepts["mutual-tls-http"] == "terminate" || sp.Accepts["mutual-tls-tcp"] == "terminate"
		switch {
		case plain && mtls:
			sp.Mode = "PERMISSIVE"
		case plain:
			sp.Mode = "DISABLE"
		case mtls:
			sp.Mode = "STRICT"
		}
		s.Ports = append(s.Ports, sp)
	}
	return s
}

func (w *world) pairs(p *corev1.Pod, s *model.Service, port *model.Port) []Pair {
	k := podKey(p)
	name := s.Attributes.Name
	if s.Attributes.ServiceRegistry != "Kubernetes" {
		name = string(s.Hostname)
	}
	base := Pair{
		Client: k, ClientSidecar: hasSidecar(p), Service: s.Attributes.Namespace + "/" + name, Host: string(s.Hostname), Port: port.Port,
		PortName: port.Name, Protocol: string(port.Protocol), Resolution: resolution(s), Visible: true, Calls: map[string]Call{},
	}
	apps := []string{class(port)}
	if apps[0] == "auto" {
		apps = []string{"http", "tcp"}
	}
	to := w.concrete(s)
	if !base.ClientSidecar {
		for _, app := range apps {
			base.Calls[app] = w.direct(p, to, port, app, "", "")
		}
		return []Pair{base}
	}
	px := w.proxies[k]
	base.ServiceMode = w.push.BestEffortInferServiceMTLSMode(px.SidecarScope.AuthnPolicies, nil, s, port).String()
	var subsets []string
	if dr := px.SidecarScope.DestinationRule(model.TrafficDirectionOutbound, px, s.Hostname); dr != nil {
		rule := dr.GetRule().Spec.(*networking.DestinationRule)
		for _, ss := range rule.Subsets {
			subsets = append(subsets, ss.Name)
		}
		for _, f := range dr.GetFrom() {
			base.MergedFrom = append(base.MergedFrom, f.Namespace+"/"+f.Name)
		}
	}
	out := []Pair{}
	for _, sub := range append([]string{""}, subsets...) {
		x := base
		x.Subset, x.Calls = sub, map[string]Call{}
		x.Cluster = model.BuildSubsetKey(model.TrafficDirectionOutbound, sub, s.Hostname, port.Port)
		c := w.cls[k][x.Cluster]
		own := px.SidecarScope.GetService(s.Hostname)
		x.Visible = own != nil && own.Attributes.Namespace == s.Attributes.Namespace && c != nil
		if !x.Visible {
			x.Cluster, x.MergedFrom, x.ServiceMode = "", nil, ""
			if sub != "" {
				continue
			}
		} else {
			x.ClusterType = c.GetType().String()
			x.DestinationRule = ruleOf(c)
			x.Originates = originates(c)
		}
		for _, app := range apps {
			if sub != "" {
				x.Calls[app] = w.via(p, s, port, app, x.Cluster, "")
				continue
			}
			if a := addressOf(to, px); a != "" {
				x.Calls[app] = w.send(p, to, port, app, string(s.Hostname), a, "")
			} else {
				x.Calls[app] = w.sendEach(p, to, port, app, string(s.Hostname), x.Cluster)
			}
		}
		out = append(out, x)
	}
	return out
}

func resolution(s *model.Service) string {
	switch s.Resolution {
	case model.ClientSideLB:
		return "ClusterIP"
	case model.Passthrough:
		return "Passthrough"
	case model.DNSLB:
		return "DNS"
	case model.DNSRoundRobinLB:
		return "DNSRoundRobin"
	case model.Alias:
		return "Alias"
	}
	return fmt.Sprint(s.Resolution)
}

// concrete follows Services of type ExternalName, as DNS does, to the service whose address a client ends up dialling;
// nil is a name that the mesh does not know.
func (w *world) concrete(s *model.Service) *model.Service {
	for range 10 {
		if s == nil || s.Resolution != model.Alias {
			return s
		}
		name, next := s.Attributes.K8sAttributes.ExternalName, (*model.Service)(nil)
		for _, other := range w.services() {
			if string(other.Hostname) == name {
				next = other
				break
			}
		}
		s = next
	}
	return nil
}

// addressOf is what a name resolves to: the service's own address, nothing where its endpoints' addresses are dialled,
// and an address of nobody's for a name that the mesh does not know.
func addressOf(s *model.Service, px *model.Proxy) string {
	if s == nil {
		return outside
	}
	if a := s.GetAddressForProxy(px); a != "0.0.0.0" {
		return a
	}
	return ""
}

const outside = "192.0.2.1"

// send is one call of a client with a proxy: its application dials address, with host as the name in an HTTP request. only,
// if set, is the one endpoint meant.
func (w *world) send(p *corev1.Pod, s *model.Service, port *model.Port, app, host, address, only string) Call {
	k := podKey(p)
	a := Arrival{kind: "plaintext", app: app, port: port.Port, address: address}
	r := routeCall(w.ls[k], w.routes[k], a, host)
	w.compareOutbound(k, a, host, r)
	switch {
	case r.why == answered:
		return Call{Why: r.why, Wire: "none", Endpoints: []End{}}
	case r.why != "":
		return Call{Why: r.why, Wire: "refused", Endpoints: []End{}}
	case len(r.clusters) > 1:
		return w.viaSeveral(p, s, port, app, r.clusters, only)
	case r.clusters[0] == "PassthroughCluster":
		return w.direct(p, s, port, app, r.clusters[0], only)
	case r.clusters[0] == "BlackHoleCluster":
		return Call{Route: r.clusters[0], Why: "blocked-by-outbound-policy", Wire: "refused", Endpoints: []End{}}
	}
	return w.via(p, s, port, app, r.clusters[0], only)
}

// viaSeveral is for calls that a VirtualService shares out. What the shares come to is joined as endpoints are: a share that
// finds no endpoint counts like one that is refused.
func (w *world) viaSeveral(p *corev1.Pod, s *model.Service, port *model.Port, app string, names []string, only string) Call {
	out := Call{Routes: names, Endpoints: []End{}}
	wires, whys := sets.New[string](), sets.New[string]()
	for _, name := range names {
		c := w.via(p, s, port, app, name, only)
		wires.Insert(c.Wire)
		whys.Insert(c.Why)
		for _, e := range c.Endpoints {
			e.Route = name
			out.Endpoints = append(out.Endpoints, e)
		}
	}
	sort.SliceStable(out.Endpoints, func(i, j int) bool { return out.Endpoints[i].Address < out.Endpoints[j].Address })
	out.Wire = "mixed"
	if len(wires) == 1 {
		out.Wire = wires.UnsortedList()[0]
		if len(whys) == 1 {
			out.Why = whys.UnsortedList()[0]
		}
	}
	return out
}

// sendEach is for a Service without an address of its own: the application dials the endpoints' addresses.
func (w *world) sendEach(p *corev1.Pod, s *model.Service, port *model.Port, app, host, own string) Call {
	eps := w.push.ServiceEndpointsByPort(s, port.Port, nil)
	if len(eps) == 0 {
		return w.send(p, s, port, app, host, outside, "")
	}
	out, routes := Call{Endpoints: []End{}}, sets.New[string]()
	done := map[string]bool{}
	for _, ep := range eps {
		addr := ep.Addresses[0]
		c := w.send(p, s, port, app, host, addr, addr)
		self := addr == p.Status.PodIP
		if !self {
			routes.Insert(strings.Join(append([]string{c.Route}, c.Routes...), " "))
		}
		if len(c.Endpoints) == 0 {
			e := End{Address: fmt.Sprintf("%s:%d", addr, port.Port), Wire: c.Wire, Why: c.Why, Self: self}
			if t := w.byIP[addr]; t != nil {
				e.Pod = podKey(t)
			}
			c.Endpoints = append(c.Endpoints, e)
		}
		for _, e := range c.Endpoints {
			if c.Route != own && len(c.Routes) == 0 {
				e.Route = c.Route
			}
			if !done[e.Address+e.Route] {
				done[e.Address+e.Route] = true
				out.Endpoints = append(out.Endpoints, e)
			}
		}
	}
	if len(routes) == 1 {
		names := strings.Fields(routes.UnsortedList()[0])
		if len(names) == 1 {
			out.Route = names[0]
		} else {
			out.Routes = names
		}
	}
	return finish(out)
}

func ruleOf(c *cluster.Cluster) string {
	p := c.GetMetadata().GetFilterMetadata()["istio"].GetFields()["config"].GetStringValue()
	if p == "" {
		return ""
	}
	f := strings.Split(p, "/") // /apis/networking.istio.io/v1/namespaces/NS/destination-rule/NAME
	return f[len(f)-3] + "/" + f[len(f)-1]
}

func originates(c *cluster.Cluster) *Originates {
	o := &Originates{Kind: "plaintext"}
	t := upstreamTLS(c.TransportSocket)
	if t != nil {
		o.Kind = kindOf(t)
	}
	for _, m := range c.TransportSocketMatches {
		if u := upstreamTLS(m.TransportSocket); u != nil {
			t, o.Kind = u, "auto"
		}
	}
	if t == nil {
		return o
	}
	ctx := t.GetCommonTlsContext()
	o.SNI, o.SANs, o.ALPN = t.Sni, sansOf(t), ctx.GetAlpnProtocols()
	for _, s := range ctx.GetTlsCertificateSdsSecretConfigs() {
		o.Certs = append(o.Certs, s.Name)
	}
	o.CA = ctx.GetCombinedValidationContext().GetValidationContextSdsSecretConfig().GetName() + ctx.GetValidationContextSdsSecretConfig().GetName()
	o.NoALPNSet = c.GetMetadata().GetFilterMetadata()["istio"].GetFields()["alpn_override"].GetStringValue() == "false"
	return o
}

// direct is a call that meets no client proxy: kube-proxy picks an endpoint and the bytes go out as they are.
func (w *world) direct(p *corev1.Pod, s *model.Service, port *model.Port, app, via, only string) Call {
	call := Call{Route: via, Endpoints: []End{}}
	if s == nil {
		call.Wire, call.Why = "depends", "outside-the-mesh"
		return call
	}
	if s.Attributes.ServiceRegistry != "Kubernetes" {
		call.Wire, call.Why = "none", "not-a-kubernetes-service" // no name, no address outside the proxies
		return call
	}
	for _, e := range w.push.ServiceEndpointsByPort(s, port.Port, nil) {
		n := int(e.EndpointPort)
		if s.Resolution == model.Passthrough {
			n = port.Port // nothing translates the port of a headless service
		}
		for _, addr := range e.Addresses {
			if only != "" && addr != only {
				continue
			}
			a := Arrival{address: addr, port: n, kind: "plaintext", app: app}
			call.Endpoints = append(call.Endpoints, w.arrive(a, nil, End{Sends: "plaintext", Self: addr == p.Status.PodIP}, int(e.EndpointPort)))
		}
	}
	return finish(call)
}

// via is a call sent through one cluster of the client's proxy.
func (w *world) via(p *corev1.Pod, s *model.Service, port *model.Port, app, name, only string) Call {
	k := podKey(p)
	call := Call{Route: name, Endpoints: []End{}}
	c := w.cls[k][name]
	if c == nil {
		call.Why, call.Wire = "no-cluster", "refused"
		return call
	}
	type target struct {
		addr  string
		port  int
		marks map[string]string
		eds   bool
		real  int
	}
	var targets []target
	switch c.GetType() {
	case cluster.Cluster_ORIGINAL_DST:
		// it goes on to where the application dialled, whatever service the cluster is of
		if s == nil {
			break
		}
		for _, e := range w.push.ServiceEndpointsByPort(s, port.Port, nil) {
			if only != "" && e.Addresses[0] != only {
				continue
			}
			t := target{addr: e.Addresses[0], port: int(e.EndpointPort), real: int(e.EndpointPort)}
			if s.Resolution == model.Passthrough {
				t.port = port.Port
			}
			targets = append(targets, t)
		}
	default:
		la := w.eps[k+" "+name]
		if la == nil {
			la = c.GetLoadAssignment()
		}
		for _, l := range la.GetEndpoints() {
			for _, lb := range l.LbEndpoints {
				sa := lb.GetEndpoint().GetAddress().GetSocketAddress()
				targets = append(targets, target{addr: sa.GetAddress(), port: int(sa.GetPortValue()), marks: marksOf(lb), eds: true, real: int(sa.GetPortValue())})
			}
		}
	}
	for _, t := range targets {
		ctx := upstreamTLS(socketFor(c, t.marks))
		a := Arrival{address: t.addr, port: t.port, kind: kindOf(ctx), app: app}
		if strings.Contains(name, "|") && http2(c) && app == "http" {
			a.app = "http2"
		}
		e := End{Sends: a.kind, Self: t.addr == p.Status.PodIP}
		if t.eds {
			m := t.marks["tlsMode"] == "istio"
			e.Marked = &m
		}
		var sans []string
		if ctx != nil {
			a.sni, a.alpn = ctx.Sni, ctx.GetCommonTlsContext().GetAlpnProtocols()
			off := c.GetMetadata().GetFilterMetadata()["istio"].GetFields()["alpn_override"].GetStringValue() == "false"
			if app == "http" && !off && a.kind == "mutual-tls" {
				if a.app == "http2" {
					a.alpn = []string{"istio-h2", "istio", "h2"}
				} else {
					a.alpn = []string{"istio-http/1.1", "istio", "http/1.1"}
				}
			} else if app == "http" && len(a.alpn) == 0 {
				a.alpn = []string{"http/1.1"} // Envoy's own default for an HTTP/1.1 pool
			}
			sans = sansOf(ctx)
		}
		call.Endpoints = append(call.Endpoints, w.arrive(a, sans, e, t.real))
	}
	return finish(call)
}

func http2(c *cluster.Cluster) bool {
	o, ok := c.TypedExtensionProtocolOptions["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"]
	if !ok {
		return false
	}
	h := &httpopts.HttpProtocolOptions{}
	return o.UnmarshalTo(h) == nil && h.GetExplicitHttpConfig().GetHttp2ProtocolOptions() != nil
}

// arrive follows one connection into its pod. listens is the port the application behind the Service listens on.
func (w *world) arrive(a Arrival, sans []string, e End, listens int) End {
	e.Address = fmt.Sprintf("%s:%d", a.address, a.port)
	p := w.byIP[a.address]
	got := "pass"
	if p != nil {
		e.Pod = podKey(p)
		if l := w.inbound[e.Pod]; l != nil {
			var fc *listener.FilterChain
			got, fc = handle(l, a)
			w.compareInbound(e.Pod, a, got, fc)
		}
	}
	switch {
	case strings.HasPrefix(got, "refuse:"):
		e.Wire, e.Why = "refused", strings.TrimPrefix(got, "refuse:")
	case got == "terminate":
		e.Wire = "mutual-tls"
		id := ""
		if p != nil {
			id = "spiffe://" + w.m.mesh.TrustDomain + "/ns/" + p.Namespace + "/sa/" + p.Spec.ServiceAccountName
		}
		if len(sans) > 0 && !slices.Contains(sans, id) {
			e.Wire, e.Why = "refused", "server-identity-not-expected"
		}
	case got == "terminate-if-mesh-certificate":
		e.Wire, e.Why = "depends", "client-certificate-origin"
	case a.kind == "mutual-tls":
		e.Wire, e.Why = "refused", "application-gets-ciphertext"
		if p == nil {
			e.Wire, e.Why = "depends", "outside-the-mesh"
		}
	case a.isTLS():
		e.Wire = "tls"
	default:
		e.Wire = "plaintext"
	}
	if e.Wire != "refused" && p != nil && a.port != listens {
		e.Wire, e.Why = "refused", "nothing-listens"
	}
	return e
}

func finish(c Call) Call {
	sort.SliceStable(c.Endpoints, func(i, j int) bool { return c.Endpoints[i].Address < c.Endpoints[j].Address })
	kinds := sets.New[string]()
	for _, e := range c.Endpoints {
		if !e.Self {
			kinds.Insert(e.Wire)
		}
	}
	switch len(kinds) {
	case 0:
		c.Wire, c.Why = "none", "no-endpoints"
		if len(c.Endpoints) > 0 {
			c.Why = "only-itself"
		}
	case 1:
		c.Wire = kinds.UnsortedList()[0]
	default:
		c.Wire = "mixed"
	}
	return c
}
