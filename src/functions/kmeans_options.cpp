#include "functions/kmeans_options.hpp"

#include "core/base/error.hpp"

namespace seg::functions {

namespace {

// A negative tolerance means something to core that users cannot ask for.
double read_tol(backend::JsonReader& json) {
    const double tol = json.number("tol");
    if (tol < 0)
        throw core::Error(core::Errc::kInvalidArgument,
                          core::format("\"tol\" must not be negative, as %g is", tol));
    return tol;
}

}  // namespace

void read_kmeans_options(backend::JsonReader& json, core::clustering::KmeansOptions& options) {
    json.object("options", [&](std::string_view key) {
        if (key == "seed")
            options.seed = json.integer("seed");
        else if (key == "n_init")
            options.n_init = json.small_integer("n_init");
        else if (key == "max_iter")
            options.max_iter = json.small_integer("max_iter");
        else if (key == "tol")
            options.tol = read_tol(json);
        else if (key == "standardize")
            options.standardize = core::clustering::standardize_named(json.string("standardize"));
        else
            throw core::Error(
                core::Errc::kInvalidArgument,
                core::format("unrecognized option \"%.*s\"", static_cast<int>(key.size()), key.data()), {},
                "Valid options are \"seed\", \"n_init\", \"max_iter\", \"tol\" and \"standardize\".");
    });
}

}  // namespace seg::functions
