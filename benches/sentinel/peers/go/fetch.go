package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"sync"
)

// fetch downloads in ranges over several connections into a file, each range at its offset.
func fetch(arguments []string) error {
	url, ca, out := arguments[0], arguments[1], arguments[2]
	connections, err := strconv.Atoi(arguments[3])
	if err != nil {
		return err
	}
	chunk, err := strconv.ParseInt(arguments[4], 10, 64)
	if err != nil {
		return err
	}
	client, err := trusting(ca, connections)
	if err != nil {
		return err
	}
	head, err := client.Head(url)
	if err != nil {
		return err
	}
	head.Body.Close()
	if head.StatusCode != http.StatusOK || head.ContentLength <= 0 {
		return fmt.Errorf("HEAD: %s, %d bytes", head.Status, head.ContentLength)
	}
	file, err := os.Create(out)
	if err != nil {
		return err
	}
	defer file.Close()
	starts := make(chan int64)
	failed := make([]error, connections)
	var workers sync.WaitGroup
	for i := range connections {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for start := range starts {
				if failed[i] == nil {
					failed[i] = fetchRange(client, url, file, start, min(start+chunk, head.ContentLength))
				}
			}
		}()
	}
	for start := int64(0); start < head.ContentLength; start += chunk {
		starts <- start
	}
	close(starts)
	workers.Wait()
	return errors.Join(append(failed, file.Close())...)
}

func fetchRange(client *http.Client, url string, file *os.File, start, end int64) error {
	request, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	request.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", start, end-1))
	reply, err := client.Do(request)
	if err != nil {
		return err
	}
	defer reply.Body.Close()
	if reply.StatusCode != http.StatusPartialContent {
		return fmt.Errorf("range at %d: %s", start, reply.Status)
	}
	n, err := io.Copy(io.NewOffsetWriter(file, start), reply.Body)
	if err == nil && n != end-start {
		err = fmt.Errorf("range at %d: %d bytes", start, n)
	}
	return err
}

func trusting(ca string, connections int) (*http.Client, error) {
	pem, err := os.ReadFile(ca)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("no certificate in " + ca)
	}
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig:     &tls.Config{RootCAs: pool},
		MaxIdleConnsPerHost: connections,
	}}, nil
}
