/* Between inject_call.c, which starts a helper process, and inject.c, which does the work in it. */
#ifndef INJECTOR_INJECT_PRIVATE_H
#define INJECTOR_INJECT_PRIVATE_H

#include "injector/inject.h"

/* inject_call in this very process, a helper: nothing new is begun once that is an orphan. */
struct error *inject_here(struct process *process, const struct inject_request *request,
                          struct inject_result *ret) MUST_CHECK;

#endif
