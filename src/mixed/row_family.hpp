#pragma once

#include <rapport/mixed/generalized.hpp>

#include "group_kernels.hpp"
#include "integral.hpp"
#include <memory>
#include <vector>

namespace rapport::detail {

/// A family whose rows the kernels of groups evaluate themselves, with all derivatives that the
/// Hessian of the integral needs. Holds responses and weights in the order of the kernels' blocks;
/// rows of weight 0 count nothing.
class RowFamily {
 public:
  /// Row i's ψ_kind moves by column[i] for every unit of the parameter.
  struct Entry {
    int kind;
    Index parameter;
    Eigen::VectorXd column;
  };
  /// The part of the log-likelihood that no linear predictor enters.
  struct Constant {
    double value = 0;
    Eigen::VectorXd gradient;
    Eigen::MatrixXd hessian;
  };

  virtual ~RowFamily() = default;
  RowFamily(const RowFamily&) = delete;
  RowFamily& operator=(const RowFamily&) = delete;

  /// False if they lie outside their range.
  virtual bool set_parameters(const Eigen::VectorXd& /*parameters*/) { return true; }
  [[nodiscard]] virtual Constant constant() const { return {constant_, {}, {}}; }
  [[nodiscard]] virtual std::vector<Entry> entries() const { return {}; }
  /// Everything but the blocks; at the parameters set last.
  [[nodiscard]] const RowSource& source() const { return source_; }

 protected:
  using Kernel = decltype(RowSource::evaluate);
  RowFamily(Kernel kernel, Eigen::VectorXd response, Eigen::VectorXd weight, double constant);

  Eigen::VectorXd response_;
  Eigen::VectorXd weight_;
  double constant_;  ///< apart from what moves with the parameters
  RowSource source_ = {};
};

/// What the kernels are to know of the rows, in the order of their blocks.
struct FamilyRows {
  Eigen::VectorXd response;
  Eigen::VectorXd weight;
  Eigen::MatrixXd nominal;  ///< as SortedResponse::nominal
  Eigen::MatrixXd zeros;    ///< as SortedResponse::zeros
};

/// `constant` is Σ w log of the density's factors that no parameter enters; used by families
/// without parameters. Null where the kernels do not know the model.
std::unique_ptr<RowFamily> make_row_family(const SortedResponse& model, FamilyRows rows,
                                           double constant);
/// Does make_row_family() make one?
bool has_row_family(const SortedResponse& model);
/// May rows with equal predictors be taken together whatever their responses, as weighted means?
bool averages_rows(const SortedResponse& model);

}  // namespace rapport::detail
