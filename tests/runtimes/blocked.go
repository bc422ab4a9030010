// Goroutines that block in every common way, and print what Go itself says of them on SIGQUIT.
package main

import (
	"fmt"
	"os"
	"sync"
	"time"
)

type server struct {
	mutex   sync.Mutex
	wait    sync.WaitGroup
	requests chan int
}

//go:noinline
func (s *server) receive() {
	for n := range s.requests {
		fmt.Fprintln(os.Stderr, n)
	}
}

//go:noinline
func (s *server) lock() {
	s.mutex.Lock()
	s.mutex.Unlock()
}

func inlinedSend(c chan int) {
	c <- 1
}

//go:noinline
func send(c chan int) {
	inlinedSend(c)
}

//go:noinline
func choose(a, b chan int) {
	select {
	case <-a:
	case <-b:
	}
}

//go:noinline
func deep(n int, c chan int) int {
	if n == 0 {
		return <-c
	}
	return deep(n-1, c) + 1
}

//go:noinline
func sleep() {
	time.Sleep(time.Hour)
}

//go:noinline
func readPipe(file *os.File) {
	var buffer [1]byte
	file.Read(buffer[:])
}

func main() {
	s := &server{requests: make(chan int)}
	never := make(chan int)
	reader, _, _ := os.Pipe()
	s.mutex.Lock()
	s.wait.Add(1)
	for i := 0; i < 5; i++ {
		go s.receive()
	}
	go s.lock()
	go send(never)
	go choose(make(chan int), make(chan int))
	go deep(20, make(chan int))
	go sleep()
	go readPipe(reader)
	go func() {
		select {}
	}()
	time.Sleep(200 * time.Millisecond)
	fmt.Println("ready")
	s.wait.Wait()
}
