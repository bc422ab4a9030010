/* Where Python frames belong among the native ones. Private to python_frames.c. */
#ifndef SRC_PYTHON_PLACES_H
#define SRC_PYTHON_PLACES_H

#include "injector/error.h"
#include "injector/python.h"
#include "src/dump.h"

#include <stdbool.h>

/*
 * Puts the frames of thread->python among thread->frames, those without a place into `apart`.
 * `fold`: marks what is left of the interpreter's own native frames between them as folded.
 */
struct error *python_places_merge(const struct python *python, struct report_thread *thread,
                                  bool fold) MUST_CHECK;

#endif
