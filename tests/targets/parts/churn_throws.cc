/* Part of churn.c: exceptions that carry something through frames with destructors, and are thrown again. */
#include "tests/targets/parts/churn.h"

#include <stdexcept>
#include <string>

namespace
{
struct counted {
    int &count;
    explicit counted(int &counter) : count(counter)
    {
        count++;
    }
    ~counted()
    {
        count--;
    }
};

__attribute__((noinline)) int sink(unsigned depth, unsigned value, int &alive)
{
    counted one(alive);
    if (!depth)
        throw std::runtime_error(std::string(60, '=') + std::to_string(value));
    return sink(depth - 1, value, alive) + 1;
}

__attribute__((noinline)) void throw_again(unsigned value, int &alive)
{
    counted one(alive);
    try {
        sink(value % 20, value, alive);
    } catch (const std::runtime_error &error) {
        if (value % 2)
            throw;
        throw std::logic_error(error.what());
    }
}
} // namespace

void churn_exceptions(unsigned random)
{
    for (unsigned i = 0; i < 20; i++) {
        int alive = 0;
        unsigned value = random + i;
        try {
            throw_again(value, alive);
            churn_bad("nothing was thrown", (long)value);
        } catch (const std::exception &error) {
            if (std::string(60, '=') + std::to_string(value) != error.what())
                churn_bad("what was thrown", (long)value);
        }
        if (alive)
            churn_bad("destructors", alive);
    }
}
