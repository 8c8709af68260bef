/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The table against a model of it: a list in order of use that is searched from its front.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/lru.h"

enum { CAPACITY = 20, KEYS = 60 };

struct entry {
    struct lru_node node; /* first */
    unsigned key;
};

static bool has_key(const struct lru_node *node, const void *key)
{
    return ((const struct entry *)(const void *)node)->key == *(const unsigned *)key;
}

/* Many keys share a hash, and all of them a bucket. */
static uint64_t hash_of(unsigned key)
{
    return (uint64_t)(key % 3) << 32;
}

static struct entry *make(unsigned key)
{
    struct entry *entry = calloc(1, sizeof(*entry));

    assert_non_null(entry);
    entry->key = key;
    entry->node.hash = hash_of(key);
    return entry;
}

static struct lru *create(size_t capacity)
{
    struct lru *lru = NULL;

    assert_int_equal(lru_create(capacity, &lru), STATUS_OK);
    return lru;
}

static struct entry *find(struct lru *lru, unsigned key)
{
    return (struct entry *)(void *)lru_find(lru, hash_of(key), has_key, &key);
}

static void empty(struct lru *lru)
{
    struct lru_node *node;

    while ((node = lru_take_oldest(lru)))
        free(node);
    lru_free(lru); /* checks that it is empty */
}

static void the_oldest_goes_first(void **state)
{
    struct lru *lru = create(3);
    struct lru_node *node;

    (void)state;
    assert_null(lru_take_oldest(lru));
    for (unsigned key = 1; key <= 3; key++)
        assert_null(lru_insert(lru, &make(key)->node));
    assert_int_equal(find(lru, 1)->key, 1); /* used: 2 is the oldest now */
    node = lru_insert(lru, &make(4)->node);
    assert_non_null(node);
    assert_int_equal(((struct entry *)(void *)node)->key, 2);
    free(node);
    assert_null(find(lru, 2));
    empty(lru);
}

static void what_is_removed_is_gone(void **state)
{
    struct lru *lru = create(10);

    (void)state;
    for (unsigned key = 1; key <= 9; key++)
        assert_null(lru_insert(lru, &make(key)->node));
    for (unsigned key = 1; key <= 9; key += 2) {
        struct entry *entry = find(lru, key);

        lru_remove(lru, &entry->node);
        free(entry);
    }
    for (unsigned key = 1; key <= 9; key++)
        assert_true((find(lru, key) != NULL) == (key % 2 == 0));
    empty(lru);
}

/* ---- model -------------------------------------------------------------------------------------------- */

struct model {
    size_t count;
    unsigned keys[CAPACITY + 1]; /* oldest first */
};

static void model_remove(struct model *model, size_t at)
{
    model->count--;
    for (; at < model->count; at++)
        model->keys[at] = model->keys[at + 1];
}

static size_t model_find(const struct model *model, unsigned key)
{
    size_t at = 0;

    while (at < model->count && model->keys[at] != key)
        at++;
    return at;
}

static void use(struct lru *lru, struct model *model, unsigned key)
{
    size_t at = model_find(model, key);
    const struct entry *found = find(lru, key);

    assert_true((found != NULL) == (at < model->count));
    if (found) {
        model_remove(model, at);
    } else {
        struct lru_node *oldest = lru_insert(lru, &make(key)->node);

        assert_true((oldest != NULL) == (model->count == CAPACITY));
        if (oldest) {
            assert_int_equal(((struct entry *)(void *)oldest)->key, model->keys[0]);
            free(oldest);
            model_remove(model, 0);
        }
    }
    model->keys[model->count++] = key;
}

static void as_a_list_that_is_searched(void **state)
{
    struct lru *lru = create(CAPACITY);
    struct model model = {0};
    unsigned random = 7;

    (void)state;
    for (int step = 0; step < 20000; step++) {
        random = random * 1103515245 + 12345;
        use(lru, &model, random / 65536 % (step % 1000 < 500 ? KEYS : CAPACITY + 2));
    }
    for (size_t i = 0; i < model.count; i++) {
        struct lru_node *oldest = lru_take_oldest(lru);

        assert_int_equal(((struct entry *)(void *)oldest)->key, model.keys[i]);
        free(oldest);
    }
    empty(lru);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_oldest_goes_first),
        cmocka_unit_test(what_is_removed_is_gone),
        cmocka_unit_test(as_a_list_that_is_searched),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
