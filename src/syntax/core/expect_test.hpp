// Expectations of translations, shared by the unit tests of this room.
#pragma once

#include <gtest/gtest.h>

#include <initializer_list>

#include "syntax/core/test_lexer.hpp"

namespace helios::syntax {

// A text and what Outcome() says of it.
struct Case {
  const char* text;
  const char* outcome;
};

inline void ExpectAll(std::initializer_list<Case> cases, const TranslateOptions& options = {}) {
  for (const Case& c : cases) EXPECT_EQ(Outcome(c.text, options), c.outcome) << c.text;
}

}  // namespace helios::syntax
