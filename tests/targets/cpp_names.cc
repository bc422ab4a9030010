/* Names as C++ and Rust compilers make them: templates, overloads, both schemes of Rust. */
#include <cstdio>
#include <unistd.h>

#define NOINLINE __attribute__((noinline))

/* What rustc calls core::fmt::write<T> and app::run::{closure#0}. */
extern "C" NOINLINE void rust_legacy(int) __asm__("_ZN4core3fmt5write17h0123456789abcdefE");
extern "C" NOINLINE void rust_v0(int) __asm__("_RNCNvCs4fqI2P2rA04_3app3run0");

namespace shop
{
template <typename T> struct Basket {
    NOINLINE void wait(T item);
};

template <typename T> void Basket<T>::wait(T item)
{
    printf("ready %d\n", static_cast<int>(item));
    fflush(stdout);
    for (;;)
        pause();
}

NOINLINE void serve(double price, const char *)
{
    Basket<long> basket;
    basket.wait(static_cast<long>(price));
    __asm__ volatile("" ::: "memory");
}
} // namespace shop

extern "C" void rust_legacy(int depth)
{
    shop::serve(depth, "x");
    __asm__ volatile("" ::: "memory");
}

extern "C" void rust_v0(int depth)
{
    rust_legacy(depth + 1);
    __asm__ volatile("" ::: "memory");
}

int main()
{
    rust_v0(0);
    return 0;
}
