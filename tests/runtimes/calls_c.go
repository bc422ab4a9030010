// Waits in C code that Go called, and in Go code that C called.
package main

/*
#include <stdio.h>
#include <unistd.h>

extern void backInGo(void);

static void waitInC(void)
{
    for (;;)
        pause();
}

static void callBack(void)
{
    backInGo();
    puts("");
}
*/
import "C"

import (
	"fmt"
	"time"
)

//export backInGo
func backInGo() {
	select {}
}

func main() {
	go C.callBack()
	time.AfterFunc(200*time.Millisecond, func() { fmt.Println("ready") })
	C.waitInC()
}
