/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * `import`: sends existing connection counts as connection.import events:
 *
 *   line -> checked -> a free place of the window -> request to the stream -> answer -> the note advances
 *
 * Every event carries the eventId "import:<name>", and an import with an eventId counts once per user for
 * ever. So a line that is sent again, by a second run or because an answer was lost, changes nothing. The
 * note only saves time. Answers arrive on the bus's threads; they share only what the window's lock guards.
 */
#include "command.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "broker.h"
#include "common/buf.h"
#include "common/bus/bus_stream.h"
#include "common/clock.h"
#include "common/json.h"
#include "import_file.h"

#define STREAM          "POLLEN8_EVENTS"
#define WINDOW          256 /* maximum lines in flight */
#define ACK_WAIT_MS     5000
#define PATIENCE_MS     60000 /* without any answer */
#define PAUSE_MS        100
#define TELL_MS         2000
#define NOTE_MS         100
#define BAD_SHOWN       20
#define NAME_MAXIMUM    64
#define PAYLOAD_MAXIMUM 2048
#define PATH_SIZE       4096

static const char usage[] =
    "usage: pollen8ctl import FILE [--name NAME] [--dry-run] [--restart] [--progress PATH] [--nats URL]\n"
    "\n"
    "  FILE         one {\"userId\":\"ada\",\"connections\":12} per line\n"
    "  --name NAME  of this import. The same name counts once per user, however often it is run; a second,\n"
    "               separate import needs a different name (default: members)\n"
    "  --dry-run    reads and checks every line, sends nothing\n"
    "  --restart    begins at the first line even if a previous run got further (harmless: nothing counts "
    "twice)\n"
    "  --progress PATH  file in which progress is noted (default: FILE.NAME.progress)\n"
    "  --nats URL   the broker (default: NATS_URL, else nats://localhost:4222)\n"
    "\n"
    "  Progress and bad lines (FILE:LINE: what is wrong) go to standard error. If interrupted, run it again\n"
    "  to resume. Exit status: 0 every line is stored, 1 bad lines or not all stored, 2 wrong usage.\n";

enum place_state { PLACE_FREE, PLACE_WAITING, PLACE_FAILED, PLACE_STORED };

struct import;

struct place {
    struct import *import;
    enum place_state state; /* guarded by mutex, as is all of the place while it waits */
    uint64_t number;
    uint64_t end;
    uint64_t hash;
    size_t length;
    char payload[PAYLOAD_MAXIMUM];
    char id[NAME_MAXIMUM + 256];
};

struct import {
    const char *path;
    const char *name;
    const char *url;
    const char *note_path;
    bool dry_run;
    bool restart;
    struct import_file *file;
    struct bus *bus;
    struct import_note note;
    uint64_t resumed; /* lines before this offset were stored by a previous run */
    uint64_t stored, before, bad;
    uint64_t noted_ms, told_ms;

    pthread_mutex_t mutex;
    pthread_cond_t changed;
    size_t first, used; /* the window: a ring of places in the order of lines */
    uint64_t answered_ms;
    char refusal[256]; /* the stream's last error */
    struct place places[WINDOW];
};

/* ---- answers ----------------------------------------------------------------------------------------- */

static bool read_answer(struct import *import, const struct bus_message *message)
{
    json_t *value = NULL;
    const json_t *error;
    bool stored = false;

    if (json_parse(message->data, &value, NULL, 0) == STATUS_OK) {
        error = json_object_get(value, "error");
        stored = !error && json_is_integer(json_object_get(value, "seq"));
        if (error)
            snprintf(import->refusal, sizeof(import->refusal), "%s",
                     json_string_value(json_object_get(error, "description")));
    }
    json_decref(value);
    return stored;
}

static void on_answer(void *context, enum status status, const struct bus_message *message)
{
    struct place *place = context;
    struct import *import = place->import;

    pthread_mutex_lock(&import->mutex);
    if (status == STATUS_OK && read_answer(import, message)) {
        place->state = PLACE_STORED;
        import->answered_ms = clock_monotonic_ms();
    } else {
        place->state = PLACE_FAILED;
        if (status != STATUS_OK)
            snprintf(import->refusal, sizeof(import->refusal), "%s", status_message(status));
    }
    pthread_cond_signal(&import->changed);
    pthread_mutex_unlock(&import->mutex);
}

/* ---- the window -------------------------------------------------------------------------------------- */

/* Sends, or marks as failed. The caller holds the lock, which the bus never takes. */
static void send_locked(struct import *import, struct place *place)
{
    const char *const headers[] = {"Nats-Msg-Id", place->id, NULL};
    enum status status;

    place->state = PLACE_WAITING;
    pthread_mutex_unlock(&import->mutex);
    status = bus_request(import->bus, BROKER_EVENTS "connection.import", headers, place->payload,
                         place->length, ACK_WAIT_MS, on_answer, place);
    pthread_mutex_lock(&import->mutex);
    if (status != STATUS_OK) {
        place->state = PLACE_FAILED;
        snprintf(import->refusal, sizeof(import->refusal), "%s", status_message(status));
    }
}

/* Frees the stored places at the front; the note then covers them. */
static void advance_locked(struct import *import)
{
    while (import->used > 0 && import->places[import->first].state == PLACE_STORED) {
        struct place *place = &import->places[import->first];

        place->state = PLACE_FREE;
        import->note.end = place->end;
        import->note.hash = place->hash;
        import->note.lines = place->number;
        import->stored++;
        import->first = (import->first + 1) % WINDOW;
        import->used--;
    }
}

/* Sends failed lines again. Returns whether there were any. */
static bool repeat_locked(struct import *import)
{
    bool failed = false;

    for (size_t i = 0; i < import->used; i++) {
        struct place *place = &import->places[(import->first + i) % WINDOW];

        if (place->state != PLACE_FAILED)
            continue;
        failed = true;
        send_locked(import, place);
    }
    return failed;
}

static void wait_locked(struct import *import)
{
    struct timespec limit;

    clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_nsec += PAUSE_MS * 1000000L;
    if (limit.tv_nsec >= 1000000000L) {
        limit.tv_sec++;
        limit.tv_nsec -= 1000000000L;
    }
    pthread_cond_timedwait(&import->changed, &import->mutex, &limit);
}

static void tell(struct import *import)
{
    uint64_t now = clock_monotonic_ms();
    uint64_t size = import_file_size(import->file);

    if (now - import->noted_ms >= NOTE_MS) {
        import->noted_ms = now;
        import_note_write(import->note_path, &import->note);
    }
    if (now - import->told_ms >= TELL_MS) {
        import->told_ms = now;
        fprintf(stderr, "pollen8ctl: import: %" PRIu64 " lines stored, %d %% of the file\n",
                import->stored + import->before,
                size > 0 ? (int)(100.0 * (double)import->note.end / (double)size) : 100);
    }
}

/* Waits until at most `most` lines are in flight. */
static enum status settle(struct import *import, size_t most)
{
    enum status status = STATUS_OK;

    pthread_mutex_lock(&import->mutex);
    advance_locked(import);
    while (import->used > most && status == STATUS_OK) {
        if (clock_monotonic_ms() - import->answered_ms > PATIENCE_MS)
            status = STATUS_TIMEOUT;
        else
            wait_locked(import);
        advance_locked(import);
        if (repeat_locked(import) && bus_connected(import->bus) == false)
            wait_locked(import);
        tell(import);
    }
    pthread_mutex_unlock(&import->mutex);
    tell(import);
    return status;
}

/* ---- lines ------------------------------------------------------------------------------------------- */

static enum status fill(struct import *import, struct place *place, const struct import_line *line)
{
    struct buf buf;
    enum status status;

    buf_init(&buf, PAYLOAD_MAXIMUM - 1);
    status = buf_append_string(&buf, "{\"userId\":");
    if (status == STATUS_OK)
        status = buf_append_json_string(&buf, slice_from_string(line->user_id));
    if (status == STATUS_OK)
        status = buf_append_format(&buf, ",\"connections\":%" PRId64 ",\"eventId\":\"import:%s\"}",
                                   line->connections, import->name);
    if (status == STATUS_OK) {
        place->length = buf.length;
        memcpy(place->payload, buf.data, buf.length);
    }
    buf_done(&buf);
    place->import = import;
    place->number = line->number;
    place->end = line->end;
    place->hash = line->hash;
    snprintf(place->id, sizeof(place->id), "import:%s:%016" PRIx64 "%016" PRIx64, import->name,
             hash64(line->user_id, strlen(line->user_id), 1),
             hash64(line->user_id, strlen(line->user_id), 2));
    return status;
}

static enum status send_line(struct import *import, const struct import_line *line)
{
    enum status status = settle(import, WINDOW - 1);
    struct place *place;

    if (status != STATUS_OK)
        return status;
    pthread_mutex_lock(&import->mutex);
    place = &import->places[(import->first + import->used) % WINDOW];
    status = fill(import, place, line);
    if (status == STATUS_OK) {
        if (import->used++ == 0)
            import->answered_ms = clock_monotonic_ms();
        send_locked(import, place);
    }
    pthread_mutex_unlock(&import->mutex);
    return status;
}

static void tell_bad(struct import *import, const struct import_line *line)
{
    if (import->bad++ < BAD_SHOWN)
        fprintf(stderr, "%s:%" PRIu64 ": %s\n", import->path, line->number, line->reason);
}

static enum status take_line(struct import *import, const struct import_line *line)
{
    if (!line->good) {
        tell_bad(import, line);
        return STATUS_OK;
    }
    if (line->end <= import->resumed) {
        import->before++;
        return STATUS_OK;
    }
    if (import->dry_run) {
        import->stored++;
        return STATUS_OK;
    }
    return send_line(import, line);
}

/* Every line. STATUS_MALFORMED: the beginning of the file differs from what the note covers. */
static enum status take_lines(struct import *import)
{
    struct import_line line;
    bool checked = import->resumed == 0;
    enum status status = STATUS_OK;

    while (status == STATUS_OK) {
        status = import_file_next(import->file, &line);
        if (status != STATUS_OK)
            break;
        if (!checked && line.end >= import->resumed) {
            if (line.end != import->resumed || line.hash != import->note.hash)
                return STATUS_MALFORMED;
            checked = true;
        }
        status = take_line(import, &line);
    }
    if (status == STATUS_AGAIN && !checked)
        return STATUS_MALFORMED;
    return status == STATUS_AGAIN ? settle(import, 0) : status;
}

/* ---- the run ----------------------------------------------------------------------------------------- */

static int finish(struct import *import, enum status status)
{
    if (import->bad > BAD_SHOWN)
        fprintf(stderr, "%s: %" PRIu64 " more bad lines\n", import->path, import->bad - BAD_SHOWN);
    if (!import->dry_run && import_note_write(import->note_path, &import->note) != STATUS_OK)
        command_fail(EXIT_FAILED, "cannot write %s: %s", import->note_path, strerror(errno));
    printf("%" PRIu64 " %s, %" PRIu64 " before, %" PRIu64 " bad\n", import->stored,
           import->dry_run ? "would be sent" : "stored", import->before, import->bad);
    if (status != STATUS_OK)
        return command_fail(EXIT_FAILED, "not all lines are stored: %s; run it again to resume",
                            import->refusal[0] ? import->refusal : status_message(status));
    return import->bad > 0 ? EXIT_FAILED : 0;
}

static int run_lines(struct import *import)
{
    enum status status;

    if (import_file_open(import->path, &import->file) != STATUS_OK)
        return command_fail(EXIT_FAILED, "cannot read %s: %s", import->path, strerror(errno));
    import->told_ms = import->noted_ms = clock_monotonic_ms();
    status = take_lines(import);
    if (status == STATUS_MALFORMED) {
        fprintf(stderr, "pollen8ctl: %s is not the file of %s: starting at the first line\n", import->path,
                import->note_path);
        import_file_close(import->file);
        import->file = NULL;
        import->resumed = import->before = import->bad = import->stored = 0;
        import->note = (struct import_note){.stream = import->note.stream};
        return run_lines(import);
    }
    return finish(import, status);
}

/* Reads how far a previous run got, if it was on this ring. */
static int resume(struct import *import)
{
    struct bus_stream_state state;
    struct import_note note;
    enum status status = bus_stream_state(import->bus, STREAM, &state);

    if (status == STATUS_NOT_FOUND)
        return command_fail(EXIT_FAILED, "there is no stream " STREAM " yet: value-svc creates it");
    if (status != STATUS_OK)
        return command_fail(EXIT_FAILED, "the stream cannot be read: %s", status_message(status));
    import->note.stream = (uint64_t)state.created_ms;
    if (!import->restart && import_note_read(import->note_path, &note) == STATUS_OK &&
        note.stream == import->note.stream) {
        import->note = note;
        import->resumed = note.end;
    }
    if (import_note_write(import->note_path, &import->note) != STATUS_OK)
        return command_fail(EXIT_FAILED, "cannot write %s: %s (--progress names a different file)",
                            import->note_path, strerror(errno));
    return 0;
}

static int run(struct import *import)
{
    struct broker *broker;
    int result;

    if (import->dry_run)
        return run_lines(import);
    broker = broker_open(import->url);
    if (!broker)
        return EXIT_FAILED;
    import->bus = broker_bus(broker);
    result = resume(import);
    if (result == 0)
        result = run_lines(import);
    broker_close(broker); /* no answer arrives after this */
    return result;
}

static bool name_valid(const char *name)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";
    size_t length = strlen(name);

    return length > 0 && length <= NAME_MAXIMUM && strspn(name, letters) == length;
}

static int parse(int argc, char **argv, struct import *import)
{
    const struct command_option options[] = {
        {"name", &import->name, NULL},          {"dry-run", NULL, &import->dry_run},
        {"restart", NULL, &import->restart},    {"nats", &import->url, NULL},
        {"progress", &import->note_path, NULL}, {NULL, NULL, NULL}};
    int result = command_options(argc, argv, usage, options);

    if (result != 0)
        return result;
    if (argc - optind != 1)
        return command_fail(EXIT_USAGE, "import takes one FILE; pollen8ctl import --help says more");
    if (!name_valid(import->name))
        return command_fail(EXIT_USAGE, "--name is '%s', expected 1 to 64 of A-Z a-z 0-9 _ . -",
                            import->name);
    import->path = argv[optind];
    return 0;
}

int command_import(int argc, char **argv)
{
    struct import *import = calloc(1, sizeof(*import));
    char note_path[PATH_SIZE];
    int result;

    if (!import)
        return command_fail(EXIT_FAILED, "out of memory");
    import->name = "members";
    pthread_mutex_init(&import->mutex, NULL);
    pthread_cond_init(&import->changed, NULL);
    result = parse(argc, argv, import);
    if (result == 0 && !import->note_path) {
        snprintf(note_path, sizeof(note_path), "%s.%s.progress", import->path, import->name);
        import->note_path = note_path;
    }
    if (result == 0)
        result = run(import);
    import_file_close(import->file);
    pthread_cond_destroy(&import->changed);
    pthread_mutex_destroy(&import->mutex);
    free(import);
    return result == COMMAND_HELPED ? 0 : result;
}
