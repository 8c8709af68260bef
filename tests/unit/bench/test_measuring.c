/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What the benchmark's figures stand on: percentiles, frames, numbers in events, the handshake, templates.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bench/arguments.h"
#include "bench/histogram.h"
#include "bench/limit_handshake.h"
#include "bench/load_frame.h"
#include "bench/load_number.h"

static void percentiles_are_three_percent_off_at_most(void **state)
{
    static struct histogram histogram;

    (void)state;
    assert_true(histogram_percentile_us(&histogram, 0.5) == 0);
    for (uint64_t microseconds = 1; microseconds <= 100000; microseconds++)
        histogram_add(&histogram, microseconds * 1000);
    for (int percent = 1; percent <= 100; percent++) {
        double exact = 1000.0 * percent;
        double found = histogram_percentile_us(&histogram, percent / 100.0);
        assert_true(found <= exact && found >= exact * 0.96);
    }
    assert_int_equal(histogram.maximum, 100000000);
}

static void the_largest_sample_has_a_place(void **state)
{
    static struct histogram histogram;

    (void)state;
    histogram_add(&histogram, UINT64_MAX);
    histogram_add(&histogram, 0);
    assert_true(histogram_percentile_us(&histogram, 0.5) == 0);
    assert_true(histogram_percentile_us(&histogram, 1) > 1e16);
}

static void frames_are_read_at_every_length(void **state)
{
    static const size_t lengths[] = {0, 1, 125, 126, 65535, 65536, 70000};

    (void)state;
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        size_t length = lengths[i];
        size_t header = length < 126 ? 2 : length < 65536 ? 4 : 10;
        unsigned char *bytes = calloc(1, header + length);
        struct load_frame frame;

        assert_non_null(bytes);
        bytes[0] = 0x81;
        bytes[1] = (unsigned char)(length < 126 ? length : length < 65536 ? 126 : 127);
        for (size_t k = header; k-- > 2;)
            bytes[k] = (unsigned char)(length >> 8 * (header - 1 - k));
        for (size_t cut = 0; cut < header + length; cut += cut < 12 ? 1 : 997)
            assert_false(load_frame_read(slice_make(bytes, cut), &frame));
        assert_true(load_frame_read(slice_make(bytes, header + length), &frame));
        assert_int_equal(frame.opcode, FRAME_TEXT);
        assert_int_equal(frame.payload.length, length);
        assert_int_equal(frame.length, header + length);
        free(bytes);
    }
}

static void our_frames_are_masked_with_zero(void **state)
{
    char header[FRAME_HEADER_MAXIMUM];

    (void)state;
    assert_int_equal(load_frame_header(header, FRAME_TEXT, 5), 6);
    assert_memory_equal(header, "\x81\x85\0\0\0\0", 6);
    assert_int_equal(load_frame_header(header, FRAME_PONG, 300), 8);
    assert_memory_equal(header, "\x8a\xfe\x01\x2c\0\0\0\0", 8);
}

static void numbers_end_where_digits_end(void **state)
{
    static const char text[] = "1234,\"s\":9";
    const char *at = text;

    (void)state;
    assert_int_equal(read_number(&at, text + sizeof(text) - 1), 1234);
    assert_ptr_equal(at, text + 4);
    assert_int_equal(read_number(&at, text + sizeof(text) - 1), 0);
    at = text;
    assert_int_equal(read_number(&at, text + 2), 12);
}

static void values_are_hundredths(void **state)
{
    static const struct {
        const char *text;
        uint64_t hundredths;
    } values[] = {{"9.42}", 942}, {"15.7}", 1570}, {"314}", 31400}, {"0}", 0}, {"3.14", 314}, {"6.", 600}};

    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        assert_int_equal(read_hundredths(values[i].text, values[i].text + strlen(values[i].text)),
                         values[i].hundredths);
}

/* The example of RFC 6455, section 1.3. */
static void the_handshake_is_answered(void **state)
{
    char answer[256];

    (void)state;
    assert_int_equal(handshake_answer("GET / HTTP/1.1\r\nHost: x\r\n\r\n", answer, sizeof(answer)), 0);
    assert_int_equal(
        handshake_answer("GET / HTTP/1.1\r\nSec-WebSocket-Key: short\r\n\r\n", answer, sizeof(answer)), 0);
    assert_true(handshake_answer("GET / HTTP/1.1\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                                 answer, sizeof(answer)) > 0);
    assert_non_null(strstr(answer, "\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
    assert_int_equal(handshake_answer("\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", answer, 64), 0);
}

static void templates_are_filled_in(void **state)
{
    char out[32];

    (void)state;
    assert_true(argument_expand("/?user=u%d&t=%t%", 42, "abc", out, sizeof(out)));
    assert_string_equal(out, "/?user=u42&t=abc%");
    assert_true(argument_expand("%t%d", 0, NULL, out, sizeof(out)));
    assert_string_equal(out, "%t0");
    assert_false(argument_expand("%t", 0, "abc", out, 3));
    assert_true(argument_expand("%t", 0, "abc", out, 4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percentiles_are_three_percent_off_at_most),
        cmocka_unit_test(the_largest_sample_has_a_place),
        cmocka_unit_test(frames_are_read_at_every_length),
        cmocka_unit_test(our_frames_are_masked_with_zero),
        cmocka_unit_test(numbers_end_where_digits_end),
        cmocka_unit_test(values_are_hundredths),
        cmocka_unit_test(the_handshake_is_answered),
        cmocka_unit_test(templates_are_filled_in),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
