#include "backend/settings.hpp"

#include "backend/postgres.hpp"

namespace seg::backend::settings {
namespace {

int max_memory_kilobytes = 1024 * 1024;
int default_seed_value = 0;

}  // namespace

std::uint64_t max_memory() {
    return static_cast<std::uint64_t>(max_memory_kilobytes) * 1024;
}

std::int64_t default_seed() {
    return default_seed_value;
}

void define() {
    DefineCustomIntVariable(
        "pg_segment.max_memory",
        "Memory that one aggregate node, with all its groups, or one training job of pg_segment may use.",
        "A job that needs more takes its documented cheaper road, or fails naming what it needs.",
        &max_memory_kilobytes, 1024 * 1024, 1024, MAX_KILOBYTES, PGC_USERSET, GUC_UNIT_KB, nullptr, nullptr,
        nullptr);
    DefineCustomIntVariable("pg_segment.default_seed", "Seed of every random choice that was not given one.",
                            "The same data, options and seed give the same result.", &default_seed_value, 0,
                            0, INT_MAX, PGC_USERSET, 0, nullptr, nullptr, nullptr);
    MarkGUCPrefixReserved("pg_segment");
}

}  // namespace seg::backend::settings

extern "C" {
PGDLLEXPORT void _PG_init(void);
void _PG_init(void) {
    seg::backend::settings::define();
}
}
