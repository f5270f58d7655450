package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"sort"
	"strconv"
	"strings"
	"time"
)

// timeEvents prints, in microseconds: the median and the 99th percentile of the time from a request to its first
// event, and of the time that each event took from the runtime to here, and the longest of the latter.
func timeEvents(arguments []string) error {
	url, token := arguments[0], arguments[1]
	count, err := strconv.Atoi(arguments[2])
	if err != nil {
		return err
	}
	var firsts, lags []time.Duration
	for i := range count + 1 {
		first, late, err := oneStream(url, token)
		if err != nil {
			return err
		}
		// The first one opens the connection.
		if i > 0 {
			firsts, lags = append(firsts, first), append(lags, late...)
		}
	}
	fmt.Println(at(firsts, 50), at(firsts, 99), at(lags, 50), at(lags, 99), at(lags, 100))
	return nil
}

func oneStream(url, token string) (first time.Duration, late []time.Duration, err error) {
	request, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(make([]byte, 256)))
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/json")
	start := time.Now()
	reply, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer reply.Body.Close()
	if reply.StatusCode != http.StatusOK {
		return 0, nil, errors.New(reply.Status)
	}
	lines := bufio.NewScanner(reply.Body)
	for lines.Scan() {
		number, found := strings.CutPrefix(lines.Text(), `data: {"ns":`)
		if !found {
			continue
		}
		now := time.Now()
		sent, err := strconv.ParseInt(strings.TrimSuffix(number, "}"), 10, 64)
		if err != nil {
			return 0, nil, err
		}
		if late == nil {
			first = now.Sub(start)
		}
		late = append(late, time.Duration(now.UnixNano()-sent))
	}
	if len(late) != eventsEach {
		return 0, nil, fmt.Errorf("%d events instead of %d", len(late), eventsEach)
	}
	return first, late, lines.Err()
}

func at(times []time.Duration, percent int) int64 {
	sort.Slice(times, func(a, b int) bool { return times[a] < times[b] })
	return times[min(len(times)*percent/100, len(times)-1)].Microseconds()
}
