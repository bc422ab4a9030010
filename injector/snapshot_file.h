/*
 * A target in a file: the snapshot and everything that was asked while a report was made of it, so
 * that the report can be made again elsewhere. manhole-snapshot(5) documents the format.
 */
#ifndef INJECTOR_SNAPSHOT_FILE_H
#define INJECTOR_SNAPSHOT_FILE_H

#include "injector/error.h"
#include "injector/process.h"
#include "injector/snapshot.h"

#include <stdio.h>

/*
 * Writes the snapshot and what was kept since process_record. What `out` failed to write shows in
 * ferror(3). ERROR_PARTIAL: memory was too short to keep it all.
 */
struct error *snapshot_file_write(const struct snapshot *snapshot, FILE *out) MUST_CHECK;

/*
 * Reads a file into a saved target: one for which snapshot_take gives the saved snapshot, and which
 * answers what it answered when it was saved. Errors: ERROR_USAGE (no such file, no snapshot, or of
 * a later version), ERROR_UNSUPPORTED (of another machine), ERROR_PARTIAL (cut off or damaged).
 */
struct error *snapshot_file_read(const char *path, struct process **ret) MUST_CHECK;

#endif
