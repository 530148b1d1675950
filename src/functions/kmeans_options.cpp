#include "functions/kmeans_options.hpp"

#include <new>

#include "core/base/error.hpp"

#include "backend/memory.hpp"
#include "backend/settings.hpp"

namespace seg::functions {
namespace {

using namespace seg::backend;
using core::clustering::CategoryGroup;
using core::clustering::KmeansOptions;

// A list that lives, with all it holds, in the current context: it is never destroyed.
template <typename T>
core::Vector<T>& new_list() {
    MemoryContext context = CurrentMemoryContext;
    ContextResource here(context, ContextResource::Limit::kNone);
    void* place = here.allocate(sizeof(ContextResource), alignof(ContextResource));
    auto* resource = new (place) ContextResource(context, ContextResource::Limit::kNone);
    place = here.allocate(sizeof(core::Vector<T>), alignof(core::Vector<T>));
    return *new (place) core::Vector<T>(resource);
}

// A negative tolerance or gamma means something to core that users cannot ask for.
double read_magnitude(JsonReader& json, const char* name) {
    const double value = json.number(name);
    if (value < 0)
        throw core::Error(core::Errc::kInvalidArgument,
                          core::format("\"%s\" must not be negative, as %g is", name, value));
    return value;
}

// "size", or the number of a feature, negative for descending order.
std::int32_t read_order(JsonReader& json) {
    if (json.kind() != JsonToken::Kind::kString)
        return json.small_integer("order_by");
    if (json.string("order_by") != "size")
        throw core::Error(core::Errc::kInvalidArgument,
                          "\"order_by\" must be \"size\" or the number of a feature");
    return 0;
}

// [[first, count], ...], features counted from 1; the cost of a mismatch may follow.
std::span<const CategoryGroup> read_groups(JsonReader& json) {
    core::Vector<CategoryGroup>& groups = new_list<CategoryGroup>();
    json.array("categories", [&] {
        CategoryGroup group;
        int place = 0;
        json.array("categories", [&] {
            if (place == 0)
                group.first = json.small_integer("categories");
            else if (place == 1)
                group.count = json.small_integer("categories");
            else
                group.mismatch_cost = json.number("categories");
            ++place;
        });
        if (place < 2 || place > 3 || group.first < 1)
            throw core::Error(core::Errc::kInvalidArgument,
                              "each of \"categories\" must be [first feature, number of features]");
        --group.first;
        groups.push_back(group);
    });
    return {groups.data(), groups.size()};
}

// Centres row after row; each must have as many values as the first one.
void read_centre(JsonReader& json, core::Vector<double>& centres, std::size_t& count) {
    const std::size_t before = centres.size();
    json.array("init", [&] { centres.push_back(json.number("init")); });
    const std::size_t length = centres.size() - before;
    ++count;
    if (length == 0 || length * count != centres.size())
        throw core::Error(core::Errc::kInvalidArgument, "the centres of \"init\" must be of one length");
}

// The centroids of a model, in the units of its rows.
void read_model(JsonReader& json, core::Vector<double>& centres, std::size_t& count) {
    core::Vector<double>& shift = new_list<double>();
    core::Vector<double>& scale = new_list<double>();
    json.object("init", [&](std::string_view key) {
        if (key == "shift")
            json.array("shift", [&] { shift.push_back(json.number("shift")); });
        else if (key == "scale")
            json.array("scale", [&] { scale.push_back(json.number("scale")); });
        else if (key == "clusters")
            json.array("clusters", [&] {
                json.object("clusters", [&](std::string_view member) {
                    if (member == "centre")
                        read_centre(json, centres, count);
                    else
                        json.skip();
                });
            });
        else
            json.skip();
    });
    const std::size_t length = count == 0 ? 0 : centres.size() / count;
    if (length == 0 || shift.size() != length || scale.size() != length)
        throw core::Error(core::Errc::kInvalidArgument, "\"init\" is not a model");
    for (std::size_t i = 0; i < centres.size(); ++i)
        centres[i] = centres[i] * scale[i % length] + shift[i % length];
}

// A list of centres, or a model.
std::span<const double> read_init(JsonReader& json) {
    core::Vector<double>& centres = new_list<double>();
    std::size_t count = 0;
    if (json.kind() == JsonToken::Kind::kObject)
        read_model(json, centres, count);
    else
        json.array("init", [&] { read_centre(json, centres, count); });
    return {centres.data(), centres.size()};
}

// Options of the search; false for another key.
bool read_search_option(JsonReader& json, std::string_view key, KmeansOptions& options) {
    if (key == "seed")
        options.seed = json.integer("seed");
    else if (key == "n_init")
        options.n_init = json.small_integer("n_init");
    else if (key == "max_iter")
        options.max_iter = json.small_integer("max_iter");
    else if (key == "tol")
        options.tol = read_magnitude(json, "tol");
    else if (key == "init")
        options.init = read_init(json);
    else
        return false;
    return true;
}

// Options that say what a cluster is; false for another key.
bool read_model_option(JsonReader& json, std::string_view key, KmeansOptions& options) {
    if (key == "algorithm")
        options.algorithm = core::clustering::algorithm_named(json.string("algorithm"));
    else if (key == "measure")
        options.measure = core::clustering::measure_named(json.string("measure"));
    else if (key == "standardize")
        options.standardize = core::clustering::standardize_named(json.string("standardize"));
    else if (key == "order_by")
        options.order_by = read_order(json);
    else if (key == "min_size")
        options.min_size = json.integer("min_size");
    else if (key == "max_size")
        options.max_size = json.integer("max_size");
    else if (key == "gamma")
        options.gamma = read_magnitude(json, "gamma");
    else if (key == "categories")
        options.groups = read_groups(json);
    else
        return false;
    return true;
}

}  // namespace

void read_kmeans_options(JsonReader& json, KmeansOptions& options) {
    json.object("options", [&](std::string_view key) {
        if (read_search_option(json, key, options) || read_model_option(json, key, options))
            return;
        throw core::Error(
            core::Errc::kInvalidArgument,
            core::format("unrecognized option \"%.*s\"", static_cast<int>(key.size()), key.data()), {},
            "Valid options are \"seed\", \"n_init\", \"max_iter\", \"tol\", \"init\", \"algorithm\", "
            "\"measure\", "
            "\"standardize\", \"order_by\", \"min_size\", \"max_size\", \"gamma\" and \"categories\".");
    });
}

core::clustering::GatheringOptions read_kmeans_arguments(std::int32_t k, const NullableDatum* options) {
    core::clustering::GatheringOptions result;
    result.kmeans.k = k;
    result.kmeans.seed = settings::default_seed();
    result.limit = settings::max_memory();
    if (options != nullptr) {
        JsonReader json(json_tokens(options->value));
        read_kmeans_options(json, result.kmeans);
    }
    return result;
}

}  // namespace seg::functions
