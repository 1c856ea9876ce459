#pragma once

#include <rapport/mixed/generalized.hpp>

#include "integral.hpp"
#include "ordinal_shape.hpp"
#include "search.hpp"
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace rapport::detail {

/// How the coordinates of a family's parameters ψ meet them.
struct FamilyCoordinates {
  Eigen::VectorXd shift;  ///< how much each moves when all thresholds move by 1; 0 for others
  Eigen::VectorXd unit;
};

/// Internal coordinates x in which the criterion is well scaled, and the parameters of the model as
/// a linear map of them: β = (X'WX)^{−1/2}-scaled coordinates, Λ in units of each column's root
/// mean square, thresholds about the mean of X. Natural parameters stand in the order β, the lower
/// triangle of each Λ by columns, ψ.
class Coordinates {
 public:
  Coordinates(const Design& design, const Eigen::MatrixXd& fixed, const Eigen::VectorXd& weights,
              const FamilyCoordinates& family);

  [[nodiscard]] Index size() const { return n_fixed_ + n_factor_ + n_family_; }
  [[nodiscard]] Index n_fixed() const { return n_fixed_; }
  [[nodiscard]] Index n_factor() const { return n_factor_; }
  [[nodiscard]] Index n_family() const { return n_family_; }
  [[nodiscard]] const Eigen::MatrixXd& map() const { return map_; }

  [[nodiscard]] ModelPoint point(const Eigen::VectorXd& x) const;
  /// The gradient in x.
  [[nodiscard]] Eigen::VectorXd gradient(const ModelPoint& g) const;

 private:
  Index n_fixed_;
  Index n_factor_ = 0;
  Index n_family_;
  std::vector<Index> sizes_;
  Eigen::MatrixXd map_;
};

[[nodiscard]] Index count_categories(const Design& design);
[[nodiscard]] std::string category_name(const Design& design, Index category);

/// A generalized model made ready for a search: columns chosen, rows in the order of evaluation,
/// coordinates scaled. Refers to the design.
class GeneralizedProblem {
 public:
  /// Throws as fit_generalized_model does.
  GeneralizedProblem(const Design& design, const GeneralizedOptions& options);

  /// The kept columns, their terms and those that were dropped.
  [[nodiscard]] const FixedEffects& fixed() const { return fixed_; }
  [[nodiscard]] const SortedDesign& rows() const { return *rows_; }
  [[nodiscard]] const Coordinates& coordinates() const { return *coordinates_; }
  [[nodiscard]] std::unique_ptr<Likelihood> likelihood() const;
  [[nodiscard]] std::unique_ptr<Integral> integral(Index points) const;
  /// −log L in the coordinates.
  [[nodiscard]] std::function<void(const Eigen::VectorXd&, Derivatives&)> criterion(
      Integral& integral) const;
  /// The same with its Hessian, for an integral that has it.
  [[nodiscard]] std::function<void(const Eigen::VectorXd&, Derivatives&)> curved_criterion(
      Integral& integral) const;
  /// Where a search ended.
  struct Search {
    std::unique_ptr<Integral> integral;
    Minimum minimum;
    Index points;
    double error;  ///< what more points change −log L by; NaN if that was not asked for
  };
  /// With as many points of quadrature as the options ask for.
  [[nodiscard]] Search search() const;
  /// Laplace's approximation is cheap and its optimum near: quadrature starts from there.
  [[nodiscard]] Minimum search(Integral& integral) const;

 private:
  [[nodiscard]] Minimum search(Integral& integral, const Eigen::VectorXd& start) const;
  void require_integrable(const GeneralizedOptions& options) const;
  [[nodiscard]] bool affordable(Index points) const;

  static constexpr double most_nodes = 20000;
  GeneralizedOptions options_;
  FixedEffects fixed_;
  std::unique_ptr<SortedDesign> rows_;
  SortedResponse response_;
  std::unique_ptr<Coordinates> coordinates_;
  void make_ordinal_rows(Index categories);
  [[nodiscard]] FamilyCoordinates family_coordinates(Index n_family) const;

  Eigen::MatrixXd scale_;  ///< of Family::cumulative, rows in the order of evaluation
  Eigen::VectorXd start_;
};

}  // namespace rapport::detail
