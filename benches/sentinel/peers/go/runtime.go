package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

const (
	eventsEach = 20
	eventPause = 5 * time.Millisecond
)

// answer is as long as a short completion.
var answer = `{"object":"text_completion","choices":[{"text":"` + strings.Repeat("a", 380) +
	`","finish_reason":"stop"}],"usage":{"prompt_tokens":7,"completion_tokens":95}}`

// serveRuntime plays a model server. Every event carries the nanosecond in which it was written.
func serveRuntime(arguments []string) error {
	mux := http.NewServeMux()
	mux.HandleFunc("/health", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/v1/completions", func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, answer)
	})
	mux.HandleFunc("/v1/chat/completions", func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range eventsEach {
			if i > 0 {
				time.Sleep(eventPause)
			}
			fmt.Fprintf(w, "data: {\"ns\":%d}\n\n", time.Now().UnixNano())
			w.(http.Flusher).Flush()
		}
	})
	return http.ListenAndServe(arguments[0], mux)
}
