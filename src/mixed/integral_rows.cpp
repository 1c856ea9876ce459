#include "integral_rows.hpp"

#include <algorithm>
#include <utility>

namespace rapport::detail {
namespace {

using Eigen::VectorXd;

std::unique_ptr<RowFamily> make_padded_family(const SortedResponse& model, Index padded,
                                              double constant) {
  const Index n = model.response.size();
  FamilyRows rows{.response = VectorXd::Constant(padded, model.response[0]),
                  .weight = VectorXd::Zero(padded),
                  .nominal = Eigen::MatrixXd::Zero(padded, model.nominal.cols()),
                  .zeros = Eigen::MatrixXd::Zero(padded, model.zeros.cols())};
  rows.response.head(n) = model.response;
  rows.weight.head(n) = model.weights.size() == 0 ? VectorXd::Ones(n) : model.weights;
  if (model.nominal.cols() > 0) rows.nominal.topRows(n) = model.nominal;
  if (model.zeros.cols() > 0) rows.zeros.topRows(n) = model.zeros;
  return make_row_family(model, std::move(rows), constant);
}

}  // namespace

IntegralRows::IntegralRows(std::unique_ptr<Likelihood> likelihood, const SortedResponse& response)
    : likelihood_(std::move(likelihood)),
      n_(response.response.size()),
      rows_((n_ + group_lanes - 1) / group_lanes) {
  const Index padded = rows_ * group_lanes;
  family_ = make_padded_family(response, padded, likelihood_->constant());
  if (family_ != nullptr) entries_ = family_->entries();
  allocate(padded);
}

void IntegralRows::allocate(Index padded) {
  const auto make = [&](VectorXd& array) {
    array = VectorXd::Zero(padded);
    return array.data();
  };
  make(eta_);
  out_.value = value_;
  for (int k = 0; k < 4; ++k) out_.eta[k] = make(eta_derivative_[k]);
  const int parameters = n_kinds() - 1;
  for (int m = 0; m < parameters; ++m) {
    for (int k = 0; k < 4; ++k) out_.family[m][k] = make(family_derivative_[m][k]);
  }
  for (int pair = 0; pair < parameters * (parameters + 1) / 2; ++pair) {
    for (int k = 0; k < 3; ++k) out_.pair[pair][k] = make(pair_derivative_[pair][k]);
  }
}

int IntegralRows::n_kinds() const {
  int kinds = 1;
  for (const RowFamily::Entry& entry : entries_) kinds = std::max(kinds, entry.kind + 1);
  return kinds;
}

bool IntegralRows::set_parameters(const VectorXd& psi) {
  return has_kernels() ? family_->set_parameters(psi) : likelihood_->set_parameters(psi);
}

RowFamily::Constant IntegralRows::constant() const {
  return has_kernels() ? family_->constant() : RowFamily::Constant{likelihood_->constant(), {}, {}};
}

double IntegralRows::evaluate(RowOrder order) {
  if (!has_kernels()) {
    return likelihood_->evaluate(0, n_, eta_.data(),
                                 {.first = out_.eta[0],
                                  .second = out_.eta[1],
                                  .third = order >= RowOrder::third ? out_.eta[2] : nullptr});
  }
  RowSource source = family_->source();
  source.first = &first_;
  source.rows = &rows_;
  source.evaluate(source, 0, eta_.data(), order, out_);
  return (value_[0] + value_[1]) + (value_[2] + value_[3]);
}

VectorXd IntegralRows::parameter_gradient(const RowWeights& weights) const {
  VectorXd gradient = VectorXd::Zero(n_parameters());
  if (!has_kernels()) {
    likelihood_->add_parameter_gradient(0, n_, eta_.data(), weights, gradient);
    return gradient;
  }
  for (const RowFamily::Entry& entry : entries_) {
    const VectorXd* d = family_derivative_[entry.kind - 1];
    double sum = 0;
    for (Index i = 0; i < n_; ++i)
      sum += entry.column[i] * (weights.value[i] * d[0][i] + weights.first[i] * d[1][i] +
                                weights.second[i] * d[2][i]);
    gradient[entry.parameter] += sum;
  }
  return gradient;
}

}  // namespace rapport::detail
