package main

import (
	"net/http"
	"os"
	"path"
	"strings"
)

// serveStore answers HEAD and GET with ranges, under the header names of S3 and of Azure Blob.
func serveStore(arguments []string) error {
	address, folder, cert, key := arguments[0], arguments[1], arguments[2], arguments[3]
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Count(r.URL.Path, "/") == 1 {
			return // s5cmd asks whether the bucket is there.
		}
		file, err := os.Open(path.Join(folder, path.Base(r.URL.Path)))
		if err != nil {
			http.Error(w, "no such blob", http.StatusNotFound)
			return
		}
		defer file.Close()
		info, err := file.Stat()
		if err != nil || info.IsDir() {
			http.Error(w, "no such blob", http.StatusNotFound)
			return
		}
		if given := r.Header.Get("x-ms-range"); given != "" {
			r.Header.Set("Range", given)
		}
		header := w.Header()
		header.Set("ETag", `"0x8DC0000000000"`)
		header.Set("Content-Type", "application/octet-stream")
		header.Set("x-ms-blob-type", "BlockBlob")
		header.Set("x-ms-version", "2022-11-02")
		http.ServeContent(w, r, "", info.ModTime(), file)
	})
	return http.ListenAndServeTLS(address, cert, key, handler)
}
