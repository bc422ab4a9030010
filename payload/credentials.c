#include "payload/credentials.h"

#include "payload/manhole.h"
#include "payload/proc.h"
#include "payload/sys.h"
#include "payload/text.h"

/* DEFAULT_OVERFLOWUID of the kernel (include/linux/highuid.h), which may be set otherwise. */
#define OVERFLOW_UID 65534
/* uid_t without -1: a user namespace that has this many users has all of them. */
#define ALL_USERS UINT32_MAX

/* What /proc/sys/kernel/overflowuid says, proc(5). */
static uint64_t overflow_uid(void)
{
    char text[16];
    uint64_t uid;
    bool overflow;
    if (proc_read("/proc/sys/kernel/overflowuid", text, sizeof(text)) <= 0 ||
        !text_number(text, &uid, &overflow))
        return OVERFLOW_UID;
    return uid;
}

/* uid_map, user_namespaces(7): lines of "first uid here, first uid outside, how many". */
static bool all_users_are_mapped(void)
{
    char text[128];
    uint64_t numbers[3] = {0};
    bool overflow;
    if (proc_read("/proc/self/uid_map", text, sizeof(text)) <= 0)
        return false;
    const char *position = text;
    for (size_t i = 0; position && i < 3; i++)
        position = text_number(text_skip_blanks(position), &numbers[i], &overflow);
    return position && numbers[0] == 0 && numbers[2] == ALL_USERS;
}

/* Users without a place in our user namespace all look like this one, and like it alone. */
static bool may_be_anybody(uid_t uid)
{
    return uid == overflow_uid() && !all_users_are_mapped();
}

bool credentials_suffice(const struct ucred *peer)
{
    return peer->uid == 0 || (peer->uid == sys_geteuid() && !may_be_anybody(peer->uid));
}

int manhole_get_peercred(int fd, struct ucred *ret)
{
    socklen_t size = sizeof(*ret);
    return (int)-SYS_CALL(SYS_getsockopt, fd, SOL_SOCKET, SO_PEERCRED, ret, &size, 0);
}

int manhole_check_credentials(int fd)
{
    struct ucred peer;
    int status = manhole_get_peercred(fd, &peer);
    if (status)
        return status;
    return credentials_suffice(&peer) ? 0 : MANHOLE_SUSPICIOUS_CLIENT;
}
