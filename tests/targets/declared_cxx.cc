// BUILD: -O1
/*
 * C++ for a console that speaks C. What is awkward: scopes, overloads, base classes whose padding
 * the derived class uses, virtual functions, references, and objects that cannot be copied by
 * bytes.
 */
#include <cstdio>
#include <string>
#include <unistd.h>
#include <vector>

#define USED __attribute__((used))
#define NOINLINE __attribute__((used, noinline))

namespace shop
{
enum class size : unsigned char { little, large };
class base
{
  public:
    virtual ~base() = default;
    int number = 3;
    char flag = 'f';
};
class derived : public base
{
  public:
    char in_the_padding = 'p';
    long long_one = 4;
    int number = 5;
    static int instances;
    enum size size = size::large;
    std::string name = "a name";
    NOINLINE int twice() const
    {
        return number * 2 + (int)long_one;
    }
};
int derived::instances = 17;
USED derived thing;
USED derived &reference = thing;
NOINLINE int overloaded(int x)
{
    return x;
}
NOINLINE int overloaded(double x)
{
    return (int)x;
}
NOINLINE int by_object(std::string text)
{
    return (int)text.size();
}
namespace deep
{
USED int counter = 9;
}
} // namespace shop
namespace
{
USED int nameless = 23;
}
USED std::vector<int> numbers = {1, 2, 3};

int main()
{
    std::printf("%d %d %d %d\n", shop::thing.twice(), shop::overloaded(1), shop::overloaded(1.5),
                shop::by_object("abc") + nameless + (int)numbers.size());
    std::printf("ready\n");
    std::fflush(stdout);
    for (;;)
        pause();
}
