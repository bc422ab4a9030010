#include "injector/leftover.h"

#include "injector/deadline.h"
#include "injector/mailbox.h"
#include "injector/snapshot.h"
#include "injector/tracee.h"

#include <string.h>

#define STOP_US 50000
#define ALIGNMENT 16 /* of a cave */

/* --- Finding. --- */

struct finder {
    struct process *process;
    bool is_musl;
    struct loan_site *sites;
    size_t count, max;
};

static void find_in_tail(const struct cave *tail, const uint8_t *bytes, void *context)
{
    struct finder *finder = context;
    for (size_t at = 0; at + arch_stub_size() <= tail->size && finder->count < finder->max;
         at += ALIGNMENT) {
        struct loan_parameters parameters;
        if (!arch_stub_recognize(bytes + at, &parameters))
            continue;
        finder->sites[finder->count++] = (struct loan_site){
            .process = finder->process,
            .is_musl = finder->is_musl,
            .stub = {tail->address + at, arch_stub_size()},
            .bootstrap = {parameters.bootstrap, arch_bootstrap_size()},
            .parameters = parameters,
        };
    }
}

size_t leftover_find(struct process *process, const struct maps *maps,
                     const struct linkmap *linkmap, struct loan_site *sites, size_t max)
{
    struct finder finder = {process, linkmap->is_musl, sites, 0, max};
    cave_each_tail(process, maps, linkmap, find_in_tail, &finder);
    return finder.count;
}

/* --- Is anybody in it? --- */

static bool mailbox_u32(const struct loan_site *site, unsigned offset, uint32_t *ret)
{
    return remote_read(site->process, site->parameters.region.mailbox + offset, ret,
                       sizeof(*ret)) == sizeof(*ret);
}

/* All of the region is there. */
static bool region_exists(const struct loan_site *site)
{
    const struct loan_region *region = &site->parameters.region;
    if (!loan_region_is_marked(site))
        return false;
    CLEANUP_MAPS struct maps *maps = NULL;
    struct error *error = maps_read(site->process, &maps);
    if (error) {
        error_destroy(error);
        return false;
    }
    const struct mapping *mapping = maps_find(maps, region->start);
    return mapping && mapping->writable && !mapping->inode &&
           mapping->end >= region->start + region->size;
}

static bool donor_is_out(const struct loan_site *site)
{
    pid_t tid = loan_find_thread(site->process, site->parameters.donor);
    if (!tid)
        return true;
    struct tracee tracee;
    struct error *error = tracee_seize(site->process, tid, &tracee);
    if (!error)
        error = tracee_stop(&tracee, deadline_after_us(STOP_US));
    bool out = !error && loan_thread_is_out(site, &tracee);
    error_destroy(error);
    tracee_detach(&tracee, deadline_after_us(STOP_US));
    return out;
}

/* Both the borrowed thread, which is out of the stub's own code, and the new one are done. */
static bool region_is_unused(const struct loan_site *site)
{
    uint32_t donor_state, result, tid;
    if (!mailbox_u32(site, MAILBOX_DONOR_STATE, &donor_state) ||
        !mailbox_u32(site, MAILBOX_CREATE_RESULT, &result) ||
        !mailbox_u32(site, MAILBOX_TID, &tid) || donor_state != DONOR_PARKED)
        return false;
    if (result)
        return true;
    const uint32_t abandon = 1;
    error_destroy(remote_write(site->process, 0, site->parameters.region.mailbox + MAILBOX_ABANDON,
                               &abandon, sizeof(abandon)));
    return tid && !loan_find_thread(site->process, (pid_t)tid);
}

enum leftover leftover_check(const struct loan_site *site)
{
    if (!donor_is_out(site))
        return LEFTOVER_BUSY;
    if (!region_exists(site))
        return LEFTOVER_CODE;
    return region_is_unused(site) ? LEFTOVER_REGION : LEFTOVER_BUSY;
}
