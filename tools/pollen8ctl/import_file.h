/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The file of an import, read line by line, with {"userId","connections"} on each; and the note of how far it
 * was stored, which is kept in a file beside it. One thread.
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
    uint64_t end;    /* offset in the file after the line */
    uint64_t hash;   /* of all lines up to this one */
    bool good;       /* else `reason` says what is wrong with it */
    char user_id[ID_MAXIMUM_BYTES + 1];
    int64_t connections;
    char reason[IMPORT_REASON_SIZE];
};

/* STATUS_NOT_FOUND if it cannot be read (errno says why). */
enum status import_file_open(const char *path, struct import_file **ret_file);
void import_file_close(struct import_file *file); /* NULL is accepted */
uint64_t import_file_size(const struct import_file *file);

/* The next line that is not blank; STATUS_AGAIN at the end, STATUS_NOT_FOUND on a read error. A line is bad
 * if its user was on an earlier line. */
enum status import_file_next(struct import_file *file, struct import_line *line);

/* How far an import was stored. Valid only for the same name, stream and beginning of the file. */
struct import_note {
    uint64_t stream; /* distinguishes the streams of different rings */
    uint64_t end;    /* everything before this offset is stored */
    uint64_t lines;
    uint64_t hash; /* import_line's, of the last line before `end` */
};

/* STATUS_NOT_FOUND if there is no readable one. */
enum status import_note_read(const char *path, struct import_note *ret_note);
enum status import_note_write(const char *path, const struct import_note *note); /* atomic */

#endif
