/*
 * A C++ program as many are: threads that wait below templates, lambdas, virtual functions, and in
 * a handler of an exception, some of it in an anonymous namespace. One thread each waits in a
 * mutex, a condition, a future and a pipe.
 */
#include <condition_variable>
#include <cstdio>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

namespace
{

struct worker {
    virtual ~worker() = default;
    virtual int run(const std::string &name) = 0;
};

std::mutex never_free;
std::condition_variable never_notified;
std::promise<int> never_kept;
int arrived_fd, silent_fd;

void arrive()
{
    if (write(arrived_fd, "x", 1) != 1)
        _exit(1);
}

template <typename T> struct locker : worker {
    int run(const std::string &name) override
    {
        std::map<std::string, T> seen{{name, T{}}};
        arrive();
        std::lock_guard<std::mutex> guard(never_free);
        return static_cast<int>(seen.size());
    }
};

struct catcher : worker {
    int run(const std::string &name) override
    {
        try {
            throw std::runtime_error(name);
        } catch (const std::exception &caught) {
            arrive();
            std::mutex own;
            std::unique_lock<std::mutex> held(own);
            never_notified.wait(held, [] { return false; });
            return caught.what()[0];
        }
    }
};

struct waiter : worker {
    int run(const std::string &) override
    {
        arrive();
        return never_kept.get_future().get();
    }
};

struct reader : worker {
    int run(const std::string &name) override
    {
        std::function<int(int)> descend = [&](int depth) -> int {
            if (depth > 0)
                return descend(depth - 1) + 1;
            char byte;
            arrive();
            return static_cast<int>(read(silent_fd, &byte, 1)) + static_cast<int>(name.size());
        };
        return descend(5);
    }
};

} // namespace

int main()
{
    int arrivals[2], silence[2];
    if (pipe(arrivals) || pipe(silence))
        return 1;
    arrived_fd = arrivals[1];
    silent_fd = silence[0];
    never_free.lock();

    std::vector<std::unique_ptr<worker>> workers;
    workers.push_back(std::make_unique<locker<std::pair<int, double>>>());
    workers.push_back(std::make_unique<catcher>());
    workers.push_back(std::make_unique<waiter>());
    workers.push_back(std::make_unique<reader>());
    std::vector<std::thread> threads;
    for (auto &one : workers)
        threads.emplace_back([&one] { one->run("worker"); });
    for (size_t i = 0; i < workers.size(); i++) {
        char byte;
        if (read(arrivals[0], &byte, 1) != 1)
            return 1;
    }
    puts("ready");
    fflush(stdout);
    for (auto &thread : threads)
        thread.join();
}
