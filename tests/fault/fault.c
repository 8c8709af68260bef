/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The linker sends each allocation here (see CMakeLists.txt). Outside a sweep it passes through; inside, it
 * is counted, and the one whose turn it is fails.
 */
#include "fault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define ALLOCATIONS_MAXIMUM 100000

/* The linker's names of the functions it has wrapped, and of what stands in their place. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
char *__real_strdup(const char *text);
void __real_free(void *memory);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
char *__wrap_strdup(const char *text);
void __wrap_free(void *memory);

static _Thread_local bool sweeping;
static _Thread_local unsigned allocations; /* of this run, the failed one included */
static _Thread_local unsigned failing;     /* the number of the one to fail; 0: none */
static _Thread_local bool failed;
static _Thread_local int64_t live; /* blocks of this run not yet freed */

static bool fails_now(void)
{
    if (!sweeping)
        return false;
    allocations++;
    if (allocations != failing)
        return false;
    failed = true;
    return true;
}

static void *counted(void *memory)
{
    if (sweeping && memory)
        live++;
    return memory;
}

void *__wrap_malloc(size_t size)
{
    return fails_now() ? NULL : counted(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails_now() ? NULL : counted(__real_calloc(count, size));
}

void *__wrap_realloc(void *memory, size_t size)
{
    if (fails_now())
        return NULL;
    return memory ? __real_realloc(memory, size) : counted(__real_realloc(NULL, size));
}

char *__wrap_strdup(const char *text)
{
    return fails_now() ? NULL : counted(__real_strdup(text));
}

void __wrap_free(void *memory)
{
    if (sweeping && memory)
        live--;
    __real_free(memory);
}

static enum status run(fault_body *body, unsigned fail_number)
{
    enum status status;

    allocations = 0;
    failing = fail_number;
    failed = false;
    live = 0;
    sweeping = true;
    status = body();
    sweeping = false;
    if (live != 0)
        fail_msg("%d blocks left behind with allocation %u failing", (int)live, fail_number);
    return status;
}

static void sweep(fault_body *body, unsigned least, bool strict)
{
    assert_int_equal(run(body, 0), STATUS_OK);
    if (allocations < least)
        fail_msg("only %u allocations, expected at least %u", allocations, least);
    for (unsigned number = 1; number < ALLOCATIONS_MAXIMUM; number++) {
        enum status status = run(body, number);

        if (!failed) {
            assert_int_equal(status, STATUS_OK);
            return;
        }
        if (status != STATUS_NO_MEMORY && (strict || status != STATUS_OK))
            fail_msg("'%s' with allocation %u failing", status_code(status), number);
    }
    fail_msg("the body never stops allocating");
}

void fault_sweep(fault_body *body, unsigned least)
{
    sweep(body, least, false);
}

void fault_sweep_strict(fault_body *body, unsigned least)
{
    sweep(body, least, true);
}

void fault_expect_none(fault_body *body)
{
    assert_int_equal(run(body, 0), STATUS_OK);
    assert_int_equal(allocations, 0);
}
