/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Session ids as clients send them: what is accepted names a gateway that can be one token of a subject, and
 * is written back as the same text.
 */
#include "fuzz.h"

#include "common/bus/subject.h"
#include "text/sid.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sid sid;
    char key[SID_KEY_SIZE] = "";
    char gateway[SID_GATEWAY_MAXIMUM + 1] = "";
    char written[SID_SIZE];
    char subject[SUBJECT_SIZE];

    if (sid_read(slice_make(data, size), &sid) != STATUS_OK)
        return 0;
    CHECK(sid.key.length == SID_KEY_SIZE - 1 && sid.gateway.length <= SID_GATEWAY_MAXIMUM);
    memcpy(key, sid.key.data, sid.key.length);
    memcpy(gateway, sid.gateway.data, sid.gateway.length);
    sid_write(written, key, gateway);
    CHECK(strlen(written) == size && memcmp(written, data, size) == 0);
    CHECK(sid_key_equal(key, sid.key));
    CHECK(subject_make(subject, SUBJECT_GATEWAY, sid.gateway) == STATUS_OK);
    return 0;
}
