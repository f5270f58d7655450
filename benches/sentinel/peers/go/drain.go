package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"
)

type tally struct{ answered, refused, unconnected, lost int }

// drain asks in a loop on connections of its own, streamed answers and short ones in turn, for so many seconds or
// until nobody listens any more. It prints how many answers came whole, how many requests were refused with 503,
// how many clients ended at a closed port, and how many requests were sent and had no whole answer.
func drain(arguments []string) error {
	target, err := url.Parse(arguments[0])
	if err != nil {
		return err
	}
	clients, err := strconv.Atoi(arguments[2])
	if err != nil {
		return err
	}
	seconds, err := strconv.Atoi(arguments[3])
	if err != nil {
		return err
	}
	until := time.Now().Add(time.Duration(seconds) * time.Second)
	each := make([]tally, clients)
	var all sync.WaitGroup
	for i := range clients {
		all.Add(1)
		go func() {
			defer all.Done()
			each[i] = ask(target.Host, arguments[1], i, until)
		}()
	}
	all.Wait()
	var sum tally
	for _, one := range each {
		sum.answered += one.answered
		sum.refused += one.refused
		sum.unconnected += one.unconnected
		sum.lost += one.lost
	}
	fmt.Println(sum.answered, sum.refused, sum.unconnected, sum.lost)
	return nil
}

func ask(host, token string, number int, until time.Time) (made tally) {
	for time.Now().Before(until) {
		connection, err := net.Dial("tcp", host)
		if err != nil {
			made.unconnected++
			return made
		}
		reader := bufio.NewReader(connection)
		for turn := number; time.Now().Before(until); turn++ {
			status, last, err := exchange(connection, reader, host, token, turn)
			if err != nil {
				made.lost++
			} else if status == http.StatusOK {
				made.answered++
			} else {
				made.refused++
				time.Sleep(5 * time.Millisecond)
			}
			if err != nil || last {
				break
			}
		}
		connection.Close()
	}
	return made
}

func exchange(connection net.Conn, reader *bufio.Reader, host, token string, turn int) (int, bool, error) {
	path := "/v1/completions"
	if turn%2 == 0 {
		path = "/v1/chat/completions"
	}
	request, err := http.NewRequest(http.MethodPost, "http://"+host+path, bytes.NewReader(make([]byte, 256)))
	if err != nil {
		return 0, true, err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	if err := request.Write(connection); err != nil {
		return 0, true, err
	}
	reply, err := http.ReadResponse(reader, request)
	if err != nil {
		return 0, true, err
	}
	defer reply.Body.Close()
	_, err = io.Copy(io.Discard, reply.Body)
	return reply.StatusCode, reply.Close, err
}
