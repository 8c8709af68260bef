/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Origins: line 1 the policy, line 2 the Origin, line 3 the Host. An item of the list that names one origin
 * allows exactly that origin.
 */
#include "fuzz.h"

#include <stdlib.h>

#include "http/origin.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = slice_make(data, size);
    struct slice list = fuzz_line(&rest);
    struct slice origin = fuzz_line(&rest);
    char *text = strndup(list.data ? list.data : "", list.length);
    struct origin_policy *policy = NULL;
    char error[64] = "";

    CHECK(text);
    if (origin_policy_create(text, &policy, error, sizeof(error)) == STATUS_OK) {
        bool allowed = origin_allowed(policy, origin, rest);

        CHECK(origin_allowed(policy, (struct slice){0}, rest));
        CHECK(allowed || strcmp(text, "*") != 0);
        if (strstr(text, "://") && !strpbrk(text, "*, \t"))
            CHECK(origin_allowed(policy, slice_from_string(text), rest));
    } else {
        CHECK(error[0] != '\0');
    }
    origin_policy_free(policy);
    free(text);
    return 0;
}
