#include "payload/credentials.h"

#include "payload/manhole.h"
#include "payload/sys.h"

bool credentials_suffice(const struct ucred *peer)
{
    return peer->uid == 0 || peer->uid == sys_geteuid();
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
