/* manhole-attach --install: a manhole, and where it is, for scripts. */
#include "injector/process.h"
#include "src/installer.h"
#include "src/message.h"
#include "src/verbs.h"

#include <stdio.h>

static struct error *install(pid_t pid, const struct install_options *options)
{
    CLEANUP_PROCESS struct process *process = NULL;
    struct error *error = process_open(pid, &process);
    if (error)
        return error;
    struct installation installation;
    error = installer_install(process, options, &installation);
    if (!error && installation.was_there)
        error = installer_compare(process, options, &installation);
    if (error)
        return error;
    if (installation.was_there)
        message_note("process %d: already installed", process->pid);
    char clean[sizeof(installation.sleeps_until)];
    if (installation.sleeps_until[0])
        message_note("process %d: sleeps until %s", process->pid,
                     message_sanitize(installation.sleeps_until, clean, sizeof(clean)));
    installer_tell(process, &installation);
    printf("%s\n", installation.place.socket_path);
    return NULL;
}

int install_run(const struct options *options)
{
    struct error *error = install(options->targets[0].pid, &options->install);
    return error ? message_error(error) : 0;
}
