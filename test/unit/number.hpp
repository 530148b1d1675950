// Decimal literals for tests.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "core/base/exact_sum.hpp"

namespace seg::test {

// A decimal literal in the server's terms.
struct Number {
    explicit Number(const std::string& text) {
        std::string body = text;
        value.negative = body[0] == '-';
        if (value.negative)
            body.erase(0, 1);
        const std::size_t point = std::min(body.find('.'), body.size());
        std::string whole = body.substr(0, point);
        std::string fraction = point < body.size() ? body.substr(point + 1) : "";
        value.display_scale = static_cast<int>(fraction.size());
        whole.insert(0, (4 - whole.size() % 4) % 4, '0');
        fraction.append((4 - fraction.size() % 4) % 4, '0');
        const std::string all = whole + fraction;
        for (std::size_t i = 0; i < all.size(); i += 4)
            digits.push_back(static_cast<std::int16_t>(std::stoi(all.substr(i, 4))));
        value.weight = static_cast<int>(whole.size() / 4) - 1;
        while (!digits.empty() && digits.back() == 0)
            digits.pop_back();
        std::size_t zeros = 0;
        while (zeros < digits.size() && digits[zeros] == 0)
            ++zeros;
        digits.erase(digits.begin(), digits.begin() + static_cast<std::ptrdiff_t>(zeros));
        value.weight = digits.empty() ? 0 : value.weight - static_cast<int>(zeros);
        value.negative = value.negative && !digits.empty();
    }
    core::Decimal get() const {
        core::Decimal result = value;
        result.digits = digits;
        return result;
    }

    core::Decimal value;
    std::vector<std::int16_t> digits;
};

}  // namespace seg::test
