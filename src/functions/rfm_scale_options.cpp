#include "functions/rfm_scale_options.hpp"

#include "core/base/error.hpp"

namespace seg::functions {

namespace {

using backend::JsonReader;
using backend::JsonToken;
using core::rfm::kMeasures;
using core::rfm::ScaleOptions;

// Whether the member of the outermost object is an array.
bool is_array(std::span<const JsonToken> tokens, std::string_view key) {
    int depth = 0;
    for (std::size_t i = 0; i + 1 < tokens.size(); ++i) {
        switch (tokens[i].kind) {
            case JsonToken::Kind::kObject:
            case JsonToken::Kind::kArray:
                ++depth;
                break;
            case JsonToken::Kind::kEnd:
                --depth;
                break;
            case JsonToken::Kind::kKey:
                if (depth == 1 &&
                    std::string_view(tokens[i].text, static_cast<std::size_t>(tokens[i].length)) == key)
                    return tokens[i + 1].kind == JsonToken::Kind::kArray;
                break;
            default:
                break;
        }
    }
    return false;
}

// Zero stands for "not given" inside, which is not what somebody means who gives it.
int read_bin_count(JsonReader& json) {
    const int bins = json.small_integer("bins");
    if (bins < core::rfm::kMinBins || bins > core::rfm::kMaxBins)
        throw core::Error(core::Errc::kInvalidArgument,
                          core::format("\"bins\" must be between %d and %d, not %d", core::rfm::kMinBins,
                                       core::rfm::kMaxBins, bins));
    return bins;
}

void read_bins(JsonReader& json, bool array, ScaleOptions& options) {
    if (!array) {
        options.bins.fill(read_bin_count(json));
        return;
    }
    std::size_t count = 0;
    json.array("bins", [&] {
        const int bins = read_bin_count(json);
        if (count < kMeasures)
            options.bins[count] = bins;
        ++count;
    });
    if (count != kMeasures)
        throw core::Error(core::Errc::kInvalidArgument,
                          core::format("\"bins\" has %zu elements, not %zu", count, kMeasures), {},
                          "Give one number, or one each for recency, frequency and monetary.");
}

void read_breaks(JsonReader& json, ScaleOptions& options) {
    json.object("breaks", [&](std::string_view key) {
        for (core::rfm::Measure measure : core::rfm::kEveryMeasure)
            if (key == name_of(measure)) {
                core::rfm::Breaks breaks;
                json.array(name_of(measure), [&] { breaks.push_back(json.number(name_of(measure))); });
                options.breaks[index_of(measure)] = breaks;
                return;
            }
        throw core::Error(core::Errc::kInvalidArgument,
                          core::format("unrecognized measure \"%.*s\" in \"breaks\"",
                                       static_cast<int>(key.size()), key.data()),
                          {}, "Valid measures are \"recency\", \"frequency\" and \"monetary\".");
    });
}

}  // namespace

void read_scale_options(std::span<const JsonToken> tokens, ScaleOptions& options) {
    JsonReader json(tokens);
    json.object("options", [&](std::string_view key) {
        if (key == "method")
            options.method = core::rfm::method_named(json.string("method"));
        else if (key == "bins")
            read_bins(json, is_array(tokens, "bins"), options);
        else if (key == "breaks")
            read_breaks(json, options);
        else
            throw core::Error(
                core::Errc::kInvalidArgument,
                core::format("unrecognized option \"%.*s\"", static_cast<int>(key.size()), key.data()), {},
                "Valid options are \"method\", \"bins\" and \"breaks\".");
    });
}

}  // namespace seg::functions
