#include "functions/preparation_json.hpp"

#include <limits>

namespace seg::functions {
namespace {

using namespace seg::backend;
using core::preparation::Column;
using core::preparation::ColumnKind;
using core::preparation::PreparationView;

[[noreturn]] void unexpected(std::string_view key) {
    throw core::Error(core::Errc::kInvalidArgument,
                      core::format("unrecognized key \"%.*s\" in a value of type segment.preparation",
                                   static_cast<int>(std::min<std::size_t>(key.size(), 128)), key.data()));
}

void read_limits(JsonReader& json, Column& column) {
    constexpr const char* kName = "winsorise";
    int count = 0;
    json.array(kName, [&] {
        const double value = json.number(kName);
        (count == 0 ? column.lower : column.upper) = value;
        ++count;
    });
    if (count != 2)
        throw core::Error(core::Errc::kInvalidArgument, "\"winsorise\" must have two values");
    column.winsorised = true;
}

}  // namespace

void JsonPreparation::read_level(JsonReader& json) {
    core::preparation::Level level = {{}, 0};
    json.object("levels", [&](std::string_view key) {
        if (key == "level")
            level.text = json.string("level");
        else if (key == "rows")
            level.rows = json.integer("rows");
        else
            unexpected(key);
    });
    levels_.push_back(level);
    ++columns_.back().levels;
}

bool JsonPreparation::read_value_member(JsonReader& json, std::string_view key) {
    Column& column = columns_.back();
    if (key == "transform")
        column.transform = core::preparation::transform_named(json.string("transform"));
    else if (key == "winsorise")
        read_limits(json, column);
    else if (key == "scaling")
        column.scaling = core::preparation::scaling_named(json.string("scaling"));
    else if (key == "shift")
        column.shift = json.number("shift");
    else if (key == "scale")
        column.scale = json.number("scale");
    else if (key == "as_of")
        column.as_of = json.number("as_of");
    else if (key == "fill")
        column.fill = json.number("fill");
    else if (key == "indicator")
        column.indicator = json.boolean("indicator");
    else
        return false;
    return true;
}

bool JsonPreparation::read_category_member(JsonReader& json, std::string_view key) {
    Column& column = columns_.back();
    if (key == "null_level")
        column.null_level = json.boolean("null_level");
    else if (key == "other")
        column.other = json.boolean("other");
    else if (key == "levels")
        json.array("levels", [&] { read_level(json); });
    else
        return false;
    return true;
}

void JsonPreparation::read_column(JsonReader& json) {
    columns_.emplace_back();
    json.object("columns", [&](std::string_view key) {
        Column& column = columns_.back();
        if (key == "name")
            column.name = json.string("name");
        else if (key == "kind")
            column.kind = core::preparation::column_kind_named(json.string("kind"));
        else if (key == "reason")
            column.reason = json.string("reason");
        else if (key == "weight")
            column.weight = json.number("weight");
        else if (key == "constant")
            column.constant = json.boolean("constant");
        else if (key == "null")
            column.null = core::preparation::null_treatment_named(json.string("null"));
        else if (key == "nulls")
            column.nulls = json.integer("nulls");
        else if (!read_value_member(json, key) && !read_category_member(json, key))
            unexpected(key);
    });
}

JsonPreparation read_preparation(JsonReader& json, core::MemoryResource* memory) {
    JsonPreparation preparation(memory);
    json.object("value of type segment.preparation", [&](std::string_view key) {
        if (key == "rows")
            preparation.rows_ = json.integer("rows");
        else if (key == "columns")
            json.array("columns", [&] { preparation.read_column(json); });
        else
            unexpected(key);
    });
    return preparation;
}

void check_encoding(std::string_view text, const char* type) {
    if (!pg_verifymbstr(text.data(), static_cast<int>(text.size()), true))
        throw core::Error(core::Errc::kBadBinary,
                          core::format("invalid binary representation of type %s: "
                                       "a text is not valid in the database's encoding",
                                       type));
}

void check_encoding(const PreparationView& preparation) {
    constexpr const char* kTypeName = "segment.preparation";
    for (std::int32_t c = 0; c < preparation.column_count(); ++c) {
        const Column column = preparation.column(c);
        check_encoding(column.name, kTypeName);
        check_encoding(column.reason, kTypeName);
    }
    for (std::int32_t l = 0; l < preparation.level_count(); ++l)
        check_encoding(preparation.level(l).text, kTypeName);
}

}  // namespace seg::functions
