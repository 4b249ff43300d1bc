// Command oracle asks Istio's own control-plane code what it would program for a small mesh, and works out what
// a request would meet. It reads meshes (Kubernetes and Istio YAML) and writes one JSON object per mesh.
//
//	oracle [-j N] [-check] < in.jsonl > out.jsonl     lines {"id": ..., "mesh": "<yaml>"}
//	oracle file.yaml ...                               one mesh per file, pretty-printed
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"istio.io/istio/pkg/log"
	"istio.io/istio/pkg/test"
)

type input struct {
	ID   string `json:"id"`
	Mesh string `json:"mesh"`

	Probes []Probe `json:"probes,omitempty"`
}

type output struct {
	ID       string  `json:"id"`
	Mesh     string  `json:"mesh,omitempty"`
	Expected *Answer `json:"expected,omitempty"`
	Error    string  `json:"error,omitempty"`
	Millis   int64   `json:"millis,omitempty"`
}

var (
	workers  = flag.Int("j", 2, "meshes worked on at a time")
	withMesh = flag.Bool("mesh", false, "repeat the mesh in the answer")
	timing   = flag.Bool("time", false, "add the milliseconds each mesh took")
	check    = flag.Bool("check", false, "also run Istio's own simulation package on every call; differences go to stderr")
	verbose  = flag.Bool("v", false, "leave Istio's logging on")
)

func main() {
	flag.Parse()
	if !*verbose {
		for _, s := range log.Scopes() {
			s.SetOutputLevel(log.NoneLevel)
		}
	}
	if flag.NArg() > 0 {
		enc := json.NewEncoder(os.Stdout)
		enc.SetIndent("", " ")
		enc.SetEscapeHTML(false)
		for _, f := range flag.Args() {
			b, err := os.ReadFile(f)
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(2)
			}
			_ = enc.Encode(ask(input{ID: filepath.Base(f), Mesh: string(b)}))
		}
		return
	}
	lines := make(chan input, 4)
	type slot struct {
		n int
		b []byte
	}
	results := make(chan slot, 4)
	seq := make(chan struct {
		n  int
		in input
	}, 4)
	go func() {
		sc := bufio.NewScanner(os.Stdin)
		sc.Buffer(make([]byte, 1<<20), 64<<20)
		n := 0
		for sc.Scan() {
			if len(bytes.TrimSpace(sc.Bytes())) == 0 {
				continue
			}
			var in input
			if err := json.Unmarshal(sc.Bytes(), &in); err != nil {
				fmt.Fprintf(os.Stderr, "line %d: %v\n", n+1, err)
				os.Exit(2)
			}
			seq <- struct {
				n  int
				in input
			}{n, in}
			n++
		}
		close(seq)
		close(lines)
	}()
	var wg sync.WaitGroup
	for range *workers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for x := range seq {
				var buf bytes.Buffer
				enc := json.NewEncoder(&buf)
				enc.SetEscapeHTML(false)
				_ = enc.Encode(ask(x.in))
				results <- slot{x.n, buf.Bytes()}
			}
		}()
	}
	go func() { wg.Wait(); close(results) }()
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	held, next := map[int][]byte{}, 0
	for r := range results {
		held[r.n] = r.b
		for b, ok := held[next]; ok; b, ok = held[next] {
			_, _ = out.Write(b)
			_ = out.Flush() // whoever asks one mesh at a time waits for it
			delete(held, next)
			next++
		}
	}
}

func ask(in input) output {
	start := time.Now()
	out := output{ID: in.ID}
	if *withMesh {
		out.Mesh = in.Mesh
	}
	m, err := parseMesh(in.Mesh)
	if err == nil {
		err = test.Wrap(func(t test.Failer) {
			defer func() {
				if r := recover(); r != nil {
					out.Error = fmt.Sprintf("panic: %v", r)
				}
			}()
			out.Expected = m.answer(t, in.ID, in.Probes)
		})
	}
	if err != nil {
		out.Error = err.Error()
	}
	if *timing {
		out.Millis = time.Since(start).Milliseconds()
	}
	return out
}
