/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The file of an import, line by line, {"userId","connections"} each; and the note of how far it was stored,
 * kept in a file beside it. One thread.
 */
#ifndef POLLEN8_TOOLS_IMPORT_FILE_H
#define POLLEN8_TOOLS_IMPORT_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/names.h"
#include "common/status.h"

#define IMPORT_REASON_SIZE 256

struct import_file; /* opaque */

struct import_line {
    uint64_t number; /* from 1 */
    uint64_t end;    /* offset in the file behind the line */
    uint64_t hash;   /* of all lines up to this one */
    bool good;       /* else `reason` says what is wrong with it */
    char user_id[ID_MAXIMUM_BYTES + 1];
    int64_t connections;
    char reason[IMPORT_REASON_SIZE];
};

/* STATUS_NOT_FOUND where it cannot be read (errno says why). */
enum status import_file_open(const char *path, struct import_file **ret_file);
void import_file_close(struct import_file *file); /* NULL is accepted */
uint64_t import_file_size(const struct import_file *file);

/* The next line that is not blank; STATUS_AGAIN at the end, STATUS_NOT_FOUND on a read error. A user who was
 * on an earlier line makes a bad line. */
enum status import_file_next(struct import_file *file, struct import_line *line);

/* How far an import was stored. It holds only for the same name, stream and beginning of the file. */
struct import_note {
    uint64_t stream; /* what tells one ring's stream from another's */
    uint64_t end;    /* everything before this offset is stored */
    uint64_t lines;
    uint64_t hash; /* import_line's, of the last line before `end` */
};

/* STATUS_NOT_FOUND where there is none that can be read. */
enum status import_note_read(const char *path, struct import_note *ret_note);
enum status import_note_write(const char *path, const struct import_note *note); /* whole or not at all */

#endif
