// A web server that is all its image holds: no shell, no curl, nothing to exec. It answers with the headers it got, as httpbin does.
package main

import (
	"encoding/json"
	"log"
	"net/http"
)

func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		headers := map[string]string{"Host": r.Host}
		for name := range r.Header {
			headers[name] = r.Header.Get(name)
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"headers": headers})
	})
	log.Fatal(http.ListenAndServe(":8080", nil))
}
