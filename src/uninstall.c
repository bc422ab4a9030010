/* manhole-attach --uninstall: the target as it was before. */
#include "src/connect.h"
#include "src/installer.h"
#include "src/message.h"
#include "src/verbs.h"

static struct error *uninstall(const struct target *target, uint64_t timeout_us)
{
    CLEANUP_CONNECTION struct connection connection;
    struct error *error = connection_open(target, &connection);
    if (error)
        return error;
    if (!connection.process)
        return error_create(ERROR_NO_PROCESS, 0,
                            "%s: the process that serves it is not visible from here; run in its "
                            "pid namespace, or where all are seen",
                            target->socket_path);
    /* Our own connection must not be the session that the uninstall has to end. */
    client_destroy(connection.client);
    connection.client = NULL;

    struct inject_result result;
    error = installer_uninstall(connection.process, timeout_us, &result);
    if (error)
        return error;
    if (!result.unloaded)
        message_note(
            "process %d: uninstalled; the code of libmanhole stays mapped, and inert: this "
            "C library never unloads, or the program itself holds it",
            connection.process->pid);
    return NULL;
}

int uninstall_run(const struct options *options)
{
    struct error *error = uninstall(&options->targets[0], options->install.timeout_us);
    return error ? message_error(error) : 0;
}
