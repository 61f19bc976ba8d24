// tests/suite.h: a CUnit suite as a table, and a main() that exits non-zero when a test failed.
#ifndef POSTHASTE_TESTS_SUITE_H
#define POSTHASTE_TESTS_SUITE_H

#include <CUnit/Basic.h>
#include <stdio.h>
#include <string.h>

struct suite_test {
    const char *name;
    void (*run)(void);
};

// Runs `count` tests as suite `name`; with an argument, only those whose name contains it.
static inline int suite_main(const char *name, const struct suite_test *tests, size_t count,
                             int argc, char **argv)
{
    if (CU_initialize_registry() != CUE_SUCCESS)
        return 2;
    CU_pSuite suite = CU_add_suite(name, NULL, NULL);
    for (size_t i = 0; suite && i < count; i++)
        if (argc < 2 || strstr(tests[i].name, argv[1]))
            CU_add_test(suite, tests[i].name, tests[i].run);
    CU_basic_set_mode(CU_BRM_NORMAL);
    CU_basic_run_tests();
    unsigned failed = CU_get_number_of_failures() + CU_get_number_of_tests_failed();
    unsigned ran = CU_get_number_of_tests_run();
    CU_cleanup_registry();
    return failed > 0 || ran == 0 ? 1 : 0;
}

#define SUITE_MAIN(name, tests)                                                                    \
    int main(int argc, char **argv)                                                                \
    {                                                                                              \
        return suite_main(name, tests, sizeof(tests) / sizeof((tests)[0]), argc, argv);            \
    }

#endif
