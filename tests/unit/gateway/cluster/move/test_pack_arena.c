/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Pieces are zeroed, aligned and apart from one another; the sanitizer sees one that is too short, and what
 * is not freed.
 */
#include "gateway_test.h"

#include "cluster/move/pack_arena.h"

static void pieces_are_zeroed_and_apart(void **state)
{
    struct pack_arena arena = {0};
    unsigned char *pieces[50];

    (void)state;
    for (size_t i = 0; i < COUNT(pieces); i++) {
        pieces[i] = pack_arena_take(&arena, i);
        assert_non_null(pieces[i]);
        assert_int_equal((uintptr_t)pieces[i] % 8, 0);
        for (size_t at = 0; at < i; at++)
            assert_int_equal(pieces[i][at], 0);
        memset(pieces[i], (int)i, i);
    }
    for (size_t i = 0; i < COUNT(pieces); i++)
        for (size_t at = 0; at < i; at++)
            assert_int_equal(pieces[i][at], i);
    pack_arena_done(&arena);
    assert_null(arena.blocks);
    pack_arena_done(&arena); /* once more changes nothing */
}

static void a_list_points_to_its_pieces(void **state)
{
    enum { PIECES = 7, SIZE = 24 };
    struct pack_arena arena = {0};
    void **list = pack_arena_take_list(&arena, PIECES, SIZE);

    (void)state;
    assert_non_null(list);
    for (size_t i = 0; i < PIECES; i++)
        memset(list[i], (int)i + 1, SIZE); /* over nobody's end, and not over the list */
    for (size_t i = 0; i < PIECES; i++) {
        const unsigned char *piece = list[i];

        assert_int_equal((uintptr_t)piece % 8, 0);
        assert_int_equal(piece[0], i + 1);
        assert_int_equal(piece[SIZE - 1], i + 1);
    }
    assert_non_null(pack_arena_take_list(&arena, 0, SIZE)); /* a field that has no values */
    pack_arena_done(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_zeroed_and_apart),
        cmocka_unit_test(a_list_points_to_its_pieces),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
