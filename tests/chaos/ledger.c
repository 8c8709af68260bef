/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Event → number → spelling → delivery → its member's bit.
 */
#include "ledger.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "load_number.h"

static const char letters[LEDGER_LETTERS + 1] = "pollenchaosindustryevent";

bool ledger_create(struct ledger *ledger, uint32_t clients, struct report *report)
{
    *ledger = (struct ledger){.report = report, .clients = clients, .capacity = 1U << 16};
    ledger->events = calloc(ledger->capacity, sizeof(*ledger->events));
    return ledger->events != NULL;
}

void ledger_free(struct ledger *ledger)
{
    free(ledger->events);
    ledger->events = NULL;
}

uint32_t ledger_submit(struct ledger *ledger, uint32_t user, uint32_t industry, uint64_t now_ms)
{
    if (ledger->count == ledger->capacity) {
        struct ledger_event *larger = NULL;
        if (ledger->capacity < LEDGER_EVENTS)
            larger = realloc(ledger->events, 2UL * ledger->capacity * sizeof(*larger));
        if (!larger)
            return LEDGER_EVENTS;
        ledger->events = larger;
        ledger->capacity *= 2;
    }
    ledger->events[ledger->count] =
        (struct ledger_event){.user = (uint16_t)user,
                              .industry = (uint8_t)industry,
                              .sent_ms = (uint32_t)(now_ms - ledger->report->started_ms)};
    return ledger->count++;
}

void ledger_ack(struct ledger *ledger, uint32_t event)
{
    if (event >= ledger->count || ledger->events[event].acked)
        return;
    ledger->events[event].acked = true;
    ledger->acked++;
}

void ledger_write_industry(char out[LEDGER_INDUSTRY_SIZE], uint32_t event, uint32_t industry)
{
    for (unsigned i = 0; i < LEDGER_LETTERS; i++)
        out[i] = event >> i & 1 ? (char)toupper(letters[i]) : letters[i];
    snprintf(out + LEDGER_LETTERS, LEDGER_INDUSTRY_SIZE - LEDGER_LETTERS, "-%03u", industry % 1000);
}

/* ---- deliveries ------------------------------------------------------------------------------------- */

struct spelled {
    uint32_t event;
    uint32_t industry;
    uint32_t user;
};

static bool read_after(struct slice data, const char *marker, struct slice *ret_rest)
{
    const char *at = memmem(data.data, data.length, marker, strlen(marker));

    if (!at)
        return false;
    at += strlen(marker);
    *ret_rest = slice_make(at, (size_t)(data.data + data.length - at));
    return true;
}

static bool read_spelled(struct slice data, struct spelled *ret_spelled)
{
    struct spelled spelled = {0};
    struct slice name;
    struct slice user;
    const char *at;

    if (!read_after(data, "\"industries\":[\"", &name) || !read_after(data, "\"userId\":\"user.", &user) ||
        name.length < LEDGER_INDUSTRY_SIZE)
        return false;
    for (unsigned i = 0; i < LEDGER_LETTERS; i++) {
        if (tolower(name.data[i]) != letters[i])
            return false;
        spelled.event |= (isupper(name.data[i]) ? 1U : 0U) << i;
    }
    at = name.data + LEDGER_LETTERS + 1;
    spelled.industry = (uint32_t)read_number(&at, name.data + name.length);
    at = user.data;
    spelled.user = (uint32_t)read_number(&at, user.data + user.length);
    *ret_spelled = spelled;
    return true;
}

static bool read_event(struct ledger *ledger, uint32_t client, struct slice data, uint32_t *ret_event)
{
    struct spelled spelled;
    const struct ledger_event *event;

    if (!read_spelled(data, &spelled) || spelled.event >= ledger->count) {
        report_violation(ledger->report, "client %u was given what nobody submitted: %.*s", client,
                         (int)(data.length < 200 ? data.length : 200), data.data);
        return false;
    }
    event = &ledger->events[spelled.event];
    if (event->industry != spelled.industry || event->user != spelled.user ||
        spelled.industry != client / LEDGER_MEMBERS) {
        report_violation(
            ledger->report,
            "client %u, of industry %u, was given event %u about user %u as of industry %u and user %u",
            client, client / LEDGER_MEMBERS, spelled.event, event->user, spelled.industry, spelled.user);
        return false;
    }
    *ret_event = spelled.event;
    return true;
}

int64_t ledger_deliver(struct ledger *ledger, uint32_t client, uint32_t excused, struct slice data,
                       uint64_t now_ms)
{
    uint32_t member = client % LEDGER_MEMBERS;
    uint16_t bit = (uint16_t)(1U << member);
    uint32_t number;
    struct ledger_event *event;

    if (!read_event(ledger, client, data, &number))
        return -1;
    event = &ledger->events[number];
    if (!(event->got & bit)) {
        event->got |= bit;
        event->got_tenths[member] = (uint16_t)((now_ms - ledger->report->started_ms) / 100);
        ledger->deliveries++;
        return (int64_t)(now_ms - ledger->report->started_ms) - event->sent_ms;
    }
    if (number < excused) {
        ledger->repeats_told++;
        return -1;
    }
    ledger->doubled++;
    report_violation(ledger->report,
                     "client %u was given event %u twice (submitted at %.1f s, first had at %.1f s)", client,
                     number, event->sent_ms / 1000.0, event->got_tenths[member] / 10.0);
    return -1;
}

/* ---- the end ---------------------------------------------------------------------------------------- */

static uint32_t missing_of(struct ledger *ledger, uint32_t number, const uint32_t *excused, bool tell)
{
    const struct ledger_event *event = &ledger->events[number];
    uint32_t missing = 0;

    for (uint32_t member = 0; member < LEDGER_MEMBERS; member++) {
        uint32_t client = event->industry * LEDGER_MEMBERS + member;
        if (event->got >> member & 1)
            continue;
        if (number < excused[client]) {
            ledger->missed_told++;
            continue;
        }
        missing++;
        if (tell)
            report_violation(ledger->report,
                             "client %u never got event %u (about user %u, submitted at %.1f s)", client,
                             number, event->user, event->sent_ms / 1000.0);
    }
    return missing;
}

uint32_t ledger_missing(struct ledger *ledger, const uint32_t *excused, bool tell)
{
    uint32_t missing = 0;

    ledger->missed_told = 0;
    for (uint32_t number = 0; number < ledger->count; number++)
        if (ledger->events[number].acked && ledger->events[number].got != (1U << LEDGER_MEMBERS) - 1)
            missing += missing_of(ledger, number, excused, tell);
    ledger->lost = missing;
    return missing;
}

uint32_t ledger_falsely_whole(const struct ledger *ledger, const uint32_t *excused, const uint32_t *whole)
{
    uint32_t missing = 0;

    for (uint32_t number = 0; number < ledger->count; number++) {
        const struct ledger_event *event = &ledger->events[number];
        for (uint32_t member = 0; member < LEDGER_MEMBERS && event->acked; member++) {
            uint32_t client = event->industry * LEDGER_MEMBERS + member;
            missing += !(event->got >> member & 1) && number >= excused[client] && number < whole[client];
        }
    }
    return missing;
}

void ledger_sum(const struct ledger *ledger, uint32_t *acked, uint32_t *submitted)
{
    memset(acked, 0, ledger->clients * sizeof(*acked));
    memset(submitted, 0, ledger->clients * sizeof(*submitted));
    for (uint32_t number = 0; number < ledger->count; number++) {
        acked[ledger->events[number].user] += ledger->events[number].acked;
        submitted[ledger->events[number].user]++;
    }
}
