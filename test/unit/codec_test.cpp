#include "core/base/codec.hpp"

#include <array>

#include "testing.hpp"

namespace {

using seg::core::Errc;
using seg::core::Reader;
using seg::core::Writer;
using seg::test::error_code;

TEST(Codec, WritesLittleEndianWithExplicitWidths) {
    std::array<std::byte, 15> buffer{};
    Writer writer(buffer);
    writer.put<std::uint8_t>(0x53);
    writer.put<std::uint16_t>(0x0102);
    writer.put<std::uint32_t>(0x03040506);
    writer.put<double>(1.0);
    EXPECT_EQ(writer.size(), 15u);
    const std::uint8_t expected[] = {0x53, 0x02, 0x01, 0x06, 0x05, 0x04, 0x03, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f};
    EXPECT_EQ(std::memcmp(buffer.data(), expected, sizeof expected), 0);
}

TEST(Codec, ReadsBackWhatWasWritten) {
    std::array<std::byte, 24> buffer{};
    const double values[] = {-0.5, 1e300};
    Writer writer(buffer);
    writer.put<std::int64_t>(-7);
    writer.put_all<double>(values);
    Reader reader(buffer, "test");
    EXPECT_EQ(reader.get<std::int64_t>(), -7);
    double read[2];
    reader.get_all<double>(read);
    EXPECT_EQ(read[0], -0.5);
    EXPECT_EQ(read[1], 1e300);
    reader.expect_end();
}

TEST(Codec, EveryShortReadIsBadBinary) {
    std::array<std::byte, 7> buffer{};
    EXPECT_EQ(error_code([&] { Reader(buffer, "test").get<std::int64_t>(); }), Errc::kBadBinary);
    EXPECT_EQ(error_code([&] { Reader(buffer, "test").expect_end(); }), Errc::kBadBinary);
    double values[1];
    EXPECT_EQ(error_code([&] { Reader(buffer, "test").get_all<double>(values); }), Errc::kBadBinary);
}

TEST(Codec, WritingPastTheEndIsOurBug) {
    std::array<std::byte, 3> buffer{};
    Writer writer(buffer);
    EXPECT_THROW(writer.put<std::uint32_t>(1), std::logic_error);
}

}  // namespace
