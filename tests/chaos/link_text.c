/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Text → joined, event, answer, lost.
 */
#include "link_text.h"

#include <stdio.h>
#include <string.h>

#include "load_number.h"

#define SHOWN           160
#define CLAIM_LATE_MS   10000 /* a claim of its own, made on a gateway that died since, takes effect within */
#define TEXT_SIZE_CLAIM 2048

/* The text from just after `marker` on; length 0 where it is not there. */
static struct slice after(struct slice text, const char *marker)
{
    const char *at = memmem(text.data, text.length, marker, strlen(marker));

    if (!at)
        return (struct slice){0};
    at += strlen(marker);
    return slice_make(at, (size_t)(text.data + text.length - at));
}

/* Up to the next quotation mark. */
static struct slice quoted(struct slice text)
{
    const char *end = text.length ? memchr(text.data, '"', text.length) : NULL;

    return end ? slice_make(text.data, (size_t)(end - text.data)) : (struct slice){0};
}

static void keep(char *out, size_t size, struct slice text)
{
    if (text.length == 0 || text.length >= size)
        return;
    memcpy(out, text.data, text.length);
    out[text.length] = 0;
}

static bool text_is(struct slice text, const char *expected)
{
    return slice_equal_string(text, expected);
}

static void complain(struct links *links, const struct link *link, const char *what, struct slice text)
{
    if (link->hostile)
        return;
    report_violation(links->report, "%s %s %s: %.*s", link->socketio ? "Socket.IO" : "/ws",
                     link->joined_before ? "client that was in" : "client", what,
                     (int)(text.length < SHOWN ? text.length : SHOWN), text.data);
}

/* ---- Socket.IO -------------------------------------------------------------------------------------- */

static void claim(struct links *links, struct link *link)
{
    const char *space = link->namespace ? link->namespace : "";
    const char *comma = link->namespace ? "," : "";
    char text[TEXT_SIZE_CLAIM];
    int length;

    if (link->keeps_place && link->pid[0])
        length = snprintf(text, sizeof(text), "40%s%s{\"token\":\"%s\",\"pid\":\"%s\",\"offset\":\"%s\"}",
                          space, comma, link->token, link->pid, link->offset);
    else
        length = snprintf(text, sizeof(text), "40%s%s{\"token\":\"%s\"}", space, comma, link->token);
    if (!ws_client_send(&link->client, FRAME_TEXT, slice_make(text, (size_t)length)))
        link_lost(links, link, -1);
}

static void take_connected(struct links *links, struct link *link, struct slice text)
{
    struct slice pid = quoted(after(text, "\"pid\":\""));
    bool recovered = link->pid[0] && pid.length > 0 && text_is(pid, link->pid);

    if (!recovered) {
        link->pid[0] = 0; /* the offset stays, as it does with a stock client */
        keep(link->pid, sizeof(link->pid), pid);
    }
    link_joined(links, link, recovered);
}

/* What comes after the packet's two digits and its namespace. */
static struct slice body_of(struct slice text)
{
    const char *comma = text.length > 2 && text.data[2] == '/' ? memchr(text.data, ',', text.length) : NULL;
    size_t skip = comma ? (size_t)(comma + 1 - text.data) : 2;

    return slice_make(text.data + skip, text.length - skip);
}

/* ["<name>",<data>] or ["<name>",<data>,"<offset>"] */
static void take_socketio_event(struct links *links, struct link *link, struct slice text)
{
    struct slice body = body_of(text);
    struct slice name =
        body.length > 2 ? quoted(slice_make(body.data + 2, body.length - 2)) : (struct slice){0};
    struct slice data = slice_make(name.data + name.length + 2, 0);
    const char *end = memrchr(text.data, '}', text.length);

    if (name.length == 0 || !end || end < data.data) {
        complain(links, link, "was sent something unreadable", text);
        return;
    }
    data.length = (size_t)(end + 1 - data.data);
    if (end + 3 < text.data + text.length && end[1] == ',' && end[2] == '"')
        keep(link->offset, sizeof(link->offset),
             quoted(slice_make(end + 3, (size_t)(text.data + text.length - end - 3))));
    links->handlers.event(links->handlers.context, link, name, data);
}

static void take_socketio_answer(struct links *links, struct link *link, struct slice text)
{
    const char *at = body_of(text).data;
    uint32_t id = (uint32_t)read_number(&at, text.data + text.length);
    struct slice rest = slice_make(at, (size_t)(text.data + text.length - at));

    links->handlers.answer(links->handlers.context, link, id, after(rest, "\"ok\":true").data != NULL, rest);
}

void link_take_socketio(struct links *links, struct link *link, struct slice text)
{
    if (slice_starts_with(text, SLICE_LITERAL("42"))) {
        take_socketio_event(links, link, text);
    } else if (slice_starts_with(text, SLICE_LITERAL("43"))) {
        take_socketio_answer(links, link, text);
    } else if (text_is(text, "2")) {
        if (!ws_client_send(&link->client, FRAME_TEXT, SLICE_LITERAL("3")))
            link_lost(links, link, -1);
    } else if (slice_starts_with(text, SLICE_LITERAL("0"))) {
        claim(links, link);
    } else if (slice_starts_with(text, SLICE_LITERAL("40"))) {
        take_connected(links, link, text);
    } else if (slice_starts_with(text, SLICE_LITERAL("41")) || slice_starts_with(text, SLICE_LITERAL("44"))) {
        complain(links, link, "was told something final", text);
        link_lost(links, link, -1);
    } else if (slice_starts_with(text, SLICE_LITERAL("1"))) {
        link_lost(links, link, -1);
    } else if (!text_is(text, "6")) {
        complain(links, link, "was sent something unreadable", text);
    }
}

/* ---- /ws -------------------------------------------------------------------------------------------- */

static void take_json_event(struct links *links, struct link *link, struct slice text)
{
    struct slice name = quoted(after(text, "\"event\":\""));
    struct slice data = after(text, "\"data\":");
    bool claims = link->keeps_place && link->offset[0];

    if (text_is(name, "ready")) {
        if (!claims)
            link_joined(links, link, false);
    } else if (text_is(name, "resumed")) {
        link_joined(links, link, after(data, "\"recovered\":true").data != NULL);
    } else if (text_is(name, "error")) {
        if (after(data, "\"event\":\"resume\"").data)
            link_joined(links, link, false);
        else if (after(data, "AUTH_UNAVAILABLE").data == NULL && after(data, "UNAVAILABLE").data == NULL)
            complain(links, link, "was told an error", text);
    } else {
        keep(link->offset, sizeof(link->offset), quoted(after(data, "\"offset\":\"")));
        links->handlers.event(links->handlers.context, link, name, data);
    }
}

void link_take_json(struct links *links, struct link *link, struct slice text)
{
    if (slice_starts_with(text, SLICE_LITERAL("{\"id\":"))) {
        const char *at = text.data + 6;
        uint32_t id = (uint32_t)read_number(&at, text.data + text.length);
        links->handlers.answer(links->handlers.context, link, id, after(text, "\"ok\":true").data != NULL,
                               text);
    } else if (slice_starts_with(text, SLICE_LITERAL("{\"event\":"))) {
        take_json_event(links, link, text);
    } else {
        complain(links, link, "was sent something unreadable", text);
    }
}

/* ---- ends ------------------------------------------------------------------------------------------- */

/* A client has one session at a time, so nobody of its own claims the pid of one that lives. */
static void take_eviction(struct links *links, const struct link *link)
{
    links->evicted += !link->hostile;
    if (link->state == LINK_LIVE && links->now_ms - link->joined_ms > CLAIM_LATE_MS)
        complain(links, link, "lost its session to a claim", SLICE_LITERAL("continued elsewhere"));
}

void link_take_close(struct links *links, struct link *link, struct slice payload)
{
    unsigned code = 0;
    struct slice hint = after(payload, "\"reconnectAfterMs\":");
    int64_t back_ms = -1;

    if (payload.length >= 2)
        code = (unsigned)(unsigned char)payload.data[0] << 8 | (unsigned char)payload.data[1];
    if (code == 4008)
        links->closes_slow++;
    else if (code == 1000 && after(payload, "elsewhere").data)
        take_eviction(links, link);
    else if (code >= 4000)
        complain(links, link, "was closed for good", slice_make(payload.data + 2, payload.length - 2));
    if (hint.length > 0) {
        const char *at = hint.data;
        back_ms = (int64_t)read_number(&at, hint.data + hint.length);
    }
    link_lost(links, link, back_ms);
}
