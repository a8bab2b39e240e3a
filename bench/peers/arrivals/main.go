// arrivals posts one review again and again as a busy cluster does: at moments that nobody has agreed on, however long
// the answers take. Without a rate it posts them one after the other, each over a connection of its own: like an API
// server it keeps no TLS session, so that every handshake is a full one. It prints what became of it, as JSON with times
// in seconds.
package main

import (
	"crypto/tls"
	"encoding/json"
	"flag"
	"log"
	"math/rand/v2"
	"net/http"
	"os"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

// poisson is a vegeta.Pacer whose pauses are exponentially distributed, so that requests come in clusters by chance.
type poisson struct {
	mean time.Duration
	next time.Duration
	last time.Duration
}

func (p *poisson) Pace(elapsed time.Duration, _ uint64) (time.Duration, bool) {
	p.next += time.Duration(rand.ExpFloat64() * float64(p.mean))
	return max(0, p.next-elapsed), p.next > p.last
}

func (p *poisson) Rate(time.Duration) float64 {
	return float64(time.Second) / float64(p.mean)
}

func main() {
	url := flag.String("url", "", "where to post")
	file := flag.String("body", "", "file with the review")
	rate := flag.Float64("rate", 0, "requests a second, on average; none: one after the other, over new connections")
	duration := flag.Duration("duration", 0, "how long")
	flag.Parse()
	body, err := os.ReadFile(*file)
	if err != nil {
		log.Fatal(err)
	}
	target := vegeta.Target{
		Method: http.MethodPost,
		URL:    *url,
		Body:   body,
		Header: http.Header{"Content-Type": {"application/json"}},
	}
	options := []func(*vegeta.Attacker){
		vegeta.HTTP2(false),
		// The same key exchange for all: not every server has Go's own choice, which costs more.
		vegeta.TLSConfig(&tls.Config{InsecureSkipVerify: true, CurvePreferences: []tls.CurveID{tls.X25519}}),
		vegeta.Timeout(10 * time.Second),
	}
	var pacer vegeta.Pacer = vegeta.ConstantPacer{} // no pauses
	if *rate > 0 {
		pacer = &poisson{mean: time.Duration(float64(time.Second) / *rate), last: *duration}
		*duration = 0 // it ends by itself, with what was due
	} else {
		options = append(options, vegeta.KeepAlive(false), vegeta.Workers(1), vegeta.MaxWorkers(1))
	}
	attacker := vegeta.NewAttacker(options...)
	var metrics vegeta.Metrics
	for result := range attacker.Attack(vegeta.NewStaticTargeter(target), pacer, *duration, "") {
		metrics.Add(result)
	}
	metrics.Close()
	err = json.NewEncoder(os.Stdout).Encode(map[string]any{
		"rate":    metrics.Rate,
		"p50":     metrics.Latencies.P50.Seconds(),
		"p99":     metrics.Latencies.P99.Seconds(),
		"longest": metrics.Latencies.Max.Seconds(),
		"failed":  metrics.Requests - uint64(metrics.StatusCodes["200"]),
	})
	if err != nil {
		log.Fatal(err)
	}
}
