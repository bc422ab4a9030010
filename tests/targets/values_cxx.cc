// BUILD: -O0
/*
 * Values of C++: base classes (virtual ones, too), references, members of every kind, enumerations
 * with a scope, templates and what lambda expressions hold on to.
 */
#include <cstdio>
#include <unistd.h>

namespace shapes
{
enum class Kind : unsigned char { round, square = 9 };
enum Plain { thin, thick };

struct Empty {
};

class Base
{
  public:
    virtual ~Base() = default;
    int in_base = 1;
    static int shared;

  protected:
    Kind kind = Kind::square;
};
int Base::shared = 77;

class Other : public virtual Base
{
  public:
    int in_other = 2;
};

class Derived : public Other, public Empty
{
  public:
    explicit Derived(int &target) : reference(target)
    {
    }
    int &reference;
    char16_t wide = u'a';
    Plain plain = thick;
    long wait(int fd, const char *label);
};

template <typename T, int N> struct Box {
    T content[N];
};

long __attribute__((noinline)) Derived::wait(int fd, const char *label)
{
    char byte = 'w';
    Derived &self = *this;
    int &&temporary = fd + 1;
    Box<Box<short, 2>, 2> box = {{{{1, 2}}, {{3, 4}}}};
    const Kind scoped = Kind::round;
    decltype(nullptr) nothing = nullptr;
    char32_t letter = U'x';
    auto lambda = [&box, fd, this](int more) {
        char inner = 'i';
        return read(fd, &inner, 1) + more + box.content[0].content[0] + in_base;
    };
    printf("ready\n");
    fflush(stdout);
    return lambda(5) + byte + temporary + self.in_other + (scoped == kind) + (nothing == label) +
           letter;
}
} // namespace shapes

int main()
{
    int ends[2], target = 42;
    if (pipe(ends))
        return 1;
    shapes::Derived derived(target);
    const shapes::Base &base = derived;
    return (int)derived.wait(ends[0], "label") + base.in_base;
}
