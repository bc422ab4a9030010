// C++ with everything that makes names long: a namespace, a template, a lambda in a std::function, a
// thread; and an inlined function in between.
#include <cstdio>
#include <functional>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

namespace shop
{

template <typename T> class Server
{
  public:
    [[gnu::noinline]] T serve(const std::string &name, std::function<void(T)> handler)
    {
        handler(static_cast<T>(name.size()));
        return served++;
    }

  private:
    T served = 0;
};

} // namespace shop

static inline void wait_for_request()
{
    for (;;)
        pause();
}

int main()
{
    shop::Server<int> server;
    std::thread thread([&] { server.serve("thread", [](int) { wait_for_request(); }); });
    server.serve("main", [](int) {
        std::puts("ready");
        std::fflush(stdout);
        wait_for_request();
    });
}
