#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace rapport {

/// A product of variables, `week:arm`. Each variable is the canonical text of an expression:
/// "week", "I(week^2)", "poly(week, 2)", "within(alliance, patient)".
using FormulaTerm = std::vector<std::string>;

/// `(1 + week | patient)`: effects that vary over the levels of a grouping factor, with a
/// covariance matrix of their own.
struct RandomFormula {
  bool intercept = true;
  std::vector<FormulaTerm> terms = {};
  FormulaTerm group =
      {};  ///< {"patient"}; {"therapist", "patient"} for the combinations `therapist:patient`

  friend bool operator==(const RandomFormula&, const RandomFormula&) = default;
};

/// A model in the notation of Wilkinson & Rogers (1973) with the random terms of Bates et al.
/// (2015). A value in normal form: `a*b`, `(a + b)^2`, `a/b`, `(x || g)` and `(1 | a/b)` are
/// written out.
struct Formula {
  std::string response = {};  ///< "phq9", "log(phq9)", "cbind(successes, failures)"
  bool intercept = true;
  std::vector<FormulaTerm> fixed =
      {};  ///< in the order of the text; a design sorts them by their number of variables
  std::vector<RandomFormula> random = {};
  std::vector<std::string> offsets = {};  ///< what stands within offset()

  friend bool operator==(const Formula&, const Formula&) = default;
};

/// Parses "severity ~ 1 + week*arm + (1 + week | patient)": `+ - : * / ^`, `0`, `1`, variables,
/// `I()`, `poly(x, degree)`, `ns(x, df)`, `scale(x)`, `offset()`, any expression of the expression
/// language as a call (`log(x)`, `factor(x)`, `within(x, g)`), `cbind(successes, failures)` as a
/// response, and `(… | g)`, `(… || g)` with `a:b` and `a/b` in g. Throws FormulaError with the
/// offset of the fault.
[[nodiscard]] Formula parse_formula(std::string_view text);

/// A formula from its parts; each variable is parsed, and each product is ordered as parse_formula
/// orders it: make_formula("severity", {{"week"}, {"arm"}, {"week", "arm"}}, {{.terms = {{"week"}},
/// .group = {"patient"}}}).
[[nodiscard]] Formula make_formula(std::string_view response, const std::vector<FormulaTerm>& fixed,
                                   const std::vector<RandomFormula>& random = {});

/// The formula as text that parses to the same formula.
[[nodiscard]] std::string to_string(const Formula& formula);

/// "week:arm", as coefficients and tests are named; "(Intercept)" for the empty product.
[[nodiscard]] std::string term_label(const FormulaTerm& term);

}  // namespace rapport
