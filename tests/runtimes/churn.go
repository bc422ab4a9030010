// Goroutines that wait for each other and run all the time, on stacks that grow and shrink.
package main

import "fmt"

//go:noinline
func recurse(depth int, in, out chan int) {
	var room [64]byte
	if depth > 0 {
		recurse(depth-1, in, out)
	} else {
		out <- <-in
	}
	room[depth%len(room)]++
}

//go:noinline
func pass(number int, in, out chan int) {
	for round := number; ; round++ {
		recurse(round%50, in, out)
	}
}

func main() {
	const count = 100
	var ring [count]chan int
	for i := range ring {
		ring[i] = make(chan int, 1)
	}
	for i := range ring {
		go pass(i, ring[i], ring[(i+1)%count])
	}
	for i := 0; i < count/2; i++ {
		ring[i*2] <- i
	}
	fmt.Println("ready")
	select {}
}
