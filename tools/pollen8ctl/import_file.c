/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Reads and checks lines. The users of earlier lines are kept as 64-bit hashes: 16 bytes per user.
 */
#include "import_file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/json.h"

#define LINE_MAXIMUM        4096
#define CONNECTIONS_MAXIMUM 1000000000 /* maximum that value-svc accepts per import */
#define USERS_FIRST         4096
#define PATH_SIZE           4096

struct import_file {
    FILE *stream;
    uint64_t size;
    uint64_t number;
    uint64_t offset;
    uint64_t hash;
    uint64_t *users; /* open addressing; 0: free */
    size_t user_slots;
    size_t user_count;
    char *line;
    size_t line_capacity;
};

enum status import_file_open(const char *path, struct import_file **ret_file)
{
    struct import_file *file = calloc(1, sizeof(*file));
    struct stat facts;

    if (!file)
        return STATUS_NO_MEMORY;
    file->users = calloc(USERS_FIRST, sizeof(*file->users));
    file->user_slots = USERS_FIRST;
    file->stream = file->users ? fopen(path, "re") : NULL;
    if (!file->stream || fstat(fileno(file->stream), &facts) != 0) {
        int reason = errno;

        import_file_close(file);
        errno = reason;
        return STATUS_NOT_FOUND;
    }
    file->size = (uint64_t)facts.st_size;
    *ret_file = file;
    return STATUS_OK;
}

void import_file_close(struct import_file *file)
{
    if (!file)
        return;
    if (file->stream)
        fclose(file->stream);
    free(file->users);
    free(file->line);
    free(file);
}

uint64_t import_file_size(const struct import_file *file)
{
    return file->size;
}

/* ---- users ------------------------------------------------------------------------------------------- */

/* Whether it was new. */
static bool put_user(uint64_t *users, size_t slots, uint64_t hash)
{
    size_t at = hash & (slots - 1);

    while (users[at] != 0 && users[at] != hash)
        at = (at + 1) & (slots - 1);
    if (users[at] == hash)
        return false;
    users[at] = hash;
    return true;
}

static enum status grow_users(struct import_file *file)
{
    uint64_t *users = calloc(file->user_slots * 2, sizeof(*users));

    if (!users)
        return STATUS_NO_MEMORY;
    for (size_t i = 0; i < file->user_slots; i++)
        if (file->users[i] != 0)
            put_user(users, file->user_slots * 2, file->users[i]);
    free(file->users);
    file->users = users;
    file->user_slots *= 2;
    return STATUS_OK;
}

/* ---- lines ------------------------------------------------------------------------------------------- */

static void refuse(struct import_line *line, const char *reason)
{
    line->good = false;
    snprintf(line->reason, sizeof(line->reason), "%s", reason);
}

static void judge_members(json_t *object, struct import_line *line)
{
    const json_t *connections = json_object_get(object, "connections");
    const json_t *user = json_object_get(object, "userId");
    struct slice user_id = json_string_slice(user);

    if (!json_is_object(object))
        refuse(line, "not a JSON object");
    else if (!user || !connections)
        refuse(line, user ? "`connections` is missing" : "`userId` is missing");
    else if (json_object_size(object) != 2)
        refuse(line, "only `userId` and `connections` belong here");
    else if (!json_is_string(user) || !id_valid(user_id))
        refuse(line, "`userId` must be 1 to 128 bytes of text without control characters");
    else if (!json_is_integer(connections))
        refuse(line, "`connections` must be an integer");
    else if (json_integer_value(connections) < 0 || json_integer_value(connections) > CONNECTIONS_MAXIMUM)
        refuse(line, "`connections` must be between 0 and 1000000000");
    else {
        line->connections = json_integer_value(connections);
        memcpy(line->user_id, user_id.data, user_id.length);
        line->user_id[user_id.length] = '\0';
    }
}

static enum status judge(struct import_file *file, struct slice text, struct import_line *line)
{
    char reason[160] = "";
    json_t *object = NULL;
    enum status status;
    uint64_t hash;

    line->good = true;
    if (text.length > LINE_MAXIMUM) {
        refuse(line, "longer than 4096 bytes");
        return STATUS_OK;
    }
    status = json_parse(text, &object, reason, sizeof(reason));
    if (status == STATUS_MALFORMED)
        refuse(line, reason);
    else if (status != STATUS_OK)
        return status;
    else
        judge_members(object, line);
    json_decref(object);
    if (!line->good)
        return STATUS_OK;
    if (file->user_count * 2 > file->user_slots && grow_users(file) != STATUS_OK)
        return STATUS_NO_MEMORY;
    hash = hash64(line->user_id, strlen(line->user_id), 0);
    if (put_user(file->users, file->user_slots, hash ? hash : 1))
        file->user_count++;
    else
        refuse(line, "this user was on an earlier line");
    return STATUS_OK;
}

enum status import_file_next(struct import_file *file, struct import_line *line)
{
    ssize_t length;

    do {
        length = getline(&file->line, &file->line_capacity, file->stream);
        if (length < 0)
            return ferror(file->stream) ? STATUS_NOT_FOUND : STATUS_AGAIN;
        file->number++;
        file->offset += (uint64_t)length;
        file->hash = hash64(file->line, (size_t)length, file->hash);
    } while (strspn(file->line, " \t\r\n") == (size_t)length);
    line->number = file->number;
    line->end = file->offset;
    line->hash = file->hash;
    return judge(file, slice_make(file->line, (size_t)length), line);
}

/* ---- the note ---------------------------------------------------------------------------------------- */

#define NOTE_FORMAT                                                                                          \
    "pollen8 import 1\nstream %" PRIu64 "\noffset %" PRIu64 "\nlines %" PRIu64 "\nhash %" PRIu64 "\n"

/* The number on the next line, which must begin with `word`. */
static bool read_number(FILE *file, const char *word, uint64_t *ret_number)
{
    char line[64];
    char *end = NULL;
    size_t length = strlen(word);

    if (!fgets(line, sizeof(line), file) || strncmp(line, word, length) != 0)
        return false;
    *ret_number = strtoull(line + length, &end, 10);
    return end != line + length && *end == '\n';
}

enum status import_note_read(const char *path, struct import_note *ret_note)
{
    struct import_note note;
    char head[32] = "";
    FILE *file = fopen(path, "re");
    bool good;

    if (!file)
        return STATUS_NOT_FOUND;
    good = fgets(head, sizeof(head), file) && strcmp(head, "pollen8 import 1\n") == 0 &&
           read_number(file, "stream ", &note.stream) && read_number(file, "offset ", &note.end) &&
           read_number(file, "lines ", &note.lines) && read_number(file, "hash ", &note.hash);
    fclose(file);
    if (!good)
        return STATUS_NOT_FOUND;
    *ret_note = note;
    return STATUS_OK;
}

enum status import_note_write(const char *path, const struct import_note *note)
{
    char beside[PATH_SIZE];
    FILE *file;
    bool good;

    if (snprintf(beside, sizeof(beside), "%s.new", path) >= (int)sizeof(beside))
        return STATUS_NOT_FOUND;
    file = fopen(beside, "we");
    if (!file)
        return STATUS_NOT_FOUND;
    good = fprintf(file, NOTE_FORMAT, note->stream, note->end, note->lines, note->hash) > 0;
    good = fflush(file) == 0 && fsync(fileno(file)) == 0 && good;
    good = fclose(file) == 0 && good;
    return good && rename(beside, path) == 0 ? STATUS_OK : STATUS_NOT_FOUND;
}
