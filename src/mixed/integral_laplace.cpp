#include "arrow.hpp"
#include "integral.hpp"
#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace rapport::detail {
namespace {

/// Laplace's approximation for any terms. With u all spherical effects, f(u) = −Σℓ + u'u/2 and H =
/// f''(û): −log L ≈ f(û) + ½ log|H|. Rows meet H through z̃ = Λ'z; s = z̃'H⁻¹z̃ is a row's leverage.
/// The gradient is exact: with v = ∂(½ log|H|)/∂u, λ = H⁻¹v and κ = z̃'λ, a change of a row's linear
/// predictor counts r = −ℓ' − ½ℓ'''s + ℓ''κ, and Λ acts besides through H and through f_u.
class LaplaceIntegral final : public Integral {
 public:
  LaplaceIntegral(const SortedDesign& design, std::unique_ptr<Likelihood> likelihood)
      : design_(design),
        likelihood_(std::move(likelihood)),
        layout_(make_upper_layout(design.random, design.inner, design.starts)),
        q_(inner_width(design)),
        matrix_(design.n_blocks(), q_, layout_),
        inner_(Eigen::VectorXd::Zero(design.n_blocks() * q_)),
        upper_(Eigen::VectorXd::Zero(layout_.columns)) {
    const Index n = design.n();
    const Index width = q_ + layout_.per_row;
    columns_.resize(width, n);
    Index row = 0;
    for (std::size_t t = 0; t < design.random.size(); ++t) {
      if (!design.inner[t]) continue;
      const Index q = design.random[t].columns.cols();
      columns_.middleRows(row, q) = design.random[t].columns.transpose();
      row += q;
    }
    for (const UpperLayout::Term& term : layout_.terms) {
      columns_.middleRows(q_ + term.row_offset, term.q) =
          design.random[term.design_term].columns.transpose();
    }
    scaled_.resize(width, n);
    solved_.resize(width, n);
    for (Eigen::VectorXd* rows : {&base_, &eta_, &first_, &second_, &third_, &leverage_, &kappa_}) {
      *rows = Eigen::VectorXd::Zero(n);
    }
  }

  double evaluate(const ModelPoint& at, ModelPoint* gradient) override {
    const double undefined = std::numeric_limits<double>::quiet_NaN();
    if (!likelihood_->set_parameters(at.family)) return undefined;
    factor_ = at.factor;
    base_.noalias() = design_.fixed * at.fixed;
    base_ += design_.offset;
    scale_columns();
    const double f = find_modes();
    if (!std::isfinite(f)) {
      inner_.setZero();
      upper_.setZero();
      return undefined;
    }
    if (gradient != nullptr) fill_gradient(*gradient);
    return f + 0.5 * matrix_.log_determinant() - likelihood_->constant();
  }

  [[nodiscard]] std::vector<TermModes> modes() const override;

  [[nodiscard]] Eigen::VectorXd linear_predictor() const override {
    Eigen::VectorXd eta(design_.n());
    for (Index k = 0; k < design_.n(); ++k)
      eta[design_.order[static_cast<std::size_t>(k)]] = eta_[k];
    return eta;
  }

 private:
  static Index inner_width(const SortedDesign& design) {
    Index q = 0;
    for (std::size_t t = 0; t < design.random.size(); ++t) {
      if (design.inner[t]) q += design.random[t].columns.cols();
    }
    return q;
  }
  [[nodiscard]] Index start_of(Index b) const {
    return design_.starts[static_cast<std::size_t>(b)];
  }
  [[nodiscard]] Index end_of(Index b) const {
    return design_.starts[static_cast<std::size_t>(b) + 1];
  }
  [[nodiscard]] const std::vector<Index>& touched(Index b) const {
    return layout_.touched[static_cast<std::size_t>(b)].columns;
  }

  /// Calls visit(design term, first of the row's columns, q) for every term, in the order of a
  /// row's columns.
  template <class Visit>
  void for_each_term(const Visit& visit) const {
    Index row = 0;
    for (std::size_t t = 0; t < design_.random.size(); ++t) {
      if (!design_.inner[t]) continue;
      const Index q = design_.random[t].columns.cols();
      visit(t, row, q);
      row += q;
    }
    for (const UpperLayout::Term& term : layout_.terms)
      visit(term.design_term, q_ + term.row_offset, term.q);
  }

  /// z̃ = Λ'z.
  void scale_columns() {
    for_each_term([&](std::size_t t, Index row, Index q) {
      const Eigen::MatrixXd& factor = factor_[t];
      for (Index k = 0; k < design_.n(); ++k) {
        const double* z = columns_.col(k).data() + row;
        double* scaled = scaled_.col(k).data() + row;
        for (Index j = 0; j < q; ++j) {
          double sum = 0;
          for (Index i = j; i < q; ++i) sum += factor(i, j) * z[i];
          scaled[j] = sum;
        }
      }
    });
  }

  /// f and the rows' derivatives at given effects.
  double rows_at(const Eigen::VectorXd& inner, const Eigen::VectorXd& upper) {
    for (Index b = 0; b < design_.n_blocks(); ++b) {
      const double* u = inner.data() + b * q_;
      for (Index k = start_of(b); k < end_of(b); ++k) {
        const double* z = scaled_.col(k).data();
        double sum = base_[k];
        for (Index j = 0; j < q_; ++j) sum += z[j] * u[j];
        eta_[k] = sum;
      }
    }
    for (std::size_t t = 0; t < layout_.terms.size(); ++t) {
      const UpperLayout::Term& term = layout_.terms[t];
      const auto& group = design_.random[term.design_term].group;
      for (Index k = 0; k < design_.n(); ++k) {
        const double* z = scaled_.col(k).data() + q_ + term.row_offset;
        const double* v =
            upper.data() +
            term.position[static_cast<std::size_t>(group[static_cast<std::size_t>(k)])];
        for (Index j = 0; j < term.q; ++j) eta_[k] += z[j] * v[j];
      }
    }
    if (design_.n_blocks() == 0) eta_ = base_;
    const double value = likelihood_->evaluate(
        0, design_.n(), eta_.data(),
        {.first = first_.data(), .second = second_.data(), .third = third_.data()});
    return -value + 0.5 * (inner.squaredNorm() + upper.squaredNorm());
  }

  /// Adds weights[row] · z̃ of every row to (inner, upper).
  void add_transposed(const Eigen::VectorXd& weights, Eigen::VectorXd& inner,
                      Eigen::VectorXd& upper) const {
    for (Index b = 0; b < design_.n_blocks(); ++b) {
      double* u = inner.data() + b * q_;
      for (Index k = start_of(b); k < end_of(b); ++k) {
        const double* z = scaled_.col(k).data();
        for (Index j = 0; j < q_; ++j) u[j] += weights[k] * z[j];
      }
    }
    for (const UpperLayout::Term& term : layout_.terms) {
      const auto& group = design_.random[term.design_term].group;
      for (Index k = 0; k < design_.n(); ++k) {
        const double* z = scaled_.col(k).data() + q_ + term.row_offset;
        double* v = upper.data() +
                    term.position[static_cast<std::size_t>(group[static_cast<std::size_t>(k)])];
        for (Index j = 0; j < term.q; ++j) v[j] += weights[k] * z[j];
      }
    }
  }

  /// H = I + Σ W z̃z̃' at the rows' derivatives, factorised.
  bool factorize() {
    matrix_.set_identity();
    for (Index b = 0; b < design_.n_blocks(); ++b) {
      Eigen::Map<Eigen::MatrixXd> a = matrix_.a(b);
      Eigen::Map<Eigen::MatrixXd> cross = matrix_.b(b);
      const auto& columns = touched(b);
      if (q_ == 1 && layout_.per_row == 1) {
        add_scalar_block(b, columns);
        continue;
      }
      for (Index k = start_of(b); k < end_of(b); ++k) {
        const double* z = scaled_.col(k).data();
        const double w = -second_[k];
        for (Index j = 0; j < q_; ++j) {
          for (Index i = j; i < q_; ++i) a(i, j) += w * z[i] * z[j];
        }
        for (std::size_t t = 0; t < layout_.terms.size(); ++t) {
          const UpperLayout::Term& term = layout_.terms[t];
          const Index local = layout_.local_start(k, t);
          for (Index j = 0; j < term.q; ++j) {
            const double wz = w * z[q_ + term.row_offset + j];
            for (Index i = 0; i < q_; ++i) cross(i, local + j) += wz * z[i];
            add_upper(k, z, wz, columns[static_cast<std::size_t>(local + j)], columns);
          }
        }
      }
      for (Index j = 0; j < q_; ++j) {
        for (Index i = 0; i < j; ++i) a(i, j) = a(j, i);
      }
    }
    return matrix_.factorize();
  }

  /// A block of one inner effect whose rows meet one upper effect each.
  void add_scalar_block(Index b, const std::vector<Index>& columns) {
    double* cross = matrix_.b(b).data();
    double own = 0;
    for (Index k = start_of(b); k < end_of(b); ++k) {
      const double* z = scaled_.col(k).data();
      const double w = -second_[k];
      const Index local = layout_.local_start(k, 0);
      const Index column = columns[static_cast<std::size_t>(local)];
      own += w * z[0] * z[0];
      cross[local] += w * z[0] * z[1];
      matrix_.c(column, column) += w * z[1] * z[1];
    }
    matrix_.a(b)(0, 0) += own;
  }

  void add_upper(Index k, const double* z, double wz, Index column,
                 const std::vector<Index>& columns) {
    for (std::size_t t = 0; t < layout_.terms.size(); ++t) {
      const UpperLayout::Term& term = layout_.terms[t];
      const Index local = layout_.local_start(k, t);
      for (Index i = 0; i < term.q; ++i) {
        const Index row = columns[static_cast<std::size_t>(local + i)];
        if (row >= column) matrix_.c(row, column) += wz * z[q_ + term.row_offset + i];
      }
    }
  }

  /// Newton's iteration with halving; leaves rows and H at the modes.
  double find_modes() {
    double f = rows_at(inner_, upper_);
    if (!std::isfinite(f)) {
      inner_.setZero();
      upper_.setZero();
      f = rows_at(inner_, upper_);
    }
    bool last = false;
    for (int iteration = 0; iteration < 100 && std::isfinite(f); ++iteration) {
      if (!factorize()) return std::numeric_limits<double>::quiet_NaN();
      if (last || inner_.size() + upper_.size() == 0) return f;
      Eigen::VectorXd inner = -inner_;
      Eigen::VectorXd upper = -upper_;
      add_transposed(first_, inner, upper);
      const double slope = inner.squaredNorm() + upper.squaredNorm();
      matrix_.solve(inner, upper);
      const double largest = std::max(inner.size() == 0 ? 0 : inner.lpNorm<Eigen::Infinity>(),
                                      upper.size() == 0 ? 0 : upper.lpNorm<Eigen::Infinity>());
      if (largest < 1e-13 || slope == 0) return f;
      last = largest < 1e-6;  // the next step would be of the order of its square
      double step = 1;
      const double before = f;
      f = rows_at(inner_ + inner, upper_ + upper);
      while (!(f <= before + 1e-13 * std::abs(before)) && step > 1e-10) {
        step *= 0.5;
        f = rows_at(inner_ + step * inner, upper_ + step * upper);
      }
      inner_ += step * inner;
      upper_ += step * upper;
    }
    return f;
  }

  /// Leverages and H⁻¹z̃ (at the row's own columns) of every row.
  void solve_rows() {
    matrix_.invert();
    ArrowMatrix::InverseParts parts;
    for (Index b = 0; b < design_.n_blocks(); ++b) {
      matrix_.inverse_parts(b, parts);
      for (Index k = start_of(b); k < end_of(b); ++k) solve_row(k, parts);
    }
  }

  void solve_row(Index k, const ArrowMatrix::InverseParts& parts) {
    const double* z = scaled_.col(k).data();
    double* h = solved_.col(k).data();
    if (q_ == 1 && layout_.per_row == 1) {
      const Index local = layout_.local_start(k, 0);
      const double cross = parts.cross(0, local);
      h[0] = parts.inner(0, 0) * z[0] + cross * z[1];
      h[1] = cross * z[0] + parts.upper(local, local) * z[1];
      leverage_[k] = z[0] * h[0] + z[1] * h[1];
      return;
    }
    for (Index i = 0; i < q_; ++i) {
      double sum = 0;
      for (Index j = 0; j < q_; ++j) sum += parts.inner(i, j) * z[j];
      h[i] = sum;
    }
    for (std::size_t t = 0; t < layout_.terms.size(); ++t) {
      const UpperLayout::Term& term = layout_.terms[t];
      const Index local = layout_.local_start(k, t);
      for (Index i = 0; i < term.q; ++i) {
        const double zi = z[q_ + term.row_offset + i];
        double sum = 0;
        for (Index j = 0; j < q_; ++j) {
          h[j] += parts.cross(j, local + i) * zi;
          sum += parts.cross(j, local + i) * z[j];
        }
        for (std::size_t other = 0; other < layout_.terms.size(); ++other) {
          const UpperLayout::Term& second = layout_.terms[other];
          const Index start = layout_.local_start(k, other);
          for (Index j = 0; j < second.q; ++j)
            sum += parts.upper(local + i, start + j) * z[q_ + second.row_offset + j];
        }
        h[q_ + term.row_offset + i] = sum;
      }
    }
    double leverage = 0;
    for (Index i = 0; i < scaled_.rows(); ++i) leverage += z[i] * h[i];
    leverage_[k] = leverage;
  }

  void fill_gradient(ModelPoint& gradient) {
    solve_rows();
    Eigen::VectorXd inner = Eigen::VectorXd::Zero(inner_.size());
    Eigen::VectorXd upper = Eigen::VectorXd::Zero(upper_.size());
    add_transposed((-0.5 * third_.array() * leverage_.array()).matrix(), inner, upper);
    matrix_.solve(inner, upper);
    kappa_.setZero();
    gradient.factor.resize(factor_.size());
    for_each_term([&](std::size_t t, Index row, Index q) {
      for (Index k = 0; k < design_.n(); ++k) {
        const double* lambda = effects(t, k, inner, upper);
        for (Index j = 0; j < q; ++j) kappa_[k] += scaled_(row + j, k) * lambda[j];
      }
    });
    const Eigen::VectorXd r = (-first_.array() - 0.5 * third_.array() * leverage_.array() +
                               second_.array() * kappa_.array())
                                  .matrix();
    gradient.fixed.noalias() = design_.fixed.transpose() * r;
    for_each_term([&](std::size_t t, Index row, Index q) {
      Eigen::MatrixXd sum = Eigen::MatrixXd::Zero(q, q);
      for (Index k = 0; k < design_.n(); ++k) {
        const double* u = effects(t, k, inner_, upper_);
        const double* lambda = effects(t, k, inner, upper);
        for (Index j = 0; j < q; ++j) {
          const double weight =
              r[k] * u[j] - second_[k] * solved_(row + j, k) + first_[k] * lambda[j];
          for (Index i = j; i < q; ++i) sum(i, j) += columns_(row + i, k) * weight;
        }
      }
      gradient.factor[t] = sum;
    });
    gradient.family = Eigen::VectorXd::Zero(likelihood_->n_parameters());
    if (gradient.family.size() == 0) return;
    const Eigen::VectorXd value = Eigen::VectorXd::Constant(design_.n(), -1);
    const Eigen::VectorXd second = -0.5 * leverage_;
    likelihood_->add_parameter_gradient(
        0, design_.n(), eta_.data(),
        {.value = value.data(), .first = kappa_.data(), .second = second.data()}, gradient.family);
  }

  /// The values of a term's effects for the row's level.
  [[nodiscard]] const double* effects(std::size_t t, Index k, const Eigen::VectorXd& inner,
                                      const Eigen::VectorXd& upper) const {
    const Index group = design_.random[t].group[static_cast<std::size_t>(k)];
    if (design_.inner[t]) return inner.data() + group * q_ + inner_row(t);
    for (const UpperLayout::Term& term : layout_.terms) {
      if (term.design_term == t)
        return upper.data() + term.position[static_cast<std::size_t>(group)];
    }
    return nullptr;
  }
  [[nodiscard]] Index inner_row(std::size_t t) const {
    Index row = 0;
    for (std::size_t other = 0; other < t; ++other) {
      if (design_.inner[other]) row += design_.random[other].columns.cols();
    }
    return row;
  }

  const SortedDesign& design_;
  std::unique_ptr<Likelihood> likelihood_;
  UpperLayout layout_;
  Index q_;
  ArrowMatrix matrix_;
  Eigen::VectorXd inner_;
  Eigen::VectorXd upper_;
  std::vector<Eigen::MatrixXd> factor_;
  Eigen::MatrixXd columns_;  ///< a row's z in a column: inner terms, then upper terms
  Eigen::MatrixXd scaled_;   ///< z̃
  Eigen::MatrixXd solved_;   ///< H⁻¹z̃ at the row's own columns
  Eigen::VectorXd base_, eta_, first_, second_, third_, leverage_, kappa_;
};

std::vector<TermModes> LaplaceIntegral::modes() const {
  ArrowMatrix matrix = matrix_;
  matrix.invert();
  std::vector<TermModes> result(factor_.size());
  ArrowMatrix::InverseParts parts;
  for_each_term([&](std::size_t t, Index row, Index q) {
    const auto levels = static_cast<Index>(design_.random[t].levels.size());
    result[t].modes.resize(levels, q);
    result[t].covariance.resize(levels * q, q);
    const auto upper =
        std::find_if(layout_.terms.begin(), layout_.terms.end(),
                     [&](const UpperLayout::Term& term) { return term.design_term == t; });
    for (Index g = 0; g < levels; ++g) {
      Eigen::VectorXd u;
      Eigen::MatrixXd inverse(q, q);
      if (design_.inner[t]) {
        u = inner_.segment(g * q_ + row, q);
        matrix.inverse_parts(g, parts);
        inverse = parts.inner.block(row, row, q, q);
      } else {
        const Index position = upper->position[static_cast<std::size_t>(g)];
        u = upper_.segment(position, q);
        for (Index j = 0; j < q; ++j) {
          for (Index i = 0; i < q; ++i)
            inverse(i, j) = matrix.upper_inverse(position + i, position + j);
        }
      }
      result[t].modes.row(g) = (factor_[t] * u).transpose();
      result[t].covariance.middleRows(g * q, q) = factor_[t] * inverse * factor_[t].transpose();
    }
  });
  return result;
}

}  // namespace

std::unique_ptr<Integral> make_laplace_integral(const SortedDesign& design,
                                                std::unique_ptr<Likelihood> likelihood) {
  return std::make_unique<LaplaceIntegral>(design, std::move(likelihood));
}

}  // namespace rapport::detail
