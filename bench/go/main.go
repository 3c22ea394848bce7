// The program that this one replaces, in the Go SDK of today: list, download with bounded goroutines, upload in parts. Modes: seed (the SDK's
// downloader, every body in a buffer of its own), lean (bodies read straight into the buffer of their output).
package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/s3/manager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

func must(err error) {
	if err != nil {
		panic(err)
	}
}

type obj struct {
	key  string
	size int64
}

func main() {
	mode, bucket, src, dst := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	conc, _ := strconv.Atoi(os.Args[5])
	slabs := 3
	ctx := context.Background()
	tr := http.DefaultTransport.(*http.Transport).Clone()
	tr.DialContext = (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext
	tr.MaxConnsPerHost = 250
	tr.MaxIdleConns = 250
	tr.MaxIdleConnsPerHost = 250
	tr.IdleConnTimeout = 90 * time.Second
	tr.ResponseHeaderTimeout = 5 * time.Second
	tr.TLSHandshakeTimeout = 5 * time.Second
	tr.ForceAttemptHTTP2 = false
	tr.DisableCompression = true
	cfg, err := config.LoadDefaultConfig(ctx, config.WithHTTPClient(&http.Client{Transport: tr}))
	must(err)
	c := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true; o.DisableLogOutputChecksumValidationSkipped = true })
	var objs []obj
	p := s3.NewListObjectsV2Paginator(c, &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: &src})
	for p.HasMorePages() {
		pg, err := p.NextPage(ctx)
		must(err)
		for _, o := range pg.Contents {
			objs = append(objs, obj{*o.Key, *o.Size})
		}
	}
	const T = 32 << 20
	var groups [][]obj
	var g []obj
	var n int64
	for _, o := range objs {
		g = append(g, o)
		n += o.size
		if n >= T {
			groups = append(groups, g)
			g, n = nil, 0
		}
	}
	if len(g) > 0 {
		groups = append(groups, g)
	}
	up := manager.NewUploader(c, func(u *manager.Uploader) { u.PartSize = 8 << 20; u.Concurrency = 4 })
	down := manager.NewDownloader(c, func(d *manager.Downloader) { d.Concurrency = 1; d.PartSize = 64 << 20 })
	sem := make(chan struct{}, conc)
	gs := make(chan struct{}, slabs)
	pool := sync.Pool{New: func() any { b := make([]byte, T+(2<<20)); return &b }}
	var wg sync.WaitGroup
	for i, g := range groups {
		gs <- struct{}{}
		wg.Add(1)
		go func(i int, g []obj) {
			defer wg.Done()
			defer func() { <-gs }()
			var size int64
			for _, o := range g {
				size += o.size
			}
			var body []byte
			bp := pool.Get().(*[]byte)
			body = (*bp)[:size]
			var at int64
			var in sync.WaitGroup
			for _, o := range g {
				place := body[at : at+o.size : at+o.size]
				at += o.size
				in.Add(1)
				sem <- struct{}{}
				go func(o obj) {
					defer in.Done()
					defer func() { <-sem }()
					if mode == "seed" {
						w := manager.NewWriteAtBuffer(make([]byte, 0, o.size))
						_, err := down.Download(ctx, w, &s3.GetObjectInput{Bucket: &bucket, Key: &o.key})
						must(err)
						copy(place, w.Bytes())
						return
					}
					r, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &o.key})
					must(err)
					_, err = io.ReadFull(r.Body, place)
					must(err)
					io.Copy(io.Discard, r.Body)
					r.Body.Close()
				}(o)
			}
			in.Wait()
			key := fmt.Sprintf("%spart-%05d.log", dst, i)
			_, err := up.Upload(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader(body)})
			must(err)
			pool.Put(bp)
		}(i, g)
	}
	wg.Wait()
	fds, _ := os.ReadDir("/proc/self/fd")
	fmt.Println(len(objs), "objects", len(groups), "outputs", len(fds), "fds at the end")
}
