/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What a broker says, one operation after the other: everything an operation points to lies inside it, and
 * what is said to be missing is more than there is.
 */
#include "fuzz.h"

#include "common/bus/broker_protocol.h"

#define BODY_MAXIMUM 4096

static void check_inside(struct slice whole, struct slice part)
{
    if (part.length == 0)
        return;
    CHECK(part.data >= whole.data);
    CHECK(part.data + part.length <= whole.data + whole.length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = slice_make(data, size);
    struct broker_operation operation;

    for (;;) {
        size_t used = 0;
        enum status status = broker_operation_read(rest, BODY_MAXIMUM, &operation, &used);
        if (status != STATUS_OK) {
            CHECK(status == STATUS_MALFORMED || used > rest.length);
            return 0;
        }
        CHECK(used > 0 && used <= rest.length);
        struct slice whole = slice_make(rest.data, used);
        if (operation.kind == BROKER_MESSAGE) {
            CHECK(operation.headers.length + operation.data.length <= BODY_MAXIMUM);
            CHECK(operation.subject.length > 0);
        }
        check_inside(whole, operation.text);
        check_inside(whole, operation.subject);
        check_inside(whole, operation.reply);
        check_inside(whole, operation.headers);
        check_inside(whole, operation.data);
        rest = slice_make(rest.data + used, rest.length - used);
    }
}
